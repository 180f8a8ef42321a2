"""Small files that promise much: one line, exit status 2, and little memory, whichever reader meets them."""

import bz2
import gzip
import io
import json
import lzma
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from numpy.lib import format as npy

from rookery.documents import Source
from rookery.surveys import ingest_catalogue, ingest_headphot_csv
from rookery.surveys._tables import read_table
from rookery_ensembles import InputError, bounds, read_predictions
from rookery_ensembles.bounds import FREE_BYTES, VARIABLE, check_growth
from rookery_ensembles.npy_files import array_of, read_header
from rookery_ensembles.unpacked import unpacked, unpacking

GIB = 1 << 30
# What the reader may take beyond its imports: the first 268 MB that any file may become, twice.
MOST_MEMORY = 3 * FREE_BYTES

# Runs the command line in a fork for each bomb, since the imports take longer than the bombs.
RUN = """
import json, os, resource, sys, tempfile
import pandas, pyarrow.csv, pyarrow.parquet, astropy.io.fits, rookery.surveys
from rookery.cli import main

for line in sys.stdin:
    words = json.loads(line)
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30,) * 2)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            sys.argv = ["rookery", *words]
            status = 0
            try:
                main()
            except SystemExit as end:
                status = end.code
            sys.stderr.flush()
            took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os.write(1, (json.dumps([status, took * 1024]) + "\\n").encode())
            os._exit(0)
        os.waitpid(child, 0)
        said.seek(0)
        print(json.dumps(said.read()), flush=True)
"""


def many(pack, block: bytes, total: int) -> bytes:
    """Return so many bytes of a repeated block, packed; every packing allows one stream after the other."""
    return pack(block) * (total // len(block))


def packed(pack, head: bytes, total: int = 4 * GIB, block: bytes = bytes(1 << 24)) -> bytes:
    return pack(head) + many(pack, block, total)


def tar_head(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT if kind != tarfile.XHDTYPE else tarfile.USTAR_FORMAT)


def npy_head(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def fits_head(*axes: int) -> bytes:
    header = fits.PrimaryHDU().header
    header["BITPIX"], header["NAXIS"] = -32, len(axes)
    for number, length in enumerate(axes):
        header[f"NAXIS{number + 1}"] = length
    return header.tostring().encode()


def npz(path: Path, **members: tuple[bytes, int]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (head, zeros) in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                stream.write(head)
                for _ in range(zeros >> 24):
                    stream.write(bytes(1 << 24))


def text_of_gzip(folder: Path) -> list[str]:
    (folder / "c.csv.gz").write_bytes(packed(gzip.compress, b"id,mag_g\n", block=b"1,22\n" * 2**20))
    return ["catalogue", "c.csv.gz"]


def text_of_xz(folder: Path) -> list[str]:
    (folder / "c.csv.xz").write_bytes(packed(lzma.compress, b"id,mag_g\n", total=GIB))
    return ["catalogue", "c.csv.xz"]


def text_in_a_zip(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "c.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("c.csv", bytes(FREE_BYTES + 1))
    return ["catalogue", "c.zip"]


def long_first_line_of_annz(folder: Path) -> list[str]:
    (folder / "a.csv.gz").write_bytes(packed(gzip.compress, b"#F:MAG_U;D:Z\n"))
    return ["annz", "a.csv.gz"]


def rows_of_gzip(folder: Path) -> list[str]:
    (folder / "t.csv.gz").write_bytes(
        packed(gzip.compress, b"object_id,mjd,band,flux,flux_err\n", block=b"1,59000,g,1,1\n" * 2**20)
    )
    return ["table", "t.csv.gz"]


def a_fits_table_of_gzip(folder: Path) -> list[str]:
    (folder / "S_HEAD.FITS.gz").write_bytes(packed(gzip.compress, fits_head()))
    return ["snana-fits", "S_HEAD.FITS.gz"]


def a_light_curve_in_a_tar(folder: Path) -> list[str]:
    head = tar_head("a.dat", 4 * GIB) + b"SURVEY: X\nSNID: 1\n".ljust(1 << 16)
    (folder / "s.tar.gz").write_bytes(packed(gzip.compress, head))
    return ["snana", "s.tar.gz"]


def a_long_name_in_a_tar(folder: Path) -> list[str]:
    (folder / "s.tar.bz2").write_bytes(packed(bz2.compress, tar_head("x", 4 * GIB, tarfile.GNUTYPE_LONGNAME)))
    return ["snana", "s.tar.bz2"]


def a_light_curve_with_holes(folder: Path) -> list[str]:
    (folder / "in").mkdir()
    with (folder / "in" / "a.dat").open("wb") as stream:
        stream.write(b"SURVEY: X\nSNID: 1\n")
        stream.truncate(8 * GIB)
    return ["snana", "in"]


def a_header_of_npy(folder: Path) -> list[str]:
    dtype = [("id", "<i8"), ("mag_g", "<f8")]
    (folder / "c.npy").write_bytes(npy_head((10**9,), dtype) + bytes(1000))
    return ["catalogue", "c.npy"]


def fields_of_no_size(folder: Path) -> list[str]:
    (folder / "c.npy").write_bytes(npy_head((10**11,), [("id", "<U0")]))
    return ["catalogue", "c.npy"]


def labels_of_npz(folder: Path) -> list[str]:
    n = 10**8
    members = {"cube": (npy_head((n, 1, 1, 1), "|u1"), 0), "labels": (npy_head((n,), [("id", "<i8")]), 8 * n)}
    npz(folder / "c.npz", **members)
    return ["cubes", "c.npz", "--bands", "g"]


def a_cube_of_npz(folder: Path) -> list[str]:
    npz(folder / "c.npz", cube=(npy_head((10**8, 1, 1, 1)), 4 * 10**8))
    return ["cubes", "c.npz", "--bands", "g"]


def a_cutout(folder: Path, name: str, content: bytes) -> list[str]:
    (folder / "in").mkdir()
    (folder / "in" / name).write_bytes(content)
    (folder / "in" / "manifest.csv").write_text(f"object_id,redshift,path\na,0.1,{name}\n")
    return ["cutouts", "in", "--bands", "g"]


def a_cutout_of_npy(folder: Path) -> list[str]:
    return a_cutout(folder, "a.npy", npy_head((1, 60_000, 60_000)))


def a_cutout_of_gzip(folder: Path) -> list[str]:
    return a_cutout(folder, "a.npy", packed(gzip.compress, npy_head((1, 32_000, 32_000))))


def an_image_of_fits(folder: Path) -> list[str]:
    return a_cutout(folder, "a.fits", fits_head(60_000, 60_000, 1))


def tiles_of_fits(folder: Path) -> list[str]:
    stream = io.BytesIO()
    tiles = fits.CompImageHDU(np.zeros((50, 50), np.int32), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(stream)
    content = stream.getvalue()
    for axis in (1, 2):
        old = f"ZNAXIS{axis} =                   50".encode()
        assert content.count(old) == 1
        content = content.replace(old, f"ZNAXIS{axis} =                60000".encode())
    return a_cutout(folder, "a.fits", content)


def a_frame_of_gzip(folder: Path) -> list[str]:
    (folder / "cat.csv").write_text("object_id,ra,dec,redshift\na,150,2,0.1\n")
    (folder / "g.fits.gz").write_bytes(packed(gzip.compress, fits_head(32_000, 32_000)))
    return ["frames", "g.fits.gz", "--bands", "g", "--catalogue", str(folder / "cat.csv"), "--size", "8"]


def repeated_numbers_of_parquet(folder: Path) -> list[str]:
    part = pa.table({"object_id": pa.array(np.zeros(10**7, np.int64))})
    with pq.ParquetWriter(folder / "c.parquet", part.schema) as writer:
        for _ in range(4):
            writer.write_table(part)
    return ["catalogue", "c.parquet"]


def repeated_texts_of_parquet(folder: Path) -> list[str]:
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, np.int32)), ["x" * 10**6])
    pq.write_table(pa.table({"object_id": text}), folder / "c.parquet", dictionary_pagesize_limit=1 << 30)
    return ["catalogue", "c.parquet"]


BOMBS = [
    (text_of_gzip, "c.csv.gz: becomes .* bytes or more when unpacked"),
    (text_of_xz, "c.csv.xz: becomes"),
    (text_in_a_zip, "c.zip: becomes"),
    (long_first_line_of_annz, "a.csv.gz: becomes"),
    (rows_of_gzip, "t.csv.gz: becomes"),
    (a_fits_table_of_gzip, "S_HEAD.FITS.gz: becomes"),
    (a_light_curve_in_a_tar, "a.dat: a light curve must have at most 134,217,728 bytes"),
    (a_long_name_in_a_tar, "s.tar.bz2: becomes"),
    (a_light_curve_with_holes, "a.dat: a light curve must have at most 134,217,728 bytes"),
    (a_header_of_npy, "c.npy: .*shorter than its header says"),
    (fields_of_no_size, r"c.npy: .*no array of the shape \(100000000000,\)"),
    (labels_of_npz, "c.npz: becomes"),
    (a_cube_of_npz, "c.npz: becomes"),
    (a_cutout_of_npy, "a.npy: .*shorter than its header says"),
    (a_cutout_of_gzip, "a.npy: becomes"),
    (an_image_of_fits, "a.fits: is truncated: its header promises 60000 x 60000 x 1 values"),
    (tiles_of_fits, "a.fits: becomes 14,400,000,000 bytes"),
    (a_frame_of_gzip, "g.fits.gz: becomes"),
    (repeated_numbers_of_parquet, "c.parquet: becomes 320,000,000 bytes"),
    (repeated_texts_of_parquet, "c.parquet: becomes 10,000,040,000 bytes"),
]


@pytest.fixture(scope="module")
def met(tmp_path_factory):
    """What each bomb's reader said: exit status, memory, standard error, and whether it wrote a survey."""
    folders, commands = [], []
    for bomb, _ in BOMBS:
        folder = tmp_path_factory.mktemp(bomb.__name__)
        verb, source, *options = bomb(folder)
        size = sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())
        assert size < 20_000_000, bomb
        folders.append(folder)
        commands.append(["ingest", verb, str(folder / source), str(folder / "out"), *options])
    lines = "".join(json.dumps(command) + "\n" for command in commands)
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=lines, capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        bomb.__name__: (*found[2 * place], found[2 * place + 1], (folders[place] / "out").exists())
        for place, (bomb, _) in enumerate(BOMBS)
    }


@pytest.mark.slow
@pytest.mark.parametrize(("bomb", "message"), BOMBS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_bomb_is_one_line_and_little_memory(met, bomb, message: str) -> None:
    status, memory, said, written = met[bomb.__name__]
    (line,) = said.splitlines()
    assert re.search(f"^error: .*{message}", line), line
    assert status == 2
    assert memory < MOST_MEMORY
    assert not written


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_every_packing_is_counted_while_it_is_read(tmp_path: Path, pack, monkeypatch) -> None:
    monkeypatch.setattr(bounds, "FREE_BYTES", 1 << 20)
    (tmp_path / "bomb").write_bytes(packed(pack, b"", total=1 << 26, block=bytes(1 << 22)))
    done: list[int] = []

    def read() -> None:
        with unpacking(tmp_path / "bomb") as stream:
            done.extend(iter(lambda: len(stream.read(1000)), 0))

    with pytest.raises(InputError, match="bomb: becomes"):
        read()
    assert sum(done) < 4 << 20


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_honest_data_may_be_of_any_size(tmp_path: Path, pack, monkeypatch) -> None:
    monkeypatch.setattr(bounds, "FREE_BYTES", 1000)
    rows = "".join(f"{i},{i % 977 / 100:.2f},{i * 7919 % 1009 / 1000:.3f}\n" for i in range(20_000))
    text = ("id,mag_g,z_spec\n" + rows).encode()
    (tmp_path / "c.csv").write_bytes(pack(text))
    assert len(text) > 2 * (tmp_path / "c.csv").stat().st_size
    assert unpacked(tmp_path / "c.csv") == text


def test_the_limit_can_be_raised(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bounds, "FREE_BYTES", 1000)
    (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(1_000_000)))
    with pytest.raises(InputError, match=rf"may become 100,300: a larger {VARIABLE} \(by default 100\)"):
        unpacked(tmp_path / "zeros.gz")
    monkeypatch.setenv(VARIABLE, "2000")
    assert unpacked(tmp_path / "zeros.gz") == bytes(1_000_000)
    monkeypatch.setenv(VARIABLE, "many")
    with pytest.raises(InputError, match=rf"{VARIABLE}: must be a number of 1 or more, but is 'many'"):
        unpacked(tmp_path / "zeros.gz")


def test_a_survey_of_hundred_gigabytes_of_text_is_in_proportion() -> None:
    check_growth("survey.tar.gz", 100 * GIB, 5 * GIB)
    with pytest.raises(InputError, match="gz: becomes 12,700,000,000"):
        check_growth("survey.tar.gz", 12_700_000_000, 28_000_000)


def test_a_damaged_end_of_a_packed_archive_is_told(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"object_id,ra\n1,2\n"))
    content[-8] ^= 1
    (tmp_path / "c.csv.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"c\.csv\.gz: cannot be read \(CRC check failed"):
        ingest_catalogue(tmp_path / "c.csv.gz", tmp_path / "out")


def test_packed_tables_are_read_as_plain_ones(tmp_path: Path) -> None:
    head, phot = "SNID,TYPE,MWEBV\na,Ia,0.1\n", "SNID,MJD,BAND,FLT,FLUXCAL,FLUXCALERR\na,59000,g,g,10,1\n"
    surveys = []
    for name, pack in (("plain", bytes), ("packed", gzip.compress)):
        (tmp_path / name).mkdir()
        for kind, text in (("HEAD", head), ("PHOT", phot)):
            ending = ".csv.gz" if name == "packed" else ".csv"
            (tmp_path / name / f"S_{kind}{ending}").write_bytes(pack(text.encode()))
        found = ingest_headphot_csv(tmp_path / name, tmp_path / f"{name}-out", name="s").survey
        surveys.append(found.observation_arrays().flux.tolist())
    assert surveys[0] == surveys[1] == [10.0]


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((10**30,), "<f4", "shorter than its header says"),
        ((-4,), "<f4", "no array of the shape"),
        ((5, 2**40), "|S0", "no array of the shape"),
        ((3,), "<f4", "shorter than its header says"),
    ],
)
def test_a_header_of_npy_is_held_to_what_follows(shape, dtype, message) -> None:
    content = npy_head(shape, dtype) + bytes(8)
    with pytest.raises(ValueError, match=message):
        read_header(io.BytesIO(content), len(content))
    with pytest.raises(ValueError, match=message):
        array_of(content)


def test_an_array_of_npy_is_read_whole() -> None:
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    np.testing.assert_array_equal(array_of(stream.getvalue()), np.arange(6.0).reshape(2, 3))


def test_predictions_and_tables_that_repeat_endlessly_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bounds, "FREE_BYTES", 10_000)
    pq.write_table(pa.table({"object_id": ["x" * 1000] * 1000}), tmp_path / "p.parquet")
    for read in (read_predictions, read_table):
        with pytest.raises(InputError, match=r"p\.parquet: becomes 1,00\d,\d00 bytes"):
            read(tmp_path / "p.parquet")
    pq.write_table(pa.table({"object_id": [str(i) for i in range(100_000)]}), tmp_path / "q.parquet")
    assert len(read_table(tmp_path / "q.parquet")) == 100_000


def test_a_yaml_document_has_a_largest_length(tmp_path: Path) -> None:

    (tmp_path / "config.yaml").write_text("a: [" + "b," * 1_000_000 + "]\n")
    with pytest.raises(InputError, match=r"config\.yaml: a YAML document must have at most 2,000,000 char"):
        Source.read(tmp_path / "config.yaml")
