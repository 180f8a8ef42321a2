"""What `rookery explain` wrote below the roots: what of it is of an ensemble, and its files for a browser."""

import hashlib
import json
import mimetypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Response, abort

from rookery.dashboard.sources import folders_with
from rookery.dashboard.trials import stamp_of
from rookery.reports.page.folder import DOCUMENT, FORMAT, PAGE
from rookery.training.card import CARD
from rookery_ensembles import Bundle

if TYPE_CHECKING:
    from flask import Flask

ADDRESS = "/explanation"
_DEEPEST = 5
_PASSED = {"members", "running", "predictions", "failed", "tune", "splits", "figures", "node_modules"}
_ALONE = "sandbox allow-scripts allow-downloads allow-popups"
"""What a browser lets such a page do: it may be a stranger's, and shall not ask the dashboard anything."""


@dataclass(frozen=True)
class Explanation:
    """A folder that `rookery explain` wrote."""

    folder: Path
    survey: str
    """Checksum of the survey whose objects it shows."""
    weights: frozenset[str]
    """SHA-256 of the weights of the networks that it explains."""
    words: str
    """What it is of, and when it was made."""
    objects: frozenset[str]
    """Objects that it shows one by one."""
    files: frozenset[str]
    """Its own files, as it names them."""

    @property
    def key(self) -> str:
        """Its name in addresses."""
        return hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]

    def address(self, shown: str = "") -> str:
        """Return the address of its page, at an object that it shows."""
        return f"{ADDRESS}/{self.key}/{PAGE}" + (f"#{shown}" if shown else "")


class Explanations:
    """Finds explanations below the roots; used by many threads."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = list(roots)
        self._read: dict[Path, tuple[object, Explanation | None]] = {}
        self._lock = threading.Lock()

    def all(self) -> dict[str, Explanation]:
        """Return those that there are now, by key; a file is read again only where it has changed."""
        with self._lock:
            found = [
                self._explanation(folder / DOCUMENT)
                for root in self._roots
                for folder in folders_with(DOCUMENT, root, _DEEPEST, _PASSED)
            ]
        return {one.key: one for one in found if one is not None}

    def of(self, bundle: Bundle, survey: str | None) -> list[Explanation]:
        """Return those of a bundle's networks on the objects of a survey, by its checksum."""
        own = {_weights(member.folder / CARD) for member in bundle.members}
        return [one for one in self.all().values() if one.survey == survey and one.weights & own]

    def _explanation(self, file: Path) -> Explanation | None:
        stamp = stamp_of(file)
        if file not in self._read or self._read[file][0] != stamp:
            self._read[file] = stamp, _parsed(file)
        return self._read[file][1]


def serve_explanations(server: "Flask", explanations: Explanations) -> None:
    """Let a server answer with the files of explanations: those that they name themselves, no others."""

    @server.get(f"{ADDRESS}/<key>/<path:name>")
    def explanation(key: str, name: str) -> Response:
        found = explanations.all().get(key)
        if found is None or name not in found.files:
            abort(404)
        file, folder = (found.folder / name).resolve(), found.folder.resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            abort(404)
        kind = mimetypes.guess_type(name)[0]
        return Response(file.read_bytes(), mimetype=kind, headers={"Content-Security-Policy": _ALONE})


def _parsed(file: Path) -> Explanation | None:
    """Return what a report's document tells; None of another report, or of a damaged one."""
    try:
        told: dict[str, Any] = json.loads(file.read_bytes())
        if (told["format"], told["kind"]) != (FORMAT, "explanation"):
            return None
        weights = told["weights"]
        return Explanation(
            file.parent,
            told["survey"]["checksum"],
            frozenset([weights] if isinstance(weights, str) else weights),
            f"{told['member']} on {told['survey']['name']}, {told['date'][:10]}",
            frozenset(one["object_id"] for one in told["objects"]),
            frozenset(told["files"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _weights(card: Path) -> str | None:
    """Return the SHA-256 of a member's weights; None of a weightless one."""
    try:
        found = json.loads(card.read_bytes())["weights"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
