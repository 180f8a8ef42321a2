"""YAML documents at the border: validated once by pydantic, with file, line and key in every message."""

from pathlib import Path
from types import NoneType
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.plain_text import YamlText

Model = TypeVar("Model", bound=BaseModel)


class Document(BaseModel):
    """A strict, immutable document: an unknown key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Source:
    """A parsed YAML file that remembers the line of each key."""

    def __init__(self, path: str | Path, text: str) -> None:
        self.path = Path(path)
        parsed = YamlText(text, path)
        self._root, self.data = parsed.root, parsed.data
        if not isinstance(self.data, dict):
            holds = {str: "text", list: "a list", NoneType: "nothing"}
            found = holds.get(type(self.data), f"{self.data!r}")
            raise fail(path, f"must be YAML that maps keys to values, but holds {found}")

    @classmethod
    def read(cls, path: str | Path) -> "Source":
        """Read and parse `path`; raises `InputError` if it cannot be read or is not YAML."""
        try:
            return cls(path, Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise fail(path, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error

    def error(self, key: tuple[str | int, ...], rule: str) -> InputError:
        """Build the error that names this file, the line of `key` (or of its nearest parent) and `rule`."""
        dotted, line = self._locate(key)
        return fail(f"{self.path}, line {line}", f"`{dotted}`: {rule}" if dotted else rule)

    def _locate(self, key: tuple[str | int, ...]) -> tuple[str, int]:
        """Return the dotted name of `key` and its line, or that of its nearest parent in the file.

        Parts that the file lacks are left out: they are names that pydantic gives to a union's branches.
        """
        node, line, named = self._root, 1, []
        for part in key:
            if isinstance(node, yaml.MappingNode):
                found = [(k, v) for k, v in node.value if k.value == str(part)]
                if not found:
                    continue
                line, node = found[0][0].start_mark.line + 1, found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                continue
            named.append(str(part))
        return ".".join(named), line

    def validate(self, model: type[Model]) -> Model:
        """Return the document as `model`; the first broken rule is raised as an `InputError`."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            problem = first_problem(error)
            raise self.error(problem["loc"], explain(problem, model)) from error


def build(model: type[Model], values: dict[str, Any], where: str | Path) -> Model:
    """Return `values` as `model`; the first broken rule is an `InputError` that begins with `where`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = first_problem(error)
        key = ".".join(str(part) for part in problem["loc"])
        raise fail(
            where, f"`{key}`: {explain(problem, model)}" if key else explain(problem, model)
        ) from error


def first_problem(error: ValidationError) -> Any:
    """Return the problem to show: an unknown key first, since it explains a missing one."""
    return min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")


def explain(problem: Any, model: type[BaseModel]) -> str:
    """Turn one of pydantic's problems with a `model` into "<rule>, but found <value>"."""
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
        return f"is not a known key; those are {', '.join(model.model_fields)}"
    if problem["type"] == "extra_forbidden":
        return "is not a known key"
    if problem["type"] == "missing":
        return f"`{problem['loc'][-1]}` is required"
    message = problem["msg"].removeprefix("Value error, ")
    return message if problem["type"] == "value_error" else f"{message}, but found {problem['input']!r}"


def dump(data: Any) -> str:
    """Return `data` (plain values) as YAML text in the order given."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
