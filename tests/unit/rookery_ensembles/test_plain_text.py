"""Errors of one line, and YAML and JSON that a stranger wrote."""

import json
import pickle
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles.errors import LONGEST, InputError, fail
from rookery_ensembles.plain_text import DEEPEST, MOST_REPEATED, YamlText, parse_json


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(where=st.text(max_size=40), rule=st.text(max_size=40), times=st.sampled_from([1, 200]))
def test_a_message_is_one_line_of_bounded_length_that_can_be_printed(where, rule, times):
    error = fail(where, rule * times)
    message = str(error)
    assert len(message.splitlines()) <= 1
    assert len(message) <= LONGEST
    assert message.isprintable()
    assert str(pickle.loads(pickle.dumps(error))) == message, "errors travel from Ray's workers"


def test_a_long_message_keeps_its_place_and_its_end():
    message = str(fail("study.yaml", f"must be short, but is {'x' * 5000}; make it shorter"))
    assert message.startswith("study.yaml: must be short, but is xxx")
    assert message.endswith("xxx; make it shorter")
    assert " ... " in message


def test_what_would_command_a_terminal_is_escaped():
    assert str(fail("a\nb", "is\n  red \x1b[31m")) == r"a\nb: is red \x1b[31m"


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "a: " + "[" * DEEPEST + "]" * DEEPEST],
    ids=["sequences", "mappings", "blocks", "one level too many"],
)
def test_nested_yaml_is_refused_with_its_line(text):
    with pytest.raises(InputError, match=rf"^n\.yaml, line 1: must have at most {DEEPEST} levels"):
        YamlText(text, "n.yaml")


def test_yaml_as_deep_as_it_may_be_is_read():
    assert YamlText("[" * DEEPEST + "]" * DEEPEST, "n.yaml").data == json.loads("[" * DEEPEST + "]" * DEEPEST)


@pytest.mark.parametrize(
    "entry", ["[*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]", "{{<<: [*{0}, *{0}, *{0}]}}"]
)
def test_aliases_of_aliases_are_refused(entry):
    names = [f"a{number}" for number in range(20)]
    lines = ["a0: &a0 {lol: lol}"]
    lines += [f"{name}: &{name} {entry.format(before)}" for before, name in pairwise(names)]
    with pytest.raises(InputError, match=rf"aliases must repeat at most {MOST_REPEATED} values"):
        YamlText("\n".join(lines), "n.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: &x [*x]\n", "line 2: an alias must not lead to what it stands in"),
        ("a: {b: 1, b: 2}\n", r"line 1: key `a\.b` stands twice"),
        ('a: "\\ud800"\n', "line 1: holds text that is no Unicode"),
        (f"a: 0x{'f' * 20_000}\n", r"is not valid YAML \(Exceeds the limit"),
        ("a: !!int 1__\nb: !!float x\n", "is not valid YAML"),
    ],
)
def test_yaml_that_cannot_be_plain_values_is_refused(text, message):
    with pytest.raises(InputError, match=rf"^n\.yaml.*{message}"):
        YamlText(text, "n.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, f"must have at most {DEEPEST} levels"),
        ('{"a":' * 100_000, f"must have at most {DEEPEST} levels"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), f"must have at most {DEEPEST} levels"),
        ('{"a": {"b": 1, "b": 2}}', "key `b` stands twice"),
        ('{"\\ud800": 1}', "holds text that is no Unicode"),
        ("9" * 5000, r"is not valid JSON \(Exceeds the limit"),
        (b"\xff", r"is not valid JSON \(.*codec can't decode"),
        ("", r"is not valid JSON \(Expecting value"),
    ],
    ids=["lists", "objects", "one level too many", "twice", "surrogate", "number", "bytes", "empty"],
)
def test_json_that_cannot_be_plain_values_is_refused(text, message):
    with pytest.raises(InputError, match=rf"^n\.json: {message}"):
        parse_json(text, "n.json")


def test_json_as_deep_as_it_may_be_is_read():
    text = "[" * DEEPEST + "]" * DEEPEST
    assert parse_json(text, "n.json") == json.loads(text)
