"""A Parquet file's footer, read without Arrow: as Arrow tells it, and never the end of the process."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rookery_ensembles._parquet_footer import chunks
from rookery_ensembles.bounds import open_parquet


@pytest.fixture
def file(tmp_path: Path) -> Path:
    columns = {
        "object_id": ["g1", "g2", "g3"] * 100,
        "redshift": [0.1, None, 0.3] * 100,
        "pdf": [[0.5, 1.5]] * 300,
        "flag": [{"bad": True}] * 300,
        "code": pa.array([b"ab"] * 300, pa.binary(2)),
    }
    pq.write_table(pa.table(columns, metadata={"rookery": "{}"}), tmp_path / "t.parquet", row_group_size=70)
    return tmp_path / "t.parquet"


def test_chunks_are_those_that_arrow_tells_of(file: Path) -> None:
    metadata = pq.ParquetFile(file).metadata
    told = [metadata.row_group(g).column(c) for g in range(5) for c in range(metadata.num_columns)]
    assert [
        (c.physical_type, c.path, c.num_values, c.unpacked_bytes, c.has_dictionary) for c in chunks(file)
    ] == [
        (c.physical_type, c.path_in_schema, c.num_values, c.total_uncompressed_size, c.has_dictionary_page)
        for c in told
    ]


@pytest.mark.slow
def test_a_flipped_bit_of_a_footer_ends_no_process(file: Path) -> None:
    content = file.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little")
    refused = 0
    for place in range(len(content) - 8 - footer, len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:
            open_parquet(file).close()
        except (OSError, ValueError, LookupError, pa.ArrowException):
            refused += 1
    assert refused > footer / 20
