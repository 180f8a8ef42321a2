"""YAML and JSON as plain values, from files that anybody may have written.

Neither library bounds what a small file may become: nesting ends in a RecursionError, aliases of aliases
in 10^9 values, and of two equal keys the first is lost without a word.
"""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from rookery_ensembles.errors import InputError, fail

DEEPEST = 50
"""Levels that a document may have; the deepest of Rookery's own has 8."""
MOST_REPEATED = 100_000
"""Values that the aliases of a YAML document may repeat."""
LONGEST_YAML = 2_000_000
"""Characters of a YAML document, which takes some 400 times as many bytes in memory at worst; a bundle of
5,000 members has that many."""


class YamlText:
    """A YAML document.

    Parameters
    ----------
    text
        The document.
    where
        Its file, for messages.

    Attributes
    ----------
    root
        Its root node, which knows the lines; None for an empty document.
    data
        Its plain values.

    Raises
    ------
    InputError
        With the line: when it is not YAML, has more than `LONGEST_YAML` characters or `DEEPEST` levels, a
        key stands twice in one mapping, or aliases lead to themselves or repeat more than `MOST_REPEATED`
        values.
    """

    def __init__(self, text: str, where: object) -> None:
        if len(text) > LONGEST_YAML:
            rule = f"a YAML document must have at most {LONGEST_YAML:,} characters, but has {len(text):,}"
            raise fail(str(where), rule)
        try:
            loader = _Loader(text)
            try:
                self.root = loader.get_single_node()
                _check_nodes(self.root)
                self.data: Any = None if self.root is None else loader.construct_document(self.root)
            finally:
                loader.dispose()
        except _RuleError as error:
            raise fail(f"{where}, line {error.line}", error.rule) from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f"{where}, line {mark.line + 1}" if mark else str(where)
            raise fail(place, f"is not valid YAML ({getattr(error, 'problem', None) or error})") from error
        except (ValueError, OverflowError) as error:  # a date or number that has the form of one and is none
            raise fail(str(where), f"is not valid YAML ({error})") from error


def parse_json(text: str | bytes, where: object) -> Any:
    """Return a JSON document as plain values.

    Raises
    ------
    InputError
        When it is not JSON in UTF-8, has more than `DEEPEST` levels, or a key stands twice in one object.
    """

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise fail(str(where), f"key `{key}` stands twice")
            found[key] = value
        return found

    deep = f"must have at most {DEEPEST} levels, but has more"
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(decoded, object_pairs_hook=distinct)
    except RecursionError as error:
        raise fail(str(where), deep) from error
    except InputError:
        raise
    except ValueError as error:
        raise fail(str(where), f"is not valid JSON ({error})") from error
    for level, inner in _walk(value):
        if level > DEEPEST:
            raise fail(str(where), deep)
        if isinstance(inner, str) and not _encodable(inner):
            raise fail(str(where), f"holds text that is no Unicode ({inner!r})")
    return value


class _RuleError(Exception):
    """A rule that a document breaks, and the line."""

    def __init__(self, place: yaml.Node | int, rule: str) -> None:
        super().__init__(rule)
        line = place if isinstance(place, int) else place.start_mark.line
        self.line, self.rule = line + 1, rule


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which goes so deep and no deeper."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _RuleError(self.line, f"must have at most {DEEPEST} levels, but has more")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_yaml_int(self, node: Any) -> int:
        value: int = super().construct_yaml_int(node)
        str(value)  # Python refuses to write what is too long, and so to say what is wrong with it
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _check_nodes(root: yaml.Node | None) -> None:
    """Refuse repeated keys, and aliases that lead to themselves or repeat too much."""
    sizes: dict[int, int] = {}
    repeated = 0

    def size(node: yaml.Node, path: tuple[str, ...]) -> int:
        nonlocal repeated
        if (known := sizes.get(id(node))) is None:
            sizes[id(node)] = 0  # begun, and not known yet
            sizes[id(node)] = 1 + sum(size(inner, key) for inner, key in _inner(node, path))
            return sizes[id(node)]
        if known == 0:
            raise _RuleError(node, "an alias must not lead to what it stands in")
        repeated += known
        if repeated > MOST_REPEATED:
            raise _RuleError(node, f"aliases must repeat at most {MOST_REPEATED} values, but repeat more")
        return known

    if root is not None:
        size(root, ())


def _inner(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[yaml.Node, tuple[str, ...]]]:
    """Yield the nodes in a node, with the keys that lead to them."""
    if isinstance(node, yaml.ScalarNode) and not _encodable(node.value):
        raise _RuleError(node, f"holds text that is no Unicode ({node.value!r})")
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield item, path
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*path, str(key.value))
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _RuleError(key, f"key `{'.'.join(here)}` stands twice")
                seen.add(key.value)
            yield key, path
            yield value, here


def _walk(value: Any) -> Iterator[tuple[int, Any]]:
    """Yield every value with its level, without recursion; keys too."""
    left = [(1, value)]
    while left:
        level, inner = left.pop()
        yield level, inner
        if isinstance(inner, dict):
            left += [(level, key) for key in inner]
            left += [(level + 1, one) for one in inner.values()]
        elif isinstance(inner, list):
            left += [(level + 1, one) for one in inner]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
