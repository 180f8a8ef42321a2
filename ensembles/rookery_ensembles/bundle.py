"""The ensemble bundle: a folder that holds all that prediction needs, and is safe to load.

::

    bundle/
        ensemble.yaml
        MODEL_CARD.md
        members/<id>/{weights.safetensors,config.yaml,card.json}

A weightless member, a foreign network, has no files: it is known by the name and digest of its predictions.

``ensemble.yaml`` names the members with their weights and the SHA-256 of their files, and ends
with the SHA-256 of its own text above. Loading executes nothing and reads nothing outside the
folder: a stranger's bundle can be wrong, but not harmful. The digests guard against accidents;
a forger could write them anew. The model card is for people and is not read.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._bundle_document import MEMBER_FILES, BundleDocument, MemberEntry, Source, text_digest
from rookery_ensembles.calibrations import Calibration, Covariates
from rookery_ensembles.conformal_limits import Conformal, conformal_columns
from rookery_ensembles.covariates import OF_PDFS
from rookery_ensembles.domain import Domain
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_folder, sha256
from rookery_ensembles.gate import Gate
from rookery_ensembles.groups import Groups
from rookery_ensembles.member_values import Block, MemberValues
from rookery_ensembles.model_card import FILE as CARD
from rookery_ensembles.model_card import model_card
from rookery_ensembles.pools import find_pool
from rookery_ensembles.progress import tracked
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import Target

__all__ = ["MEMBER_FILES", "Bundle", "BundleMember", "load_bundle", "write_bundle"]

DOCUMENT = "ensemble.yaml"
_MEMBERS = "members"


@short_repr
@dataclass(frozen=True)
class BundleMember:
    """One member of an ensemble."""

    id: str
    """Letters, digits, ``.``, ``_`` and ``-``; the name of the member's folder in the bundle."""
    folder: Path
    """Where its files (`MEMBER_FILES`) are; of a weightless member, where they would be."""
    weight: float
    """Its share of the pool; greater than 0."""
    source: Source | None = None
    """Of a weightless member, a foreign network that has no files: the predictions that it is known by."""


@short_repr
@dataclass(frozen=True)
class Bundle:
    """A finished ensemble, loaded and verified."""

    path: Path
    """Its folder."""
    target: Target
    """What it predicts."""
    members: tuple[BundleMember, ...]
    """Its members, whose folders are the bundle's own."""
    pooling: str
    """How the members are combined: the name of one of `rookery_ensembles.pools.POOLS`."""
    calibration: Calibration | None
    """Applied after pooling; None for none."""
    scores: Mapping[str, Mapping[str, float]]
    """Validation metrics by what was scored: ``scores["selected"]["log_loss"]``."""
    provenance: Mapping[str, object]
    """Plain values on how the ensemble came about."""
    digest: str
    """SHA-256 of the document: the bundle's identity."""
    class_fractions: Mapping[str, float] | None = None
    """Class fractions at which its probabilities are calibrated; None where it was not told."""
    bands: tuple[str, ...] | None = None
    """Bands that the members saw in training; None in a bundle that does not tell."""
    domain: Domain | None = None
    """Where the training objects lie; None in a bundle that does not tell."""
    conformal: Conformal | None = None
    """Limits of conformal intervals or sets; None in a bundle that has none."""
    gate: Gate | None = None
    """How the members' weights depend on covariates; None where they do not."""
    groups: Groups | None = None
    """Which objects have conformal limits of their own; None where all have the same."""

    def conformal_columns(
        self, values_nk: NDArray[np.floating], covariates: Covariates | None = None
    ) -> dict[str, NDArray[np.generic]]:
        """Return the conformal columns of N objects, beside predictions; see `further_columns`."""
        names = None if self.groups is None else self.groups.names(covariates, len(values_nk))
        return conformal_columns(self.target, self.conformal, values_nk, names)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Names of the covariates that `combine` and `conformal_columns` must be given.

        Those that a calibration takes from the pooled PDFs themselves (`OF_PDFS`) are not among them.
        """
        wanted = () if self.gate is None else self.gate.names
        if self.calibration is not None:
            wanted += tuple(name for name in self.calibration.covariates if name not in OF_PDFS)
        return tuple(dict.fromkeys((*wanted, *(() if self.groups is None else (self.groups.column,)))))

    @property
    def weightless(self) -> tuple[str, ...]:
        """Names of the members that are foreign networks, known by their predictions alone."""
        return tuple(member.id for member in self.members if member.source is not None)

    def lacking_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """Return the bands that the ensemble was trained on and `available` lacks."""
        return tuple(band for band in self.bands or () if band not in available)

    def member_folders(self) -> list[Path]:
        """Return the members' folders, in the order in which `combine` takes their predictions.

        Raises
        ------
        InputError
            When a member is weightless: nobody but its own program can predict with it.
        """
        if self.weightless:
            rule = f"holds foreign networks, known by their predictions alone ({_few(self.weightless)})"
            hint = "predict with their own programs, then `rookery apply BUNDLE FILES... --out OUT` combines"
            raise fail(self.path, f"{rule}: {hint}")
        return [member.folder for member in self.members]

    def combine(
        self, values_mnk: MemberValues | Block, covariates: Covariates | None = None
    ) -> NDArray[np.float64]:
        """Pool and calibrate the members' predictions for N objects.

        Parameters
        ----------
        values_mnk
            M arrays (N, K), stacked or in a list, or `MemberValues`, in the order of `members`.
        covariates
            Of the N objects, for a gate and a local calibration; objects without have the weights and the
            map for all.

        Returns
        -------
        (N, K) in double precision.

        Raises
        ------
        InputError
            When there are more or fewer members or columns than the bundle has, or the values
            are no probabilities or PDFs.
        """
        where = f"predictions for {self.path}"
        m = values_mnk.shape[0] if isinstance(values_mnk, MemberValues) else len(values_mnk)
        if m != len(self.members):
            rule = f"there must be one array for each of {len(self.members)} members"
            raise fail(where, f"{rule}, but found {m}")
        weights = member_weights(self.members, self.gate, covariates)
        pooled = find_pool(self.pooling, self.target).combine(self.target, values_mnk, weights, where)
        return self.target.calibrate(self.calibration, self.target.normalised(pooled, where), covariates)


def member_weights(
    members: Sequence[BundleMember], gate: Gate | None, covariates: Covariates | None
) -> NDArray[np.float64]:
    """Return (M,) weights of members; of a gate, where covariates are known, (N, M)."""
    weights = np.array([member.weight for member in members])
    if gate is None or covariates is None:
        return weights
    return gate.weights([member.id for member in members], weights, covariates)


def write_bundle(
    path: str | Path,
    *,
    target: Target,
    members: Sequence[BundleMember],
    scores: Mapping[str, Mapping[str, float]],
    provenance: Mapping[str, object],
    bands: Sequence[str] | None = None,
    pooling: str = "linear",
    calibration: Calibration | None = None,
    class_fractions: Mapping[str, float] | None = None,
    domain: Domain | None = None,
    conformal: Conformal | None = None,
    gate: Gate | None = None,
    groups: Groups | None = None,
    replace: bool = False,
) -> Bundle:
    """Copy the members' files and write the document; the folder appears whole or not at all.

    Parameters
    ----------
    path
        The bundle's folder; it must not exist yet, unless `replace` is true.
    target
        What the ensemble predicts.
    members
        The members and their weights, which sum to 1.
    scores, provenance
        As in `Bundle`; plain values only (text, numbers, lists, mappings).
    bands
        Bands that the members saw in training, where they saw any.
    pooling, calibration, class_fractions, domain, conformal, gate, groups
        As in `Bundle`.
    replace
        Whether a former bundle may be replaced.

    Returns
    -------
    The bundle, as loaded from `path`.

    Raises
    ------
    InputError
        When a member's file is missing, an argument breaks a rule, or `path` cannot be written.
    """
    where = str(path)
    document = BundleDocument(
        target=target,
        members=tuple(MemberEntry(str(m.id), float(m.weight), _digests(m), m.source) for m in members),
        pooling=pooling,
        calibration=calibration,
        scores=scores,
        provenance=provenance,
        class_fractions=class_fractions,
        bands=None if bands is None else tuple(str(band) for band in bands),
        domain=domain,
        conformal=conformal,
        gate=gate,
        groups=groups,
    )
    document.check(where)
    text = document.to_text(where)
    with atomic_folder(path, replace=replace) as partial:
        for member in members:
            if member.source is not None:
                continue
            folder = partial / _MEMBERS / member.id
            folder.mkdir(parents=True)
            for name in MEMBER_FILES:
                shutil.copyfile(member.folder / name, folder / name)
        (partial / DOCUMENT).write_text(text, encoding="utf-8", newline="\n")
        card = model_card(document, Path(path).name, text_digest(text))
        (partial / CARD).write_text(card, encoding="utf-8", newline="\n")
    return load_bundle(path)


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle and verify every file in it.

    Raises
    ------
    InputError
        When the folder lacks a file, holds a link or anything that does not belong to it, when a
        byte was altered, or the document breaks a rule. The message names the file and the key.
    """
    path = Path(path)
    file = path / DOCUMENT
    if not file.is_file():
        if (path / "study.yaml").is_file():
            raise fail(path, "is a study and no bundle: `rookery ensemble` makes its bundle, STUDY/ensemble")
        raise fail(file, "the file is missing, which every ensemble bundle must have")
    document, digest = BundleDocument.from_text(file.read_bytes(), str(file))
    _verify_files(path, document.members)
    members = tuple(
        BundleMember(entry.id, path / _MEMBERS / entry.id, entry.weight, entry.source)
        for entry in document.members
    )
    return Bundle(
        path=path,
        target=document.target,
        members=members,
        pooling=document.pooling,
        calibration=document.calibration,
        scores=document.scores,
        provenance=document.provenance,
        digest=digest,
        class_fractions=document.class_fractions,
        bands=document.bands,
        domain=document.domain,
        conformal=document.conformal,
        gate=document.gate,
        groups=document.groups,
    )


def _few(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _digests(member: BundleMember) -> dict[str, str]:
    if member.source is not None:
        return {}
    for name in MEMBER_FILES:
        if not (member.folder / name).is_file():
            raise fail(member.folder / name, f"the file is missing, which member {member.id} must have")
    return {name: sha256(member.folder / name) for name in MEMBER_FILES}


def _verify_files(path: Path, members: Sequence[MemberEntry]) -> None:
    """Raise InputError unless the folder holds the members' files, unaltered, and nothing else."""
    members = [member for member in members if member.source is None]
    folders = [path / _MEMBERS / member.id for member in members]
    expected = {path / DOCUMENT, path / CARD, path / _MEMBERS, *folders}
    expected |= {folder / name for folder in folders for name in MEMBER_FILES}
    for entry in sorted(path.rglob("*")):
        if entry not in expected:
            raise fail(entry, "a bundle must hold its members' files and nothing else: remove this")
        if entry.is_symlink():
            raise fail(entry, "a bundle must not hold links")
    for member, folder in tracked([*zip(members, folders, strict=True)], "members"):
        for name, digest in member.digests.items():
            file = folder / name
            if not file.is_file():
                raise fail(file, f"the file is missing, which {DOCUMENT} lists for member {member.id}")
            if (found := sha256(file)) != digest:
                raise fail(file, f"must have the SHA-256 digest {digest}, but has {found}: it was altered")
