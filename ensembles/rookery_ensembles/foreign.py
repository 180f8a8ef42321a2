"""Ensembles of foreign networks, which are known by their predictions alone.

`combine` makes a bundle of files of predictions for objects of known truth; `apply` pools and calibrates what
the same networks predict for new objects.
"""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._bundle_document import Source
from rookery_ensembles.build import CandidateMember, EnsembleChoice, choose
from rookery_ensembles.bundle import Bundle, load_bundle
from rookery_ensembles.common_objects import common_objects
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.found import Found
from rookery_ensembles.exchange.readers import read_foreign
from rookery_ensembles.known_truth import KnownTruth, MatchedTruth
from rookery_ensembles.metric import plain_scores
from rookery_ensembles.partitions import digest_of
from rookery_ensembles.recipe import AUTO, MEAN, looks_at_covariates, needs_covariates
from rookery_ensembles.schema import PredictionInfo, Predictions, check_predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.stack import stack_members
from rookery_ensembles.target import Target
from rookery_ensembles.unjudged import plain_average

logger = logging.getLogger(__name__)
Files = Sequence[str | Path]


@short_repr
@dataclass(frozen=True)
class Combined:
    """A bundle of foreign networks, how it was chosen, and how many objects of known truth it rests on."""

    bundle: Bundle
    """As it was written."""
    choice: EnsembleChoice
    """How it was made."""
    matched: MatchedTruth
    """What it rests on."""

    def summary(self) -> dict[str, Any]:
        """Return members, calibration, objects and scores as plain values for JSON, None where undefined."""
        return {
            "bundle": str(self.bundle.path),
            **self.choice.summary(),
            "objects": asdict(self.matched),
            "scores": {"known_truth": plain_scores(self.choice.scores)},
        }


def member_names(files: Files) -> list[str]:
    """Return a name for each file: its own without the ending, behind its folder's where two are the same.

    Raises
    ------
    InputError
        When there is no file, or two have the same name in folders of the same name.
    """
    if isinstance(files, (str, Path)) or not files:
        raise fail("files", "must be a list of one or more files of predictions")
    paths = [Path(file) for file in files]
    stems = [path.name.split(".")[0] if path.name[0] != "." else path.stem for path in paths]
    twice = {stem for stem, count in Counter(stems).items() if count > 1}
    names = [
        f"{path.resolve().parent.name}-{stem}" if stem in twice else stem
        for path, stem in zip(paths, stems, strict=True)
    ]
    plain = [re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:100] or "member" for name in names]
    again = [name for name, count in Counter(plain).items() if count > 1]
    if again:
        same = " and ".join(str(path) for path, name in zip(paths, plain, strict=True) if name == again[0])
        raise fail("files", f"every member needs a name of its own, but {same} are both {again[0]!r}")
    return plain


def read_members(
    files: Files, target: Target | None = None, *, object_id: NDArray[Any] | None = None
) -> list[Predictions]:
    """Read predictions in any known format, on one grid of redshift or with one order of classes.

    Parameters
    ----------
    files
        See `rookery_ensembles.exchange.readers`.
    target
        Bins or classes of all; by default those of the first file that tells its own.
    object_id
        (N,) names of the rows of files that do not name their objects, such as ``.npy``.

    Raises
    ------
    InputError
        When a file is broken, the kinds or classes differ, PDFs do not fit on the grid, no file tells one,
        or a file that does not name its objects has another number of rows than `object_id`.
    """
    names = member_names(files)
    found = [read_foreign(file) for file in files]
    own = next((each.target for each in found if each.target is not None), None)
    wanted = target if target is not None else own
    if wanted is None:
        rule = "at least one file must tell its bins or classes, but none does"
        raise fail(found[0].where, f"{rule}: name them (`--bins` or `--classes`)")
    wanted.check("bins or classes")
    return [
        _member(each, name, wanted, object_id, chosen=target is not None)
        for each, name in zip(found, names, strict=True)
    ]


def _member(
    found: Found, name: str, target: Target, object_id: NDArray[Any] | None, *, chosen: bool
) -> Predictions:
    values = found.onto(target, chosen=chosen)
    ids = found.object_id
    if ids is None:
        if object_id is None or len(object_id) != len(values):
            known = "nobody does" if object_id is None else f"there are {len(object_id):,} objects"
            rule = f"does not name its {len(values):,} objects, and {known}"
            raise fail(found.where, f"{rule}: an .npz with `values` and `ids` names them")
        logger.warning("%s: names no objects; its rows are taken in the order of the others'", found.where)
        ids = object_id
    info = found.info if found.info is not None else PredictionInfo(target)
    info = replace(info, target=target, member=name, bundle=None, fold=None, configuration=None)
    truth = None if found.truth is None else target.foreign_truth(np.asarray(found.truth))
    return check_predictions(Predictions(info, ids, truth, values.astype(np.float32)), found.where)


def combine(
    files: Files,
    truth: KnownTruth | None,
    out: str | Path,
    *,
    target: Target | None = None,
    by: str = AUTO,
    calibration: str | None = None,
    covariates: Sequence[str] = (),
    groups: str | None = None,
    positive: str = "Ia",
    common: bool = False,
    replace_old: bool = False,
    provenance: Mapping[str, object] | None = None,
) -> Combined:
    """Pool, weigh and calibrate foreign predictions by objects of known truth; write a bundle.

    Parameters
    ----------
    files
        One for each network, of the same objects; or `common`.
    truth
        What is known of the objects; None: what the files themselves tell. By ``mean``, without a calibration
        or groups of one's own, they need not tell any.
    out
        The bundle's folder.
    target
        Bins or classes of all; by default those of the first file that tells its own.
    by, calibration, positive
        As in `choose`.
    covariates
        Columns of the truth that weights or calibrations look at; none by default.
    groups
        One whose thirds have conformal limits of their own.
    common
        Whether objects that a file lacks are left out.
    replace_old
        Whether a former bundle may be replaced.
    provenance
        More plain values for the bundle.

    Raises
    ------
    InputError
        As `read_members`, `KnownTruth.of_predictions`, `KnownTruth.match` and `choose` do.
    """
    members = read_members(files, target, object_id=None if truth is None else truth.object_id)
    members = common_objects(members) if common else members
    plain = by == MEAN and calibration is None and groups is None and not covariates
    if truth is None and plain and all(member.truth is None for member in members):
        return _unjudged(files, members, out, replace_old=replace_old, provenance=provenance)
    truth = KnownTruth.of_predictions(members) if truth is None else truth
    looks = looks_at_covariates(by, calibration, members[0].info.target.kind, covariates)
    if not covariates and needs_covariates(by):
        rule = f"weights by {by} look at covariates: name columns of {truth.where} with --covariates"
        raise fail("covariates", rule)
    names = tuple(dict.fromkeys(covariates))
    target = members[0].info.target
    known = truth.covariates(names, target) if looks and names else None
    apart = None if groups is None else truth.covariates((groups,), target)
    for member in members:
        truth.check_source(member.info, member.info.maker)
    matches = [truth.match(member, f"predictions of {member.info.maker}") for member in members]
    matched = matches[0][0]
    inside = int((members[0].info.target.index(matches[0][1]) >= 0).sum())
    if inside < matched.known:
        text = "%s: the truth of %s of %s objects lies outside of all bins, and chooses nothing"
        logger.warning(text, truth.where, f"{matched.known - inside:,}", f"{matched.known:,}")
    judged = [replace(member, truth=told) for member, (_, told) in zip(members, matches, strict=True)]
    candidates = [
        CandidateMember(m.info.maker, Path(file), m.info.maker, m)
        for file, m in zip(files, judged, strict=True)
    ]
    choice = choose(
        candidates, by=by, calibration=calibration, covariates=known, groups=apart, positive=positive
    )
    told = {"truth": truth.where, **(provenance or {})}
    return _written(choice, matched, len(files), out, replace_old=replace_old, provenance=told)


def _unjudged(
    files: Files,
    members: Sequence[Predictions],
    out: str | Path,
    *,
    replace_old: bool,
    provenance: Mapping[str, object] | None,
) -> Combined:
    """Write the plain average of members none of whose objects has a known truth."""
    candidates = [
        CandidateMember(m.info.maker, Path(file), m.info.maker, m)
        for file, m in zip(files, members, strict=True)
    ]
    matched = MatchedTruth(len(members[0].object_id), 0, 0)
    told = dict(provenance or {})
    choice = plain_average(candidates)
    return _written(choice, matched, len(files), out, replace_old=replace_old, provenance=told)


def _written(
    choice: EnsembleChoice,
    matched: MatchedTruth,
    candidates: int,
    out: str | Path,
    *,
    replace_old: bool,
    provenance: Mapping[str, object],
) -> Combined:
    """Write a choice's bundle."""
    bundle = choice.write(
        out,
        sources={m.id: Source(m.folder.name, digest_of(m.folder)) for m in choice.members},
        provenance={
            **provenance,
            "objects": matched.objects,
            "objects_of_known_truth": matched.known,
            "candidates": candidates,
            **choice.provenance(),
        },
        replace_old=replace_old,
    )
    return Combined(bundle, choice, matched)


def apply(
    bundle: str | Path | Bundle,
    files: Files,
    *,
    version: str | None = None,
    covariates: ObjectCovariates | None = None,
    common: bool = False,
) -> Predictions:
    """Pool and calibrate what a bundle's foreign networks predict for new objects.

    The files go by their names, as in `combine`. Where no name is that of a member, but there are as
    many files as members, they are taken in the members' order, and a warning says so.

    Parameters
    ----------
    covariates
        Those of `Bundle.covariates` that are known of the objects; without, all have weights, map and limits
        of objects whose covariates are unknown.
    common
        Whether objects that a file lacks are left out.

    Raises
    ------
    InputError
        When a member's file is missing, the files' objects differ, none of them has covariates though these
        are given, or as `read_members` does.
    """
    loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    found = {name: read_foreign(file) for name, file in files_of_members(loaded, files).items()}
    warn_without(loaded, covariates)
    return pool_found(loaded, found, version=version, covariates=covariates, common=common)


def files_of_members(bundle: Bundle, files: Files) -> dict[str, str | Path]:
    """Return the file of each member, in their order; raises InputError as `apply` does."""
    if set(bundle.weightless) != {member.id for member in bundle.members}:
        rule = "holds networks of Rookery, which predict themselves: `rookery predict BUNDLE SURVEY OUT`"
        raise fail(bundle.path, rule)
    by_name = dict(zip(member_names(files), files, strict=True))
    wanted = [member.id for member in bundle.members]
    missing = [name for name in wanted if name not in by_name]
    if len(missing) == len(wanted) == len(files):
        by_name = dict(zip(wanted, files, strict=True))
        told = ", ".join(f"{name}={file}" for name, file in by_name.items())
        logger.warning("%s: no file has a member's name; taken in order: %s", bundle.path, told)
    elif missing:
        rule = f"there must be a file for each of the members {', '.join(wanted)}"
        raise fail(
            bundle.path, f"{rule}, but none is called {' or '.join(missing)}; found {', '.join(by_name)}"
        )
    return {name: by_name[name] for name in wanted}


def warn_without(bundle: Bundle, covariates: ObjectCovariates | None) -> None:
    """Log which covariates a bundle looks at, where none are given."""
    if bundle.covariates and covariates is None:
        told = "%s: looks at %s, which --catalogue tells; without, all objects have those for unknown ones"
        logger.warning(told, bundle.path, ", ".join(bundle.covariates))


def pool_found(
    bundle: Bundle,
    found: Mapping[str, Found],
    *,
    version: str | None = None,
    covariates: ObjectCovariates | None = None,
    common: bool = False,
) -> Predictions:
    """Pool and calibrate what was read of each member, by its name; parameters and errors as of `apply`."""
    ids = next((each.object_id for each in found.values() if each.object_id is not None), None)
    members = [_member(each, name, bundle.target, ids, chosen=True) for name, each in found.items()]
    stack = stack_members(common_objects(members) if common else members)
    known = None if covariates is None else covariates.of(stack.object_id)
    if known is not None and not np.isin(stack.object_id, covariates.object_id if covariates else ()).any():
        raise fail("covariates", f"must be of some of the {len(known):,} objects, but are of none of them")
    values = bundle.combine(list(stack.values), known).astype(np.float32)
    surveys = {member.info.survey for member in members}
    info = PredictionInfo(
        bundle.target,
        bundle=bundle.path.resolve().name,
        configuration=bundle.digest[:12],
        survey=surveys.pop() if len(surveys) == 1 else None,
        version=version,
    )
    columns = bundle.conformal_columns(values, known)
    return Predictions(info, stack.object_id, stack.truth, values, columns=columns)
