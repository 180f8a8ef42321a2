from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from rookery.documents import Document, Source, dump
from rookery_ensembles.errors import InputError


class Layer(Document):
    width: int = Field(ge=1)
    names: list[str] = Field(default_factory=list)


class Network(Document):
    title: str
    first: Layer
    others: list[Layer] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("title: a\nfirst:\n  width: 1\n  widht: 2\n", 4, "`first.widht`: is not a known key"),
        ("title: a\nfirst: {width: 1}\nsecond: 2\n", 3, "`second`: is not a known key"),
        ("title: a\nfirst:\n  names: []\n", 2, "`first`: `width` is required"),
        ("first: {width: 1}\n", 1, "`title` is required"),
        (
            "title: a\nfirst:\n  width: wide\n",
            3,
            "`first.width`: Input should be a valid integer.*found 'wide'",
        ),
        ("title: a\nfirst:\n  width: 0\n", 3, "`first.width`: .*greater than or equal to 1, but found 0"),
        ("title: a\nfirst: 7\n", 2, "`first`: .*but found 7"),
        (
            "title: a\nfirst: {width: 1}\nothers:\n  - width: 2\n  - width: 2.5\n",
            5,
            "`others.1.width`: .*but found 2.5",
        ),
        (
            "title: a\nfirst:\n  width: 1\n  names: [b, 3]\n",
            4,
            "`first.names.1`: Input should be a valid string, but found 3",
        ),
    ],
)
def test_broken_rule_is_reported_with_file_line_key_and_value(text: str, line: int, message: str) -> None:
    with pytest.raises(InputError, match=rf"^runs/n\.yaml, line {line}: {message}"):
        Source("runs/n.yaml", text).validate(Network)


def test_unknown_key_is_reported_before_what_its_typo_leaves_missing() -> None:
    with pytest.raises(InputError, match=r"line 2: `titel`: is not a known key"):
        Source("n.yaml", "first: {width: 1}\ntitel: a\n").validate(Network)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a"),
        ("a:\n  b: 1\n  c: 2\n  b: 1\n", 4, "a.b"),
        ("a:\n  - {b: 1}\n  - b: 1\n    b: 2\n", 4, "a.b"),
    ],
)
def test_key_that_stands_twice_is_refused_with_its_line(text: str, line: int, key: str) -> None:
    with pytest.raises(InputError, match=rf"n\.yaml, line {line}: key `{key}` stands twice"):
        Source("n.yaml", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be YAML that maps keys to values, but holds nothing"),
        ("# a comment alone\n", "must be YAML that maps keys to values, but holds nothing"),
        ("- a\n- b\n", "must be YAML that maps keys to values, but holds a list"),
        ("a word\n", "must be YAML that maps keys to values, but holds text"),
        ("a: 1\nb: [1, 2\n", r"is not valid YAML"),
        ("a: 1\n\tb: 2\n", r"line 2: is not valid YAML"),
        ("a: 1\n---\nb: 2\n", r"line 2: is not valid YAML \(but found another document\)"),
        ("a: 1\nb: *nowhere\n", r"line 2: is not valid YAML \(found undefined alias"),
        ("a: \0\n", "is not valid YAML"),
        ("? [a]\n: 1\n", r"line 1: is not valid YAML \(found unhashable key\)"),
        ("a: 2024-13-45\n", r"is not valid YAML \(month must be in 1..12\)"),
        (
            "a: !!python/object/apply:os.getcwd []\n",
            "line 1: is not valid YAML .*could not determine a constructor",
        ),
    ],
)
def test_text_that_is_no_mapping_of_plain_values_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"^n\.yaml.*{message}"):
        Source("n.yaml", text)


def test_alias_that_leads_back_to_itself_is_refused() -> None:
    with pytest.raises(InputError, match=r"n\.yaml, line 2: an alias must not lead to what it stands in"):
        Source("n.yaml", "title: a\nfirst: &x\n  width: 1\n  names: [*x]\n").validate(Network)


def test_alias_used_twice_is_no_repeated_key() -> None:
    source = Source("n.yaml", "title: a\nfirst: &x {width: 1}\nothers: [*x, *x]\n")
    assert source.validate(Network).others == [Layer(width=1)] * 2


def test_missing_file_and_file_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read \(No such file or directory\)"):
        Source.read(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.yaml: cannot be read \(.*codec can't decode"):
        Source.read(tmp_path / "binary.yaml")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        Source.read(tmp_path)


def test_document_cannot_be_changed() -> None:
    layer = Layer(width=1)
    with pytest.raises(ValueError, match="frozen"):
        layer.width = 2


VISIBLE = st.text(st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs")))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | VISIBLE,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(data=st.dictionaries(st.text("abcxyz", min_size=1), PLAIN, max_size=4))
def test_dumped_values_are_read_back_unchanged(data: dict) -> None:
    read = Source("n.yaml", dump(data)).data
    assert read == data
    assert repr(read) == repr(data), "order and types must survive too"
