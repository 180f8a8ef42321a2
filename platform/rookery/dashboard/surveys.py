"""Where the objects of an ensemble were observed: the survey's folder, and what it holds of an object."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.campaigns.status import survey_paths
from rookery.dashboard.sources import folders_with
from rookery.search.study_facts import STUDY_DOCUMENT, read_facts
from rookery.shift.domain import object_features
from rookery.surveys._conditions import matching
from rookery.surveys._document import DOCUMENT, SurveyInfo, read_info
from rookery.surveys.blocks import SurveyBlock, SurveyBlocks
from rookery.surveys.store import Survey, open_survey
from rookery_ensembles.errors import InputError, fail

_BLOCK = 2000
_MOST_OBSERVATIONS = 20_000_000
"""With more of them a survey is not looked through for features of its light curves."""
_DEEPEST = 3
_PASSED = ("members", "running", "predictions", "tune")
Features = Mapping[str, NDArray[np.float64]]


class ObservedSurvey:
    """A survey store whose objects are looked at one by one; used by many threads."""

    def __init__(self, path: Path) -> None:
        self.survey: Survey = open_survey(path, verify=False)
        self._blocks = SurveyBlocks(path, verify=False)
        self._rows = pd.Index(self.survey.objects["object_id"])
        self._features: dict[bytes, Features] = {}
        self._lock = threading.RLock()

    @property
    def info(self) -> SurveyInfo:
        """What ``survey.json`` says."""
        return self.survey.info

    @cached_property
    def covariates(self) -> list[str]:
        """Columns of numbers that say something of an object beside its truth."""
        objects = self.survey.objects
        return [name for name in self.survey.covariates if pd.api.types.is_numeric_dtype(objects[name])]

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.intp]:
        """Return the rows of objects; -1 of those that the survey does not have."""
        return np.asarray(self._rows.get_indexer(pd.Index(ids)))

    def one(self, name: str) -> SurveyBlock:
        """Return one object as a survey of its own.

        Raises
        ------
        InputError
            When there is no such object, or its rows are damaged.
        """
        (row,) = self.rows_of([name])
        if row < 0:
            raise fail(self.survey.path, f"has no object {name!r}")
        with self._lock:
            return self._blocks.read(int(row), int(row) + 1)

    def features(self, rows: NDArray[np.intp]) -> Features:
        """Return what :func:`rookery.shift.domain.object_features` tells of some objects.

        Raises
        ------
        InputError
            When there are too many observations to look through.
        """
        with self._lock:
            key = rows.tobytes()
            if key not in self._features:
                self._features = {key: self._read_features(rows)}
            return self._features[key]

    def matched(self, conditions: Sequence[str], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which of some objects fulfil conditions as ``mag_r<20``, on covariates and features.

        Raises
        ------
        InputError
            When a condition cannot be understood, or no object of the survey fulfils them all.
        """
        known, truth = self.survey.objects.iloc[rows].reset_index(drop=True), self.survey.truth()
        if truth is not None:
            told = truth.iloc[rows].reset_index(drop=True)
            known = known.assign(**{str(name): told[name] for name in told if name not in known})
        if any(_column(one) not in known for one in conditions):
            known = known.assign(**{n: v for n, v in self.features(rows).items() if n not in known})
        some = Survey(self.survey.path, self.info.model_copy(update={"files": {}}), known)
        return np.asarray(matching(some, conditions, "where"))

    def _read_features(self, rows: NDArray[np.intp]) -> Features:
        if self.info.kind != "light_curves":
            found = object_features(self.survey, rows=rows)
            return {name: values[rows] for name, values in found.items()}
        observations = self.info.counts.get("observations", 0)
        if observations > _MOST_OBSERVATIONS:
            rule = f"has {observations:,} observations, of which no more than {_MOST_OBSERVATIONS:,}"
            raise fail(self.survey.path, f"{rule} are looked through here; `rookery predict` looks at all")
        parts = [object_features(block) for block in self._all_blocks()]
        return {name: np.concatenate([part[name] for part in parts])[rows] for name in parts[0]}

    def _all_blocks(self) -> Iterator[SurveyBlock]:
        for first in range(0, len(self._blocks), _BLOCK):
            yield self._blocks.read(first, min(first + _BLOCK, len(self._blocks)))


class Surveys:
    """Finds surveys by their checksum, and keeps the last few open."""

    def __init__(self, given: Sequence[Path], roots: Sequence[Path], most: int = 2) -> None:
        self._given, self._roots, self._most = list(given), list(roots), most
        self._kept: OrderedDict[str, ObservedSurvey] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, bundle: Path, checksum: str) -> ObservedSurvey:
        """Return the survey with this checksum: of those given, of the bundle's study, or below the roots.

        Raises
        ------
        InputError
            When none of them is it, or it is damaged.
        """
        with self._lock:
            if checksum not in self._kept:
                self._kept[checksum] = ObservedSurvey(self._folder(bundle, checksum))
            self._kept.move_to_end(checksum)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return self._kept[checksum]

    def _folder(self, bundle: Path, checksum: str) -> Path:
        told = list(surveys_of(bundle))
        for folder in (*self._given, *told):
            if _is_it(folder, checksum):
                return folder
        for root in (*self._given, *self._roots):
            for folder in folders_with(DOCUMENT, root, _DEEPEST, _PASSED):
                if _is_it(folder, checksum):
                    return folder
        where = f"; its study names {', '.join(map(str, told))}" if told else ""
        rule = f"the survey of its objects (checksum {checksum[:12]}) is not at hand{where}"
        raise fail(bundle, f"{rule}; say where it is: rookery dashboard --survey FOLDER")


def surveys_of(bundle: Path) -> Iterator[Path]:
    """Yield the folders that the study or campaign of a bundle names."""
    for parent in list(bundle.resolve().parents)[:4]:
        try:
            if (parent / STUDY_DOCUMENT).is_file():
                paths = [read_facts(parent).survey.path]
            elif (parent / "campaign.yaml").is_file():
                paths = list(survey_paths(parent))
            else:
                continue
        except InputError:
            continue  # the study's own page tells
        yield from (Path(path) for path in paths if path)
        return


def _column(condition: str) -> str:
    """Return the column that a condition begins with."""
    found = re.match(r"\s*([\w.-]*)", condition)
    return found[1] if found else ""


def _is_it(folder: Path, checksum: str) -> bool:
    try:
        return read_info(folder / DOCUMENT).checksum == checksum
    except InputError:
        return False
