"""A bundle as RAIL's model: in a pipeline's folder it is one file, an uncompressed zip of the bundle."""

import shutil
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from rail.core.data import ModelHandle

from rookery_ensembles import Bundle, load_bundle
from rookery_ensembles.bounds import check_growth
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_file

_NAME = "bundle"


class BundleModel:
    """An ensemble bundle, and the temporary folder that it may live in.

    Parameters
    ----------
    make
        Called with a folder that does not exist yet; makes the bundle there.
    """

    bundle: Bundle
    """The bundle, loaded and verified."""

    def __init__(self, make: Callable[[Path], object]) -> None:
        home = mkdtemp(prefix="rookery-rail-")
        weakref.finalize(self, shutil.rmtree, home, ignore_errors=True)
        folder = Path(home) / _NAME
        make(folder)
        self.bundle = load_bundle(folder)

    @classmethod
    def of_folder(cls, path: str | Path) -> "BundleModel":
        """Return a copy of a bundle's folder, such as `rookery ensemble` and `rookery combine` make.

        Raises
        ------
        InputError
            When the folder is no bundle, or one that was altered.
        """
        load_bundle(path)
        return cls(lambda folder: shutil.copytree(path, folder))

    @classmethod
    def of_file(cls, path: str | Path) -> "BundleModel":
        """Read what `write` wrote.

        Raises
        ------
        InputError
            When the file is no such zip, unpacks to far more than its size, or holds an altered bundle.
        """
        path = Path(path)

        def unpack(folder: Path) -> None:
            try:
                with zipfile.ZipFile(path) as packed:
                    check_growth(path, sum(each.file_size for each in packed.infolist()), path.stat().st_size)
                    packed.extractall(folder)
            except (OSError, zipfile.BadZipFile) as error:
                raise fail(path, f"must be a bundle in a zip, but cannot be read ({error})") from error

        return cls(unpack)

    def write(self, path: str | Path) -> None:
        """Write the bundle as an uncompressed zip, whole or not at all, always with the same bytes."""
        folder = self.bundle.path
        with atomic_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as packed:
            for file in sorted(file for file in folder.rglob("*") if file.is_file()):
                entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())
                packed.writestr(entry, file.read_bytes())


class BundleHandle(ModelHandle):
    """RAIL's handle of a `BundleModel`."""

    suffix = "zip"
    interactive_type = "rookery.rail.BundleModel"

    @classmethod
    def _open(cls, path: str, **kwargs: Any) -> Any:
        if kwargs.get("mode", "r") == "w":
            return Path(path).open("wb")
        return cls._read(path)

    @classmethod
    def _read(cls, path: str, **kwargs: Any) -> BundleModel:
        return BundleModel.of_folder(path) if Path(path).is_dir() else BundleModel.of_file(path)

    @classmethod
    def _write(cls, data: BundleModel, path: str, **kwargs: Any) -> None:
        data.write(path)

    @classmethod
    def _validate_data(cls, data: Any) -> None:
        if not isinstance(data, BundleModel):
            raise fail("model", f"must be a BundleModel, but is {type(data).__name__}")


class CeciCommand:
    """A stage whose command line ceci can run: `python -m rookery` is the command line of Rookery itself."""

    @classmethod
    def generate_command(cls, *args: Any, **kwargs: Any) -> str:
        """Return the command by which a pipeline runs the stage."""
        command: str = super().generate_command(*args, **kwargs)  # type: ignore[misc]
        name = cls.name  # type: ignore[attr-defined]
        return command.replace(f"-m rookery {name}", f"-m ceci {cls.__module__}.{name}", 1)
