"""What a report says about its own origin."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import rookery
from rookery.reports.assess.classes import is_simulated
from rookery.surveys.store import Survey
from rookery_ensembles.files import sha256
from rookery_ensembles.schema import PredictionInfo


class Judged(Protocol):
    """Predictions that were judged: what they say about themselves, and their file."""

    @property
    def info(self) -> PredictionInfo:
        """What they say about themselves."""
        ...

    @property
    def source(self) -> Path | None:
        """The file they were read from, or None."""
        ...


def predictions_provenance(assessment: Judged) -> dict[str, Any]:
    """Return what is known of the predictions: file and digest, maker, fold, configuration, version."""
    info = assessment.info
    made_by = {"member": info.member} if info.member is not None else {"bundle": info.bundle}
    source = None if assessment.source is None else str(assessment.source)
    return {
        "file": source,
        "sha256": None if assessment.source is None else sha256(assessment.source),
        **made_by,
        "role": info.role,
        "fold": info.fold,
        "configuration": info.configuration,
        "version": info.version,
    }


def survey_provenance(survey: Survey) -> dict[str, Any]:
    """Return name, folder, checksum and kind of the survey that told the truth."""
    return {
        "name": survey.info.name,
        "path": str(survey.path),
        "checksum": survey.checksum,
        "simulated": is_simulated(survey),
    }


def made_now() -> dict[str, Any]:
    """Return date and versions of this report."""
    packages = {name: version(name) for name in ("numpy", "scikit-learn", "plotly", "matplotlib")}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"rookery": rookery.__version__, "python": platform.python_version(), **packages},
    }


def spoken(label: str, entries: dict[str, Any]) -> list[tuple[str, str]]:
    """Return known entries as rows of a table, each label beginning with `label`."""
    return [(f"{label} {key}".strip(), _text(value)) for key, value in entries.items() if value is not None]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " · ".join(f"{key} {entry}" for key, entry in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.name if isinstance(value, Path) else str(value)
