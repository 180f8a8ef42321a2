"""A campaign at a URL: what it makes on this machine is put there, and what others made is brought.

Networks are put by the workers that train them. All else is made by the driver: predictions of baselines
and the notes of what failed, then bundles, and at last the table.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rookery.campaigns.places import PLACES
from rookery.campaigns.plan import Folders
from rookery.search.storage.remote_folder import RemoteFolder, is_url
from rookery_ensembles.errors import fail
from rookery_ensembles.files import is_partial

logger = logging.getLogger(__name__)
DOCUMENT, MANIFEST = "campaign.yaml", "ensemble.yaml"
TABLES = ("table.csv", "differences.csv", "table.json", "table.md")


def campaign_folders(out: str | Path) -> Folders:
    """Return where a campaign keeps what it makes: a folder, or the mirror of a URL.

    Raises
    ------
    InputError
        When the URL is of another kind, holds a password, or cannot be reached.
    """
    if not is_url(out):
        return Folders(Path(out))
    remote = RemoteFolder(str(out))
    remote.check()
    return Folders(remote.mirror, remote)


def bring(folders: Folders) -> None:
    """Bring what is finished at the URL, and forget what an earlier campaign there left on this machine.

    Raises
    ------
    InputError
        When there is something else than a campaign.
    """
    remote = folders.remote
    if remote is None:
        return
    if remote.read(DOCUMENT) is None and (folders.out / DOCUMENT).is_file():
        logger.warning("%s holds no campaign any more: its copy here is removed", remote.url)
        shutil.rmtree(folders.out)
    if not remote.fetch(DOCUMENT):
        if names := remote.names():
            rule = f"is not empty and holds no {DOCUMENT}; a new campaign needs a place of its own"
            raise fail(remote.url, f"{rule}, but there is {names[0]}")
        return
    remote.fetch_members()
    remote.fetch_epochs()
    for folder in (folders.predictions, folders.failed):
        for name in remote.names(folder.name):
            remote.fetch(f"{folder.name}/{name}")


def local_campaign(url: str) -> Path | None:
    """Return the mirror of a campaign at a URL, brought up to date; None where no campaign is there."""
    remote = RemoteFolder(url)
    remote.check()
    if remote.read(DOCUMENT) is None:
        return None
    folders = Folders(remote.mirror, remote)
    for name in (DOCUMENT, PLACES, *TABLES):  # those of an earlier run may be here
        (folders.out / name).unlink(missing_ok=True)
        remote.fetch(name)
    shutil.rmtree(folders.failed, ignore_errors=True)
    bring(folders)
    return folders.out


@contextmanager
def published(folders: Folders) -> Iterator[None]:
    """Put what the driver made, also where it stops before its end."""
    remote = folders.remote
    if remote is not None:
        remote.publish(DOCUMENT)
    try:
        yield
    finally:
        if remote is not None:
            _publish(folders, remote)


def _publish(folders: Folders, remote: RemoteFolder) -> None:
    there = set(remote.names(folders.predictions.name))
    for path in folders.predictions.glob("[!.]*.parquet"):
        if path.name not in there:  # the name is a digest of what is inside
            remote.publish(_name(folders, path))
    failed = {path.name for path in folders.failed.glob("[!.]*.txt")}
    for name in set(remote.names(folders.failed.name)) - failed:
        remote.remove(f"{folders.failed.name}/{name}")
    for name in failed:
        remote.publish(f"{folders.failed.name}/{name}")
    for manifest in sorted(folders.ensembles.glob(f"*/*/{MANIFEST}")):
        if not is_partial(manifest.parent):
            _publish_bundle(folders, remote, manifest)
    for name in TABLES:
        if (folders.out / name).is_file():
            remote.publish(name)


def _publish_bundle(folders: Folders, remote: RemoteFolder, manifest: Path) -> None:
    """Put a bundle, its manifest last; one that is there already is the same if its manifest is."""
    name = _name(folders, manifest)
    if remote.read(name) == manifest.read_bytes():
        return
    remote.remove(name)
    for path in sorted(manifest.parent.rglob("*")):
        if path.is_file() and path != manifest:
            remote.publish(_name(folders, path))
    remote.publish(name)


def _name(folders: Folders, path: Path) -> str:
    return path.relative_to(folders.out).as_posix()
