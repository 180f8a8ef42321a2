"""Domain shift without labels: how much more frequent is an object's like in the target sample?

The ratio of the two samples' densities, p_target(x) / p_labelled(x) over covariates x, follows from
a probabilistic classifier that tells the samples apart (Bickel et al. 2007; Sugiyama et al. 2012,
"Density Ratio Estimation in Machine Learning", section 4): ratio = p / (1 - p) x n_labelled / n_target.
Weighted by it, a mean over labelled objects estimates the mean over target objects, as far as the
covariates explain the difference and the labelled sample reaches where the target lies.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.objects import NOT_COVARIATES
from rookery.surveys.properties import PROPERTIES, object_properties
from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail

logger = logging.getLogger(__name__)
CLASSIFIERS = ("logistic", "boosted_trees")
FEW_OBJECTS, SMALL_PART = 50, 0.1
"""Effective numbers of objects below which a weighted mean is called uncertain."""
_FOLDS = 5
# More target objects teach the classifier nothing.
_MOST_TARGETS = 50_000
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShiftWeights:
    """Importance weights of labelled objects."""

    rows: NDArray[np.int64]
    """(L,) rows of the survey's object table: the split's train and validation objects, ascending."""
    weight: FloatArray
    """(L,) weights, of mean 1."""
    n_target: int
    """Number of target objects."""

    def of(self, rows: NDArray[np.int64]) -> FloatArray:
        """Return the weights of some labelled objects, of mean 1 over these."""
        weight: FloatArray = self.weight[np.searchsorted(self.rows, rows)]
        return weight / weight.mean()


def labelled_and_target(survey: Survey, split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of a split's labelled (train, validation) and target (test, unlabelled) objects.

    Raises
    ------
    InputError
        When either has fewer than 2 objects.
    """
    labelled, target = split.labelled, split.to_classify
    for name, rows in (
        ("labelled objects (roles train and validation)", labelled),
        ("target objects (roles test and unlabelled)", target),
    ):
        if len(rows) < 2:
            rule = f"a shift needs at least 2 {name}"
            raise fail(f"split {split.name} of {survey.path}", f"{rule}, but there are {len(rows)}")
    return labelled, target


def covariate_names(survey: Survey) -> tuple[str, ...]:
    """Return the covariates by which a shift can be described: from observations, then from the table."""
    return (*PROPERTIES, *(name for name in survey.covariates if name not in PROPERTIES))


def check_covariates(survey: Survey, names: Sequence[str], key: str) -> None:
    """Raise InputError, naming `key` of the document that asks for them, unless the survey has all."""
    known = covariate_names(survey)
    for name in names:
        if name in NOT_COVARIATES:
            rule = f"`{key}`: `{name}` is identity or truth, not a covariate"
            raise fail(survey.path, f"{rule}; those that this survey has are {', '.join(known)}")
        if name not in known:
            rule = f"`{key}`: the survey has no covariate `{name}`"
            raise fail(survey.path, f"{rule}; those that it has are {', '.join(known)}")


def importance_weights(
    survey: Survey,
    split: Split,
    covariates: Sequence[str],
    *,
    classifier: str = "logistic",
    clip: float = 20.0,
    seed: int = 0,
) -> ShiftWeights:
    """Return weights that make a split's labelled objects resemble its test and unlabelled objects.

    No label is looked at. Each object's ratio comes from a classifier that did not see it
    (cross-fitting in five folds), so that the weights do not overfit.

    Parameters
    ----------
    covariates
        Names among :func:`covariate_names`. Positive ones enter as logarithms, others on an arcsinh
        scale; missing values at the median, with a mark of their own.
    classifier
        ``logistic`` (of second order in the covariates) or ``boosted_trees`` (Platt-calibrated).
    clip
        Largest weight, in units of the mean before clipping: bounds the variance for some bias.
    seed
        Seed of the folds and trees; the result is a function of survey, split and arguments.

    Raises
    ------
    InputError
        When the survey lacks a covariate, one is unknown for all labelled or all target objects,
        a role has no objects, or an argument is out of range.
    """
    if classifier not in CLASSIFIERS:
        raise fail("classifier", f"must be one of {', '.join(CLASSIFIERS)}, but is {classifier!r}")
    if not clip > 1:
        raise fail("clip", f"must be greater than 1, but is {clip}")
    check_covariates(survey, covariates, "covariates")
    labelled, target = labelled_and_target(survey, split)
    values_nc = _covariate_values(survey, covariates)
    for name, column in zip(covariates, values_nc.T, strict=True):
        for part, rows in (("labelled", labelled), ("target", target)):
            if np.isnan(column[rows]).all():
                where = f"split {split.name} of {survey.path}"
                raise fail(where, f"covariate `{name}` must be known for some {part} object, but is for none")
    rng = np.random.default_rng(seed)
    chosen = target
    if len(target) > _MOST_TARGETS:
        chosen = np.sort(rng.choice(target, _MOST_TARGETS, replace=False))
    features = _features(values_nc[np.concatenate([labelled, chosen])])
    is_target = np.arange(len(features)) >= len(labelled)
    probability = _cross_fitted(features, is_target, classifier, seed)[: len(labelled)]
    ratio = probability / (1 - probability) * (len(labelled) / len(chosen))
    weight = np.minimum(ratio / ratio.mean(), clip)
    return ShiftWeights(labelled, weight / weight.mean(), len(target))


def effective_number(weight: FloatArray) -> float:
    """Return Kish's effective sample size (sum w)^2 / sum w^2: N for equal weights, towards 1 for one."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def warn_if_few(weight: FloatArray, what: str) -> float:
    """Return the effective number of objects, and log a warning when means over them are uncertain."""
    effective = effective_number(weight)
    if effective < max(FEW_OBJECTS, SMALL_PART * len(weight)):
        few = "%s: under importance weights the metric rests on %.0f effective objects of %d: it is uncertain"
        hint = "; fewer covariates, a smaller `clip` or `method: degraded` may serve better"
        uneven = effective < len(weight) / 2
        logger.warning(few + (hint if uneven else ""), what, effective, len(weight))
    return effective


def _covariate_values(survey: Survey, names: Sequence[str]) -> FloatArray:
    """Return (N, C) values, NaN where unknown."""
    table: pd.DataFrame = survey.objects
    if any(name in PROPERTIES for name in names):
        properties = object_properties(survey)
        table = properties.join(table.drop(columns=[c for c in table.columns if c in properties.columns]))
    return np.column_stack([table[name].to_numpy(np.float64) for name in names])


def _features(values_nc: FloatArray) -> FloatArray:
    """Return standardised features: each covariate on its scale, and a mark where one is missing."""
    columns = []
    for values in values_nc.T:
        known = np.isfinite(values)
        positive = bool((values[known] > 0).all())
        scale = float(np.median(np.abs(values[known]))) or 1.0
        scaled = np.log(np.where(known, values, 1.0)) if positive else np.arcsinh(values / scale)
        scaled = np.where(known, scaled, np.median(scaled[known]))
        columns.append(np.clip((scaled - scaled.mean()) / (scaled.std() or 1.0), -5, 5))
        if not known.all():
            columns.append((~known).astype(np.float64))
    return np.column_stack(columns)


def _cross_fitted(features: FloatArray, is_target: NDArray[np.bool_], name: str, seed: int) -> FloatArray:
    """Return each object's probability of being a target object, by a classifier that did not see it."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    fewest = int(min(is_target.sum(), (~is_target).sum()))
    folds = StratifiedKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed)
    model = _classifier(name, seed, fewest)
    found = cross_val_predict(model, features, is_target, cv=folds, method="predict_proba")
    probability: FloatArray = np.clip(found[:, 1], 1e-6, 1 - 1e-6)
    return probability


def _classifier(name: str, seed: int, fewest: int) -> Any:
    from sklearn.pipeline import make_pipeline

    if name == "logistic":
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import PolynomialFeatures

        return make_pipeline(PolynomialFeatures(2, include_bias=False), LogisticRegression(max_iter=2000))
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=8, min_samples_leaf=20, early_stopping=False, random_state=seed
    )
    return trees if fewest < 10 else CalibratedClassifierCV(trees, method="sigmoid", cv=3)
