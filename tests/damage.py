"""Ways to damage a file, drawn from a seed or by hypothesis: what the fuzz tests of all readers share."""

import io
import random
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

VALUES = [
    b"",
    b"nan",
    b"NaN",
    b"-9",
    b"inf",
    b"-Infinity",
    b"1e400",
    b"-1",
    b"0",
    b"2456001.5",
    b"abc",
    b"\xff\xfe",
    b"\x00",
    b'"',
    b"'",
    b"\n",
    b"\r\n",
    b"9" * 40,
    b"9" * 5000,
    b"0x" + b"f" * 5000,
    b"null",
    b"~",
    b"true",
    b"[]",
    b"{}",
    b"[" * 2000,
    b'{"a":' * 2000,
    b"- " * 300,
    b"&a [*a]",
    b"*a",
    b"<<: *a",
    b"!!python/object:os.system x",
    b'"\\ud800"',
    "\u2028\u202e\N{PILE OF POO}".encode(),
    b"\x1b[31m",
    b"../../etc/passwd",
    b"a" * 3000,
    b"2024-13-45",
    b"1:2:3",
    b"0o777",
    b"1_000",
    b"--",
    b"---\n",
    b"%YAML 9.9\n",
    b"\xef\xbb\xbf",
]


IN_TABLES = [*VALUES[:14], b"-9999", b"9" * 40]
"""What a damaged table may hold between its separators."""


@st.composite
def damages(draw: st.DrawFn, separators: bytes) -> Callable[[bytes], bytes]:
    """Draw a way to damage a table; between separators stand values, and FITS's cards and columns."""
    kind = draw(st.sampled_from(["bytes", "cut", "remove", "repeat", "value", "swap", "empty"]))
    places = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=2).map(sorted))
    value = draw(st.one_of(st.sampled_from(IN_TABLES), st.binary(max_size=6)))

    def damaged(content: bytes) -> bytes:
        start, stop = (int(place * len(content)) for place in places)
        if kind == "bytes":
            return content[:start] + value + content[start + len(value) :]
        if kind in ("cut", "remove", "repeat", "empty"):
            return _KINDS[kind](content, start, stop, random.Random(0))
        words = re.split(separators, content)
        one, other = (2 * (int(place * len(words)) // 2) for place in places)
        if kind == "swap":
            words[one], words[other] = words[other], words[one]
        else:
            words[one] = value
        return b"".join(words)

    return damaged


def damage(content: bytes, numbers: random.Random) -> tuple[str, bytes]:
    """Return what was done, and the damaged content; now and then two damages."""
    if content[:4] == b"PAR1" and numbers.random() < 0.6:
        return _table(content, numbers)
    what, content = _once(content, numbers)
    if numbers.random() < 0.2:
        more, content = _once(content, numbers)
        what = f"{what}, {more}"
    return what, content


def _table(content: bytes, numbers: random.Random) -> tuple[str, bytes]:
    """Damage what a Parquet file says, and write it well: no checksum of a page tells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    names, metadata = table.column_names, dict(table.schema.metadata or {})
    place = numbers.randrange(len(names))
    kind = numbers.choice(
        ["column", "column", "name", "drop", "rows", "repeat", "order", "metadata", "twice"]
    )
    what = f"{kind} of {names[place]}"
    if kind == "column":
        number = numbers.randrange(len(_COLUMNS))
        what = f"{what} by values {number}"
        column = _COLUMNS[number]
        table = table.set_column(place, names[place], pa.array([column[0]] * len(table), type=column[1]))
        if (
            numbers.random() < 0.5
            and column[1] == pq.read_table(io.BytesIO(content)).schema.field(place).type
        ):
            first = pq.read_table(io.BytesIO(content)).column(place).slice(1)
            mixed = pa.chunked_array([pa.array([column[0]], type=column[1]), *first.chunks])
            table = table.set_column(place, names[place], mixed)
    elif kind == "name":
        table = table.rename_columns(
            [numbers.choice(["", "x\ny", "a"]) if n == place else name for n, name in enumerate(names)]
        )
    elif kind == "drop":
        table = table.drop_columns(names[place])
    elif kind == "rows":
        table = table.slice(0, numbers.randrange(len(table)))
    elif kind == "repeat":
        table = pa.concat_tables([table, table.slice(numbers.randrange(len(table)), 1)])
    elif kind == "order":
        table = table.take(pa.array(numbers.sample(range(len(table)), len(table))))
    elif kind == "twice":
        table = table.append_column(names[place], table.column(place))
    elif kind == "metadata":
        for key in metadata:
            what, metadata[key] = _once(metadata[key], numbers)
        if numbers.random() < 0.2:
            metadata = {}
    written = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), written)
    return what, written.getvalue()


def _once(content: bytes, numbers: random.Random) -> tuple[str, bytes]:
    kind = numbers.choice(list(_KINDS))
    start, stop = sorted(numbers.randrange(len(content) + 1) for _ in range(2))
    return f"{kind} at {start}", _KINDS[kind](content, start, stop, numbers)


def _flip(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    if start == len(content):
        return content
    return content[:start] + bytes([content[start] ^ 1 << numbers.randrange(8)]) + content[start + 1 :]


def _overwrite(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    value = numbers.choice(VALUES)
    return content[:start] + value + content[start + len(value) :]


def _insert(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    return content[:start] + numbers.choice(VALUES) + content[start:]


def _bytes(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    number = numbers.choice([1, 4, 8, 64])
    return (
        content[:start]
        + numbers.choice([numbers.randbytes(number), b"\xff" * number])
        + content[start + number :]
    )


def _header(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    """Damage the first or last bytes, where binary formats say what follows."""
    near = numbers.randrange(min(200, len(content) + 1))
    place = near if numbers.random() < 0.5 else len(content) - near
    return _bytes(content, place, stop, numbers)


def _words(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    """Exchange a value between separators (also a card or column of FITS), or two."""
    words = re.split(rb"([,:\s\[\]{}]+)", content)
    one, other = (2 * numbers.randrange(len(words) // 2 + 1) for _ in range(2))
    if numbers.random() < 0.3:
        words[one], words[other] = words[other], words[one]
    else:
        words[one] = numbers.choice(VALUES)
    return b"".join(words)


def _lines(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    one, other = (numbers.randrange(len(lines)) for _ in range(2))
    change = numbers.choice(["drop", "swap", "repeat", "indent"])
    if change == "drop":
        del lines[one]
    elif change == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    elif change == "repeat":
        lines.insert(other, lines[one])
    else:
        lines[one] = b"  " + lines[one]
    return b"".join(lines)


def _columns() -> list[tuple[Any, Any]]:
    import pyarrow as pa

    lists = pa.list_(pa.float32(), 2)
    return [
        (None, pa.null()),
        (None, pa.string()),
        (None, pa.float64()),
        ("", pa.string()),
        ("x\ny", pa.string()),
        ("\u202e" * 500, pa.large_string()),
        (b"\xff", pa.binary()),
        (float("nan"), pa.float64()),
        (-1.0, pa.float64()),
        (float("inf"), pa.float64()),
        (1e308, pa.float64()),
        (0, pa.int8()),
        (2**63 - 1, pa.int64()),
        (True, pa.bool_()),
        ([1.0, 2.0], lists),
        ([None, 1.0], lists),
        ([float("nan"), float("inf")], lists),
        (None, lists),
        ([1.0], pa.list_(pa.float64())),
        ({"a": 1}, pa.struct({"a": pa.int64()})),
        (0, pa.timestamp("ns")),
        ("x", pa.dictionary(pa.int32(), pa.string())),
        (1, pa.float16()),
        (0, pa.int16()),
        (-7, pa.int16()),
        (30000, pa.int16()),
        ("train", pa.string()),
    ]


_COLUMNS = _columns()
_KINDS: dict[str, Callable[[bytes, int, int, random.Random], bytes]] = {
    "flip": _flip,
    "overwrite": _overwrite,
    "insert": _insert,
    "bytes": _bytes,
    "header": _header,
    "words": _words,
    "lines": _lines,
    "cut": lambda content, start, stop, numbers: content[:start],
    "remove": lambda content, start, stop, numbers: content[:start] + content[stop:],
    "repeat": lambda content, start, stop, numbers: content[:stop] + content[start:stop] + content[stop:],
    "empty": lambda content, start, stop, numbers: b"",
}
