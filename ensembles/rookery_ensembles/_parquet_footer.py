"""What a Parquet file's footer says of its column chunks, read without Arrow.

Arrow itself ends the process (SIGABRT) when it is asked for a chunk of a damaged footer whose statistics do
not fit; its readers of data raise for the same file. The footer is in Thrift's compact protocol, and
parquet.thrift is its grammar.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TAIL, _DEEPEST = 8, 20
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_ROW_GROUPS, _COLUMNS, _META = 4, 1, 3
_TYPE, _PATH, _NUM_VALUES, _UNCOMPRESSED, _DICTIONARY = 1, 3, 5, 6, 11
TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")


@dataclass(frozen=True)
class Chunk:
    """A column of a row group."""

    column: int
    physical_type: str
    path: str
    """Its number, type and name."""
    num_values: int
    unpacked_bytes: int
    """How much there is."""
    has_dictionary: bool
    """Whether values are kept as numbers of a dictionary."""


def chunks(path: Path) -> Iterator[Chunk]:
    """Yield the column chunks of a file that Arrow could open.

    Raises
    ------
    OSError
        When its footer is damaged.
    """
    content = _footer(path)
    try:
        groups = _Thrift(content).structure(0).get(_ROW_GROUPS, [])
        for group in groups:
            for number, column in enumerate(group[_COLUMNS]):
                meta = column[_META]
                yield Chunk(
                    number,
                    TYPES[meta[_TYPE]],
                    ".".join(part.decode() for part in meta[_PATH]),
                    int(meta[_NUM_VALUES]),
                    int(meta[_UNCOMPRESSED]),
                    _DICTIONARY in meta,
                )
    except (LookupError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise OSError(f"the footer is damaged: {type(error).__name__}: {error}") from error


def _footer(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-_TAIL, 2)
        size = int.from_bytes(stream.read(4), "little")
        stream.seek(max(0, path.stat().st_size - _TAIL - size))
        return stream.read(size)


class _Thrift:
    """Reads values of Thrift's compact protocol as plain ones: structures are dicts by field number."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def structure(self, depth: int) -> dict[int, Any]:
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = field + step if step else self._integer()
            found[field] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth + 1)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            return struct.unpack("<d", self._take(8))[0]
        if kind == _BINARY:
            return self._take(self._natural())
        if kind in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._natural()
            return [self._value(head & 15, depth) for _ in range(self._possible(size))]
        if kind == _MAP:
            if not (size := self._possible(self._natural())):
                return []
            head = self._byte()
            return [(self._value(head >> 4, depth), self._value(head & 15, depth)) for _ in range(size)]
        if kind == _STRUCT:
            return self.structure(depth)
        if kind in (4, 5, 6):
            return self._integer()
        raise ValueError(f"there is no type {kind}")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        found = self._content[self._at : self._at + size]
        if len(found) < size:
            raise ValueError("cut short")
        self._at += size
        return found

    def _possible(self, size: int) -> int:
        if size > len(self._content):
            raise ValueError("a list longer than the footer")
        return size

    def _natural(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _integer(self) -> int:
        value = self._natural()
        return (value >> 1) ^ -(value & 1)
