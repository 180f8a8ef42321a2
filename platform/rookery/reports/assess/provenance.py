"""What a report says about its own origin."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import rookery
from rookery.reports.assess.judged import Judged, is_simulated
from rookery.surveys.store import Survey
from rookery_ensembles.partitions import digest_of


def predictions_provenance(judged: Judged) -> dict[str, Any]:
    """Return what is known of the predictions: file and digest, maker, fold, configuration, version."""
    info = judged.info
    made_by = {"member": info.member} if info.member is not None else {"bundle": info.bundle}
    source = None if judged.source is None else str(judged.source)
    return {
        "file": source,
        "sha256": None if judged.source is None else digest_of(judged.source),
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
