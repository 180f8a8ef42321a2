"""A report's folder: written whole, and never over anything but an earlier report; and its origin."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rookery
from rookery.reports.assess.judged import Judged, is_simulated
from rookery.reports.charts.model import Chart
from rookery.reports.draw import paper
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_folder, check_name
from rookery_ensembles.partitions import digest_of
from rookery_ensembles.plain_text import parse_json

PAGE, DOCUMENT, FIGURES, TABLES = "index.html", "metrics.json", "figures", "tables"
FORMAT = "rookery-report"


def refuse_foreign(target: Path) -> None:
    """Refuse a target that holds anything but an earlier report, before work is done for it.

    Raises
    ------
    InputError
        When `target` is a file, or a folder with files that no report wrote.
    """
    check_name(target)
    if not target.exists():
        return
    if not target.is_dir():
        raise fail(target, "must be a folder to write a report to, but is a file")
    known = _known_files(target)
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir())
    foreign = [name for name in found if name not in known]
    if foreign:
        rule = "only an earlier report may be replaced, but this folder holds"
        raise fail(
            target, f"{rule} {foreign[0]} and {len(foreign) - 1} other such files; choose another folder"
        )


def write_report(
    target: Path,
    page: str,
    document: Mapping[str, Any],
    charts: Mapping[str, Chart],
    tables: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write page, document, charts and tables as one folder, in place of an earlier report.

    `tables` are texts by file name; `files` are further ones by their place in the folder.

    Raises
    ------
    InputError
        When `target` holds other files, or cannot be written.
    """
    refuse_foreign(target)
    pictures = [f"{FIGURES}/{name}.{suffix}" for name in charts for suffix in ("pdf", "png")]
    contents = {f"{TABLES}/{name}": text.encode() for name, text in (tables or {}).items()} | dict(
        files or {}
    )
    names = sorted([PAGE, DOCUMENT, *pictures, *contents])
    header = {"format": FORMAT, "format_version": 1, "files": names}
    text = json.dumps({**header, **document}, indent=2, allow_nan=False) + "\n"
    with atomic_folder(target, replace=True) as partial:
        (partial / PAGE).write_text(page, encoding="utf-8")
        (partial / DOCUMENT).write_text(text, encoding="utf-8")
        (partial / FIGURES).mkdir()
        for name, content in contents.items():
            (partial / name).parent.mkdir(exist_ok=True)
            (partial / name).write_bytes(content)
        for name, chart in charts.items():
            paper.save_chart(chart, partial / FIGURES, name)


def _known_files(target: Path) -> set[str]:
    """Return the files that an earlier report says it wrote; none where there is no such report."""
    try:
        document = parse_json((target / DOCUMENT).read_bytes(), target / DOCUMENT)
    except (OSError, ValueError):
        return set()
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return set()
    files = document.get("files")
    return {name for name in files if isinstance(name, str)} if isinstance(files, list) else set()


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
