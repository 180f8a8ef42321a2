"""Parts of one's own, begun from a template."""

from pathlib import Path

from rookery.api._types import OutPath


def new_family(name: str, out: OutPath | None = None, *, overwrite: bool = False) -> Path:
    """Begin a family of networks of your own: a package that passes the contract suite as it is.

    Install it with pip, and `rookery search NAME` searches it; docs/extending.md tells the rest.

    Parameters
    ----------
    name
        Name of the family and of its package, such as my_network.
    out
        Folder to make; by default one of that name, here.
    overwrite
        Replace a package that is there already, with all that was changed in it.

    Raises
    ------
    InputError
        When the name is no Python name or not new, or the folder exists and `overwrite` is false.
    """
    from rookery.extending.new import write_family

    return write_family(name, Path(out or name), overwrite=overwrite)
