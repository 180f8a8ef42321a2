"""Tables in text, by commas, semicolons, tabulators or blanks; the header in a comment, a line, or given."""

import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from rookery.surveys._tables import unique_columns
from rookery_ensembles.errors import fail
from rookery_ensembles.text_tables import DECIMAL_COMMA, decimal_point, separator, split_fields

_NULLS = ["", "NA", "N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "--", "masked"]
_HEAD_BYTES = 1 << 16

# Names of the columns from (a header's names, the number of fields in a row); raises ValueError.
Resolve = Callable[[list[str], int], list[str]]


@dataclass(frozen=True)
class TextLayout:
    """How a text table is laid out."""

    names: list[str]
    """Its columns."""
    delimiter: str
    """``","``, ``";"``, a tabulator, or ``" "`` for any run of blanks."""
    skip: int
    """Lines before the first row."""
    decimal_point: str = "."
    """``","`` where semicolons part the fields and numbers are written with a decimal comma."""


def text_layout(
    content: bytes, where: Path, *, names: Sequence[str] | None = None, resolve: Resolve | None = None
) -> TextLayout:
    """Find a text table's columns.

    Comments (``#``) may stand before the first row. The header is the first line without ``#`` if
    a field of it is no number, else the last comment with more than one word.

    Parameters
    ----------
    names
        The columns, given by hand; a header is then skipped.
    resolve
        What mends a header whose length differs from the rows'.

    Raises
    ------
    InputError
        When there is no row or no header, or the header does not fit the rows.
    """
    head = content[:_HEAD_BYTES].decode("utf-8", errors="replace").lstrip("\ufeff")
    comment, skip, first = "", 0, None
    for line in head.split("\n"):
        text = line.strip()
        if text and not text.startswith("#"):
            first = text
            break
        words = re.split(r"[,;\s]+", text.lstrip("# "))
        if len([word for word in words if word]) > 1:
            comment = text.lstrip("#").strip()
        skip += 1
    if first is None:
        raise fail(where, "must be a table, but has no row")
    delimiter = separator(first)
    fields = split_fields(first, delimiter)
    if not all(_is_number(field, delimiter) for field in fields):
        header, skip = fields, skip + 1
        width = _width(head, skip, delimiter) or len(header)
    else:
        header, width = _comment_names(comment, delimiter), len(fields)
    found = list(names) if names is not None else header
    if not found:
        raise fail(where, "has no header: give the names of its columns with --names")
    if len(found) != width and names is None and resolve is not None:
        try:
            found = resolve(found, width)
        except ValueError as error:
            raise fail(where, str(error)) from error
    if len(found) != width:
        hint = "" if names is not None else ": give the names of all columns with --names"
        what = "--names gives" if names is not None else "the header names"
        raise fail(
            where, f"{what} {len(found)} columns ({', '.join(found[:40])}), but the rows have {width}{hint}"
        )
    point = decimal_point(head.split("\n")[skip:], delimiter)
    return TextLayout(unique_columns(found, where), delimiter, skip, point)


def parse_text(
    content: bytes, layout: TextLayout, wanted: Collection[str], text: Collection[str]
) -> pa.Table:
    """Return the `wanted` columns, those of `text` as text and the others as their values look.

    Raises
    ------
    InputError, pyarrow.ArrowException
        For a row with another number of fields.
    """
    quote: str | bool = '"'
    delimiter, body = layout.delimiter, _below(content, layout.skip)
    if delimiter == " ":
        delimiter, quote = "\t", False
        body = b"\n".join(b"\t".join(line.split()) for line in _rows(body))
    elif b"#" in body:
        body = b"\n".join(_rows(body))
    if not body.strip():
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    return pacsv.read_csv(
        pa.BufferReader(body),
        # One thread: only then does a complaint name its row.
        read_options=pacsv.ReadOptions(use_threads=False, column_names=layout.names),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, quote_char=quote),
        convert_options=pacsv.ConvertOptions(
            include_columns=list(wanted),
            column_types={name: pa.string() for name in text},
            null_values=_NULLS,
            strings_can_be_null=True,
            decimal_point=layout.decimal_point,
        ),
    )


def _below(content: bytes, lines: int) -> bytes:
    """Return what stands below so many lines."""
    stream = io.BytesIO(content)
    for _ in range(lines):
        stream.readline()
    return stream.read()


def _rows(body: bytes) -> Iterator[bytes]:
    """Yield the lines that are neither empty nor comments."""
    return (line for line in body.splitlines() if line.strip() and line.lstrip()[:1] != b"#")


def _is_number(field: str, delimiter: str) -> bool:
    if field in _NULLS or (delimiter == ";" and DECIMAL_COMMA.fullmatch(field)):
        return True
    try:
        float(field)
    except ValueError:
        return False
    return True


def _width(head: str, skip: int, delimiter: str) -> int | None:
    """Return the number of fields of the first row below a header."""
    for line in head.split("\n")[skip:]:
        if line.strip() and not line.lstrip().startswith("#"):
            return len(split_fields(line.strip(), delimiter))
    return None


def _comment_names(comment: str, delimiter: str) -> list[str]:
    if ";" in comment and re.match(r"[A-Z]:", comment):  # ANNZ: F:MAG_U;F:MAGERR_U;D:Z
        return [field.split(":", 1)[-1].strip() for field in comment.split(";") if field.strip()]
    mark = delimiter if delimiter != " " and delimiter in comment else " "
    return [field for field in split_fields(comment, mark) if field]
