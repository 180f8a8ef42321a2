"""A study or campaign at a URL: object storage holds what is finished, and a local folder mirrors it.

Members never change once they are finished, so a copy never grows stale. A member's objects are put with
``card.json`` last: one without a card is not finished. A checkpoint is one object, and a put is atomic.
Credentials come from the environment, as the provider's own tools take them, and are written nowhere.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from rookery.compute.faults import PATIENCE_SECONDS, keep_trying, reason
from rookery.search.study_facts import STUDY_DOCUMENT
from rookery.training.epochs_file import SUFFIX
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_file, atomic_folder

logger = logging.getLogger(__name__)
T = TypeVar("T")

CACHE = "ROOKERY_CACHE"
"""Environment variable with the folder of the mirrors; by default ``rookery`` in the user's cache folder."""
SCHEMES = ("s3", "gs", "file")
UPLOAD_SECONDS = 30.0
"""A checkpoint is put no more often than this, and before a process that was told to end does."""
WEIGHTS, CARD = "importance-weights.parquet", "card.json"
_REFUSED = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden")


def is_url(path: object) -> bool:
    """Whether a study or campaign is named by a URL rather than by a folder."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", str(path)) is not None


class RemoteFolder:
    """Where a study or campaign at a URL lives, and its mirror on this machine.

    Raises
    ------
    InputError
        When the URL is of another kind, or holds a password.
    """

    def __init__(self, url: str) -> None:
        # A `Path` made of a URL has lost a slash.
        scheme, _, rest = str(url).partition(":")
        rest = rest.strip("/")
        if scheme not in SCHEMES or not rest:
            rule = f"the URL of a study or campaign must be {', '.join(f'{name}://...' for name in SCHEMES)}"
            raise InputError(f"{rule}, but is {url!s}")
        if "@" in rest.split("/")[0] or "?" in rest:
            rule = "the URL of a study or campaign must hold no credentials and no options"
            raise InputError(f"{rule}; the environment gives them")
        self.url = f"{scheme}:///{rest}" if scheme == "file" else f"{scheme}://{rest}"
        self._scheme, self._root = scheme, f"/{rest}" if scheme == "file" else rest
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        self.mirror = cache_folder() / "studies" / f"{rest.rsplit('/', 1)[-1]}-{digest}"
        self._put_at: dict[str, float] = {}

    @cached_property
    def _files(self) -> Any:
        from pyarrow import fs

        try:
            if self._scheme == "file":
                return fs.LocalFileSystem()
            if self._scheme == "gs":
                return fs.GcsFileSystem()
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            if region is None:
                region = "us-east-1" if endpoint else fs.resolve_s3_region(self._root.split("/")[0])
            options = {"endpoint_override": endpoint} if endpoint else {}
            return fs.S3FileSystem(region=region, connect_timeout=10, request_timeout=60, **options)
        except OSError as error:
            raise fail(self.url, f"cannot be reached ({reason(error)})") from error

    def check(self) -> None:
        """Fail with one error when the storage does not answer now, or refuses us."""
        from pyarrow import fs

        try:
            self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        except OSError as error:
            raise fail(self.url, f"cannot be reached ({reason(error)})") from error

    def names(self, folder: str = "") -> list[str]:
        """Return the names in a folder; none when there is no such folder."""
        from pyarrow import fs

        selector = fs.FileSelector(self._at(folder), allow_not_found=True)
        infos = self._patient(lambda: self._files.get_file_info(selector))
        return sorted(info.base_name for info in infos)

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, or None when there is none."""

        def get() -> bytes | None:
            try:
                with self._files.open_input_stream(self._at(name)) as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                return None

        return self._patient(get)

    def put(self, name: str, content: bytes, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Write an object whole or not at all."""

        def write() -> None:
            target = self._at(name)
            if self._scheme == "file":
                with atomic_file(target) as partial:
                    partial.write_bytes(content)
                return
            with self._files.open_output_stream(target) as stream:
                stream.write(content)

        self._patient(write, seconds)

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""

        def delete() -> None:
            try:
                self._files.delete_file(self._at(name))
            except FileNotFoundError:
                return

        self._patient(delete)

    def fetch(self, name: str) -> bool:
        """Bring an object that the mirror lacks; return whether it is there."""
        local = self.mirror / name
        if not local.is_file() and (content := self.read(name)) is not None:
            self._keep(local, content)
        return local.is_file()

    def publish(self, name: str) -> None:
        """Put a file of the mirror."""
        self.put(name, (self.mirror / name).read_bytes())

    def fetch_document(self) -> bool:
        """Bring study.yaml to the mirror; return whether there is one.

        A mirror of another study, which was at this URL before, is cleared.
        """
        content = self.read(STUDY_DOCUMENT)
        local = self.mirror / STUDY_DOCUMENT
        if content is None or (local.is_file() and local.read_bytes() != content):
            if local.is_file():
                logger.warning("%s holds another study than before: its copy here is removed", self.url)
            shutil.rmtree(self.mirror, ignore_errors=True)
        if content is None:
            return False
        if not local.is_file():
            self._keep(local, content)
        self.fetch(WEIGHTS)
        return True

    def fetch_member(self, member: str) -> bool:
        """Bring a finished member to the mirror; return whether it is there."""
        folder = self.mirror / "members" / member
        if (folder / CARD).is_file():
            return True
        if (card := self.read(f"members/{member}/{CARD}")) is None:
            return False
        try:
            with atomic_folder(folder) as partial:
                for name in self.names(f"members/{member}"):
                    content = card if name == CARD else self.read(f"members/{member}/{name}")
                    if content is not None:
                        (partial / name).write_bytes(content)
        except InputError:
            if not (folder / CARD).is_file():  # else another process was faster
                raise
        return True

    def prepare(self, member: str) -> None:
        """Bring what there is of a member: all of it, or its checkpoint."""
        if not self.fetch_member(member):
            self.fetch_checkpoint(member)

    def fetch_members(self) -> None:
        """Bring every finished member that the mirror lacks."""
        for member in self.names("members"):
            self.fetch_member(member)

    def publish_member(self, member: str) -> None:
        """Put a finished member of the mirror, its card last, and remove its checkpoint."""
        folder = self.mirror / "members" / member
        if self.read(f"members/{member}/{CARD}") is None:
            for path in sorted(folder.iterdir(), key=lambda path: (path.name == CARD, path.name)):
                self.publish(f"members/{member}/{path.name}")
        for suffix in (".safetensors", SUFFIX):
            self.remove(f"running/{member}{suffix}")

    def fetch_checkpoint(self, member: str) -> None:
        """Bring a member's checkpoint, unless the one here is younger."""
        self._fetch_newer(f"running/{member}.safetensors")

    def fetch_epochs(self) -> None:
        """Bring what networks in training told of their epochs when they last put a checkpoint."""
        for name in self.names("running"):
            if name.endswith(SUFFIX):
                self._fetch_newer(f"running/{name}")

    def _fetch_newer(self, name: str) -> None:
        local = self.mirror / name
        info = self._patient(lambda: self._files.get_file_info(self._at(name)))
        if info.mtime_ns is None or (local.is_file() and local.stat().st_mtime_ns >= info.mtime_ns):
            return
        if (content := self.read(name)) is not None:
            self._keep(local, content)

    def publish_checkpoint(self, member: str, *, now: bool = False) -> None:
        """Put a member's checkpoint and epochs when it is time. Storage that is away costs the put alone."""
        paths = [self.mirror / "running" / f"{member}{suffix}" for suffix in (".safetensors", SUFFIX)]
        last = self._put_at.get(member, -UPLOAD_SECONDS)
        if (not now and time.monotonic() - last < UPLOAD_SECONDS) or not paths[0].is_file():
            return
        self._put_at[member] = time.monotonic()
        try:
            for path in paths:
                if path.is_file():
                    self.put(f"running/{path.name}", path.read_bytes(), seconds=10.0 if now else 0.0)
        except InputError as error:
            logger.warning("%s; the checkpoint stays on this machine for now", error)

    @contextmanager
    def turn(self, storage: str) -> Iterator[None]:
        """Let one first driver at a time make the study; those of one database wait for each other."""
        from rookery.search.storage.database import parse_storage
        from rookery.search.storage.server_locks import creation_turn

        url = parse_storage(storage)
        if url.get_backend_name() != "sqlite":
            with creation_turn(url, self.url):
                yield
            return
        lock = self.mirror.with_suffix(".lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _keep(self, path: Path, content: bytes) -> None:
        with atomic_file(path) as partial:
            partial.write_bytes(content)

    def _patient(self, call: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
        """Call again while the storage cannot be reached. All calls are idempotent."""
        try:
            return keep_trying(call, _may_pass, self.url, seconds)
        except OSError as error:
            raise fail(self.url, f"cannot be used ({reason(error)})") from error


def _may_pass(error: Exception) -> bool:
    """Whether the storage is away, rather than refusing us."""
    refused = isinstance(error, PermissionError) or any(word in str(error) for word in _REFUSED)
    return isinstance(error, OSError) and not refused


class SharedFolder:
    """Where a study or campaign lives whose folder every node sees: nothing is to be brought or put."""

    def __init__(self, folder: Path) -> None:
        self.mirror = folder

    def prepare(self, member: str) -> None:
        """Bring nothing."""

    def fetch(self, name: str) -> bool:
        """Bring nothing; return whether a file is there."""
        return (self.mirror / name).is_file()

    def publish(self, name: str) -> None:
        """Put nothing."""

    def publish_member(self, member: str) -> None:
        """Put nothing."""

    def publish_checkpoint(self, member: str, *, now: bool = False) -> None:
        """Put nothing."""


def cache_folder() -> Path:
    """Return the folder of this machine's mirrors."""
    if given := os.environ.get(CACHE):
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rookery"


def local_study(path: str | Path) -> Path:
    """Return the folder of a study: itself, or the mirror of a URL, brought up to date.

    Raises
    ------
    InputError
        When the URL cannot be reached, or holds no study.
    """
    if not is_url(path):
        return Path(path)
    remote = open_remote_folder(str(path))
    remote.fetch_members()
    remote.fetch_epochs()
    return remote.mirror


def open_remote_folder(url: str) -> RemoteFolder:
    """Return the remote folder of an existing study, its study.yaml in the mirror."""
    remote = RemoteFolder(url)
    remote.check()
    if not remote.fetch_document():
        raise fail(remote.url, f"is no study: it has no {STUDY_DOCUMENT} (`rookery search` makes one)")
    return remote
