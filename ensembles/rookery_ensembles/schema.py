"""The schema of predictions: what they say about themselves, and the rules that their arrays keep."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.compact import find_form
from rookery_ensembles.errors import fail
from rookery_ensembles.further_columns import check_columns
from rookery_ensembles.plain_text import parse_json
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import KEYS, Target, read_target, to_dict

ROLES = ("train", "validation", "test", "unlabelled")
SINCE = ("detection", "peak")


@short_repr
@dataclass(frozen=True)
class PriorCorrection:
    """That probabilities were corrected for other class fractions, and for which."""

    training: tuple[float, ...]
    estimated: tuple[float, ...]
    """Class fractions before and after, in the order of the class names."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Ends of the 95 % interval of `estimated`."""
    n_objects: int
    """Number of objects that the estimate rests on."""

    @classmethod
    def read(cls, given: Fields) -> "PriorCorrection":
        """Read the mapping of a file; raises InputError where it is something else."""
        lists = {name: given.take_list(name, float) for name in ("training", "estimated", "low", "high")}
        return cls(**lists, n_objects=given.take("n_objects", int))


@short_repr
@dataclass(frozen=True)
class PredictionInfo:
    """What predictions are of, and where they come from."""

    target: Target
    """What is predicted: `Classes`, or `RedshiftBins`."""
    member: str | None = None
    bundle: str | None = None
    """What made the predictions: one network, or an ensemble. Exactly one of the two is given."""
    role: str | None = None
    """The objects' part of the split: train, validation, test or unlabelled."""
    fold: int | None = None
    """The fold that the member was validated on, from 0."""
    configuration: str | None = None
    """Hash of the member's configuration: the same for the members of all its folds."""
    survey: str | None = None
    """Checksum of the survey."""
    version: str | None = None
    """Version of the program that wrote the predictions."""
    prior_correction: PriorCorrection | None = None
    """What was done to the probabilities for changed class fractions; None for nothing."""
    days: float | None = None
    since: str | None = None
    """For partial light curves: only observations up to so many days since each object's
    detection or peak were seen. Both are given, or none."""
    unseen: bool | None = None
    """True where nothing was fitted to any of these objects: no network, weight or calibration. Only then
    has a test of the PDFs a plain p-value. None where it is not known."""

    compact: str | None = None
    """Of a file of redshift PDFs: the form that they are written in (see `rookery_ensembles.compact`), of
    which what was read is a reconstruction; None where they are written bin by bin."""

    @property
    def maker(self) -> str:
        """Name of the member or bundle that made the predictions."""
        return self.member or self.bundle or "nameless"

    def check(self, where: str) -> None:
        """Raise InputError, beginning with `where`, unless every rule of this class holds."""
        self.target.check(where)
        if (self.member is None) == (self.bundle is None):
            found = f"member={self.member!r} and bundle={self.bundle!r}"
            raise fail(where, f"exactly one of `member` and `bundle` must be given, but found {found}")
        if self.role is not None and self.role not in ROLES:
            raise fail(where, f"`role` must be one of {', '.join(ROLES)}, but found {self.role!r}")
        if self.fold is not None and self.fold < 0:
            raise fail(where, f"`fold` must be 0 or more, but found {self.fold}")
        if self.prior_correction is not None:
            record = self.prior_correction
            sizes = [len(x) for x in (record.training, record.estimated, record.low, record.high)]
            if set(sizes) != {len(self.target.names)}:
                rule = "`prior_correction` must hold one fraction for each of the class names"
                listed = ", ".join(map(str, sizes))
                raise fail(where, f"{rule}, but its training, estimated, low and high hold {listed}")
        if (self.days is None) != (self.since is None):
            found = f"days={self.days!r} and since={self.since!r}"
            raise fail(where, f"`days` and `since` must be given together, but found {found}")
        if self.since is not None and self.since not in SINCE:
            raise fail(where, f"`since` must be one of {', '.join(SINCE)}, but found {self.since!r}")
        if self.compact is not None:
            rule = f"`compact` is for redshift PDFs alone, but found {self.compact!r}"
            self.target.require_pdfs(where, rule)
            find_form(self.compact, f"{where}, key `compact`")
        if self.days is not None and not math.isfinite(self.days):
            raise fail(where, f"`days` must be finite, but found {self.days}")

    def to_json(self) -> str:
        """Return the JSON object that a file carries; absent fields are left out."""
        others = {key: value for key, value in asdict(self).items() if key != "target" and value is not None}
        return json.dumps(to_dict(self.target) | others)

    @classmethod
    def from_json(cls, text: bytes, where: str) -> "PredictionInfo":
        """Read the JSON object of a file.

        Raises
        ------
        InputError
            Beginning with `where`: when the text is no JSON object, or breaks a rule of this class.
        """
        known = [*KEYS, *(field.name for field in fields(cls) if field.name != "target")]
        given = Fields(parse_json(text, where), where, known)
        info = cls(
            target=read_target(given, where),
            member=given.get("member", str),
            bundle=given.get("bundle", str),
            role=given.get("role", str),
            fold=given.get("fold", int),
            configuration=given.get("configuration", str),
            survey=given.get("survey", str),
            version=given.get("version", str),
            prior_correction=PriorCorrection.read(
                given.section("prior_correction", [field.name for field in fields(PriorCorrection)])
            )
            if given.has("prior_correction")
            else None,
            days=given.get("days", float),
            since=given.get("since", str),
            unseen=given.get("unseen", bool),
            compact=given.get("compact", str),
        )
        info.check(where)
        return info


@short_repr
@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities, or redshift PDFs, of N objects."""

    info: PredictionInfo
    """What the predictions are of, and where they come from."""
    object_id: NDArray[np.str_]
    """(N,) text, all different."""
    truth: NDArray[Any] | None
    """(N,) class names with None where unknown, or redshifts (float64) with NaN where unknown;
    None when no object's truth is known."""
    values: NDArray[np.float32]
    """(N, K) float32: probabilities that sum to 1, or densities per unit redshift that
    integrate to 1 over the bins of ``info.target``."""
    out_of_domain: NDArray[np.bool_] | None = None
    """(N,) whether an object lies outside of what the networks were trained on; None where nobody looked."""
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Further columns by name, each (N,); see `rookery_ensembles.further_columns`."""

    def __post_init__(self) -> None:
        """Make arrays of lists; raises InputError for one that is ragged or holds something else."""
        for name, kind in (("object_id", None), ("values", np.float32), ("out_of_domain", None)):
            given = getattr(self, name)
            if isinstance(given, (list, tuple)):
                try:
                    object.__setattr__(self, name, np.asarray(given, dtype=kind))
                except (ValueError, TypeError) as error:
                    raise fail(
                        f"predictions of {self.info.maker}", f"`{name}` is no array ({error})"
                    ) from error
        truth: Any = self.truth
        if isinstance(truth, (list, tuple)):
            object.__setattr__(self, "truth", np.array(truth, dtype=self.info.target.truth_dtype))

    def take(self, rows: NDArray[np.integer]) -> Self:
        """Return what is said of some objects, by their rows and in their order."""
        return replace(
            self,
            object_id=np.asarray(self.object_id)[rows],
            truth=None if self.truth is None else np.asarray(self.truth)[rows],
            values=np.asarray(self.values)[rows],
            out_of_domain=None if self.out_of_domain is None else np.asarray(self.out_of_domain)[rows],
            columns={name: np.asarray(column)[rows] for name, column in self.columns.items()},
        )


def require_predictions(value: object, where: str, *, shapes_too: bool = True) -> Predictions:
    """Return what is `Predictions`, with `shapes_too` of N names, N truths or none, and N x K values.

    Raises
    ------
    InputError
        For anything else.
    """
    if not isinstance(value, Predictions):
        rule = "must be Predictions (of a file: read_predictions; of arrays: Predictions(info, ...))"
        raise fail(where, f"{rule}, but is {type(value).__name__}")
    if not shapes_too:
        return value
    shapes = {"object_id": np.shape(value.object_id), "values": np.shape(value.values)}
    if value.truth is not None:
        shapes["truth"] = np.shape(value.truth)
    dimensions = {"object_id": 1, "truth": 1, "values": 2}
    rows = shapes["object_id"][:1]
    if any(len(shape) != dimensions[name] or shape[:1] != rows for name, shape in shapes.items()):
        found = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())
        rule = "must hold N names, N truths or none, and N x K values, but their shapes are"
        raise fail(where, f"{rule} {found}")
    return value


def check_predictions(predictions: Predictions, where: str) -> Predictions:
    """Return predictions that keep every rule of the schema, normalised and in its types.

    Raises
    ------
    InputError
        Beginning with `where`, and naming the row, object and value that break a rule.
    """
    info = require_predictions(predictions, where, shapes_too=False).info
    info.check(where)
    object_id = _check_object_ids(np.asarray(predictions.object_id), where)
    values = np.asarray(predictions.values, dtype=np.float32)
    expected = (len(object_id), info.target.n_columns)
    if values.shape != expected:
        rule = f"`{info.target.column}` must hold {expected[1]} values for each of {expected[0]} objects"
        raise fail(where, f"{rule}, but has the shape {values.shape}")
    values = info.target.normalised(values, where, object_id)
    truth = _check_truth(info, predictions.truth, len(object_id), where)
    flag = _check_flag(predictions.out_of_domain, len(object_id), where)
    columns = check_columns(predictions.columns, len(object_id), where)
    return Predictions(info, object_id, truth, values, flag, columns)


def check_rows(
    info: PredictionInfo, object_id: NDArray[Any], truth: NDArray[Any] | None, where: str, *, checked: bool
) -> tuple[NDArray[np.str_], NDArray[Any] | None]:
    """Return names of objects and truths, or None, that keep the rules of the schema, in its types.

    Parameters
    ----------
    checked
        Whether the names were checked before.

    Raises
    ------
    InputError
        Beginning with `where`, for a name or a truth that breaks a rule.
    """
    names = object_id if checked else _check_object_ids(np.asarray(object_id), where)
    return names, _check_truth(info, truth, len(names), where)


def _check_flag(flag: NDArray[Any] | None, n: int, where: str) -> NDArray[np.bool_] | None:
    if flag is None:
        return None
    found = np.asarray(flag)
    if found.shape != (n,) or found.dtype != np.bool_:
        rule = f"`out_of_domain` must hold true or false for each of {n} objects"
        raise fail(where, f"{rule}, but has the shape {found.shape} and the type {found.dtype}")
    return found


def _check_object_ids(object_id: NDArray[Any], where: str) -> NDArray[np.str_]:
    if object_id.ndim != 1 or object_id.size == 0:
        raise fail(where, f"`object_id` must list at least one object, but has the shape {object_id.shape}")
    first_row: dict[object, int] = {}
    for row, name in enumerate(object_id.tolist()):
        if not isinstance(name, str) or not name:
            raise fail(f"{where}, row {row}", f"`object_id` must be non-empty text, but found {name!r}")
        if first_row.setdefault(name, row) != row:
            rule = "every `object_id` must occur once"
            raise fail(f"{where}, row {row}", f"{rule}, but {name!r} stands in row {first_row[name]} too")
    return object_id.astype(np.str_)


def _check_truth(info: PredictionInfo, truth: NDArray[Any] | None, n: int, where: str) -> NDArray[Any] | None:
    if truth is None:
        return None
    if np.shape(truth) != (n,):
        raise fail(
            where, f"`truth` must hold one value for each of {n} objects, but has the shape {np.shape(truth)}"
        )
    return info.target.check_truth(truth, where)
