"""Digests made true again after the damage, as a forger would, so that fuzz tests reach what lies behind."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from rookery.surveys._document import survey_checksum
from rookery_ensembles.files import sha256


def seal_survey(name: str) -> Callable[[Path], None]:
    def seal(ground: Path) -> None:
        document = json.loads((ground / name / "survey.json").read_text())
        document["files"] = {file: sha256(ground / name / file) for file in document["files"]}
        document["checksum"] = survey_checksum(document["files"], document["bands"], document["zero_point"])
        (ground / name / "survey.json").write_text(json.dumps(document))

    return seal


def seal_weights(ground: Path) -> None:
    folder = ground / "study" / "members" / "0000"
    card = json.loads((folder / "card.json").read_text())
    card["weights"] = sha256(folder / "weights.safetensors")
    (folder / "card.json").write_text(json.dumps(card))


def seal_bundle(ground: Path) -> None:
    """Give the document the digests of the members' files, and its own."""
    file = ground / "bundle" / "ensemble.yaml"
    body = file.read_bytes().rpartition(b"\ndigest: ")[0] + b"\n"
    for one in ("weights.safetensors", "config.yaml", "card.json"):
        digest = sha256(ground / "bundle" / "members" / "0000" / one).encode()
        body = re.sub(re.escape(one.encode()) + rb": [0-9a-f]{64}", one.encode() + b": " + digest, body)
    file.write_bytes(body + b"digest: " + hashlib.sha256(body).hexdigest().encode() + b"\n")
