"""The document of an ensemble bundle, ``ensemble.yaml``: its rules, its text, and the digest that ends it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations import Calibration, read_calibration
from rookery_ensembles.conformal_limits import Conformal, read_conformal
from rookery_ensembles.domain import Domain
from rookery_ensembles.errors import fail
from rookery_ensembles.gate import Gate
from rookery_ensembles.groups import Groups
from rookery_ensembles.plain_text import YamlText
from rookery_ensembles.pools import find_pool
from rookery_ensembles.probabilities import check_weights
from rookery_ensembles.target import KEYS, Target, read_target, to_dict

MEMBER_FILES = ("weights.safetensors", "config.yaml", "card.json")

_FORMAT = 1
_KEYS = (
    "format",
    *KEYS,
    "bands",
    "members",
    "pooling",
    "calibration",
    "scores",
    "provenance",
    "class_fractions",
    "domain",
    "conformal",
    "gate",
    "groups",
)
_DIGEST_KEY = "digest"
# Neither a separator nor a leading dot: an id can be no path out of the bundle.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """The file of predictions by which a weightless member is known."""

    file: str
    """Its name."""
    digest: str
    """Its SHA-256, 64 hexadecimal digits."""


@dataclass(frozen=True)
class MemberEntry:
    """What the document says of a member: its id, its weight, and the SHA-256 of each of its files.

    A weightless member, a foreign network, has no files, but a source.
    """

    id: str
    weight: float
    """Its name and weight."""
    digests: Mapping[str, str]
    """SHA-256 of its files by name; none of a weightless member."""
    source: Source | None = None
    """Where a weightless member's predictions were."""

    def to_dict(self) -> dict[str, object]:
        """Return the entry as the document holds it."""
        entry: dict[str, object] = {"id": self.id, "weight": float(self.weight)}
        if self.source is None:
            return entry | {"digests": dict(self.digests)}
        return entry | {"predictions": {"file": self.source.file, "digest": self.source.digest}}

    @classmethod
    def read(cls, entry: Fields) -> "MemberEntry":
        """Read the entry of a document."""
        name, weight = entry.take("id", str), entry.take("weight", float)
        if entry.has("digests") == entry.has("predictions"):
            rule = "a member must have either `digests`, of its files, or `predictions`, which it is known by"
            raise fail(entry.where, rule)
        if entry.has("predictions"):
            told = entry.section("predictions", ("file", "digest"))
            return cls(name, weight, {}, Source(told.take("file", str), _take_digest(told, "digest")))
        listed = entry.section("digests", MEMBER_FILES)
        return cls(name, weight, {file: _take_digest(listed, file) for file in MEMBER_FILES})


@dataclass(frozen=True)
class BundleDocument:
    """The content of ``ensemble.yaml``; see `rookery_ensembles.bundle.Bundle` for its fields."""

    target: Target
    members: tuple[MemberEntry, ...]
    pooling: str
    calibration: Calibration | None
    scores: Mapping[str, Mapping[str, float]]
    provenance: Mapping[str, object]
    class_fractions: Mapping[str, float] | None = None
    bands: tuple[str, ...] | None = None
    domain: Domain | None = None
    conformal: Conformal | None = None
    gate: Gate | None = None
    groups: Groups | None = None
    """As in `Bundle`."""

    def check(self, where: str) -> None:
        """Raise InputError, beginning with `where`, unless every rule of the document holds."""
        self.target.check(where)
        pool = find_pool(self.pooling, self.target, f"{where}, key `pooling`")
        if self.gate is not None and not pool.gated:
            raise fail(f"{where}, key `gate`", f"the {pool.name} pool takes no weights of single objects")
        if self.gate is not None and set(self.gate.slopes) != {member.id for member in self.members}:
            listed = ", ".join(self.gate.slopes)
            raise fail(f"{where}, key `gate`", f"there must be slopes for each member, but found {listed}")
        self.target.check_calibration(self.calibration, where)
        if self.class_fractions is not None:
            _check_class_fractions(self.class_fractions, self.target.names, f"{where}, key `class_fractions`")
        if self.bands is not None and (not self.bands or len(set(self.bands)) < len(self.bands)):
            found = ", ".join(self.bands) or "none"
            raise fail(where, f"`bands` must be at least one name, each once, but found {found}")
        if not self.members:
            raise fail(where, "there must be at least one member, but found none")
        seen: set[str] = set()
        for i, member in enumerate(self.members):
            place = f"{where}, key `members`[{i}]"
            if not _ID.fullmatch(member.id):
                rule = "`id` must be 1 to 100 of `A-Za-z0-9._-`, the first a letter or a digit"
                raise fail(place, f"{rule}, but found {member.id!r}")
            if member.id in seen:
                raise fail(place, f"every `id` must occur once, but {member.id} occurs twice")
            seen.add(member.id)
            if not member.weight > 0:
                raise fail(place, f"`weight` must be greater than 0, but is {member.weight}")
        check_weights(
            [member.weight for member in self.members], len(self.members), f"{where}, key `members`"
        )

    def to_text(self, where: str) -> str:
        """Return the YAML text, with its digest on the last line."""
        document: dict[str, object] = {
            "format": _FORMAT,
            **to_dict(self.target),
            **({} if self.bands is None else {"bands": list(self.bands)}),
            "members": [member.to_dict() for member in self.members],
            "pooling": {"method": self.pooling},
            "calibration": {"method": "none"} if self.calibration is None else self.calibration.to_dict(),
            "scores": {
                name: {metric: float(x) for metric, x in row.items()} for name, row in self.scores.items()
            },
            "provenance": dict(self.provenance),
        }
        if self.class_fractions is not None:
            document["class_fractions"] = {name: float(x) for name, x in self.class_fractions.items()}
        if self.domain is not None:
            document["domain"] = self.domain.to_dict()
        if self.conformal is not None:
            document["conformal"] = self.conformal.to_dict()
        if self.gate is not None:
            document["gate"] = self.gate.to_dict()
        if self.groups is not None:
            document["groups"] = self.groups.to_dict()
        try:
            text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
        except yaml.YAMLError as error:
            rule = "`provenance` must hold plain values: text, numbers, lists, mappings"
            raise fail(where, f"{rule} ({error})") from error
        return text + _digest_line(text.encode()).decode()

    @classmethod
    def from_text(cls, data: bytes, where: str) -> "tuple[BundleDocument, str]":
        """Verify and read the bytes of a document; return it with its digest."""
        body, mark, _ = data.rpartition(b"\n" + _DIGEST_KEY.encode() + b": ")
        body += b"\n"
        if not mark or data != body + _digest_line(body):
            raise fail(where, "must end with the SHA-256 digest of its text: it was altered or cut short")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise fail(where, f"must be YAML in UTF-8, but cannot be read ({error})") from error
        data = YamlText(text, where).data
        fields = Fields(data, where, None)
        if (version := fields.take("format", int)) != _FORMAT:
            newer = "; a newer Rookery wrote it: take that one, or a later" if version > _FORMAT else ""
            raise fail(fields.place("format"), f"must be {_FORMAT}, but found {version}{newer}")
        fields = Fields(data, where, _KEYS)
        target = read_target(fields, where)
        document = cls(
            target=target,
            members=_read_members(fields),
            pooling=fields.section("pooling", ("method",)).take("method", str),
            calibration=_read_calibration(fields),
            scores=_read_scores(fields),
            provenance=fields.mapping("provenance"),
            class_fractions=fields.numbers("class_fractions") if fields.has("class_fractions") else None,
            bands=fields.get_list("bands", str),
            domain=Domain.read(fields.raw("domain"), fields.place("domain"))
            if fields.has("domain")
            else None,
            conformal=read_conformal(fields.raw("conformal"), fields.place("conformal"), target)
            if fields.has("conformal")
            else None,
            gate=Gate.from_dict(fields.raw("gate"), fields.place("gate")) if fields.has("gate") else None,
            groups=Groups.from_dict(fields.raw("groups"), fields.place("groups"))
            if fields.has("groups")
            else None,
        )
        document.check(where)
        return document, hashlib.sha256(body).hexdigest()


def text_digest(text: str) -> str:
    """Return the SHA-256 with which the text of a document ends."""
    return text.rstrip("\n").rpartition(f"{_DIGEST_KEY}: ")[2]


def _digest_line(body: bytes) -> bytes:
    return f"{_DIGEST_KEY}: {hashlib.sha256(body).hexdigest()}\n".encode()


def _check_class_fractions(fractions: Mapping[str, float], class_names: tuple[str, ...], where: str) -> None:
    if not class_names or set(fractions) != set(class_names):
        rule = f"must name the classes {', '.join(class_names) or '(redshift PDFs have none)'}"
        raise fail(where, f"{rule}, but names {', '.join(fractions)}")
    total = sum(fractions.values())
    if not (all(value >= 0 for value in fractions.values()) and abs(total - 1) <= 1e-6):
        raise fail(where, f"must be 0 or more and sum to 1, but found {dict(fractions)}")


def _read_members(fields: Fields) -> tuple[MemberEntry, ...]:
    keys = ("id", "weight", "digests", "predictions")
    return tuple(MemberEntry.read(entry) for entry in fields.sections("members", keys))


def _take_digest(fields: Fields, key: str) -> str:
    digest = fields.take(key, str)
    if not _SHA256.fullmatch(digest):
        raise fail(fields.place(key), f"must be 64 hexadecimal digits, but found {digest!r}")
    return digest


def _read_calibration(fields: Fields) -> Calibration | None:
    if fields.raw("calibration") == {"method": "none"}:
        return None
    return read_calibration(fields.raw("calibration"), fields.place("calibration"))


def _read_scores(fields: Fields) -> dict[str, dict[str, float]]:
    names = tuple(fields.mapping("scores"))
    table = fields.section("scores", names)
    return {name: table.numbers(name) for name in names}
