"""Write a package with a family of networks that passes the contract suite as it is."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rookery.networks.family import family_names
from rookery.search.space import shipped_spaces
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_folder, refuse_existing

TEMPLATE = "your_family"
_PROJECT = "pyproject.toml"
_BESIDE = {"pyproject.toml.txt": _PROJECT, "README.md.txt": "README.md"}


def write_family(name: str, out: Path, *, overwrite: bool = False) -> Path:
    """Write the package of a new family; see :func:`rookery.api.new_family`."""
    if not name.isidentifier() or name != name.lower() or name.startswith("_"):
        raise fail("name", f"must be a Python name in lower case, such as my_network, but is {name!r}")
    if name in {*family_names(), *shipped_spaces()}:
        raise fail("name", f"must be new, but {name!r} is a family or a search space already")
    refuse_existing(out, overwrite=overwrite, document=_PROJECT)
    here = files("rookery.extending")
    with atomic_folder(out, replace=overwrite) as partial:
        package = partial / name
        package.mkdir()
        for file in (here / TEMPLATE).iterdir():
            if file.name.endswith((".py", ".yaml")):
                _write(file, package / file.name, name)
        for file_name, written in _BESIDE.items():
            _write(here / file_name, partial / written, name)
    return out


def _write(template: Traversable, path: Path, name: str) -> None:
    camel = "".join(part.capitalize() for part in name.split("_"))
    text = template.read_text(encoding="utf-8")
    path.write_text(text.replace(TEMPLATE, name).replace("YourFamily", camel), encoding="utf-8")
