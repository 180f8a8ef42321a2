"""Parts of one's own, begun from a template."""

from pathlib import Path

from rookery.api._types import PathLike


def new_family(name: str, out: PathLike | None = None) -> Path:
    """Begin a family of networks of your own: a package that passes the contract suite as it is.

    Install it with pip, and `rookery search NAME` searches it; docs/extending.md tells the rest.

    Parameters
    ----------
    name
        Name of the family and of its package, such as my_network.
    out
        Folder to make; by default one of that name, here.

    Raises
    ------
    InputError
        When the name is no Python name or not new, or the folder exists.
    """
    from rookery.extending.new import write_family

    return write_family(name, Path(out or name))
