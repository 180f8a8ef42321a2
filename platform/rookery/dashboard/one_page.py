"""A study, campaign or bundle as one page of HTML that can be sent by e-mail: everything is inside."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import rookery
from rookery.campaigns.status import campaign_status
from rookery.dashboard.learning_curves import networks_of
from rookery.dashboard.trials import StudyTrials, Trial
from rookery.reports.charts.model import Axis, Chart, Line, single
from rookery.reports.page.render import render_page
from rookery.search.status import study_status
from rookery.search.study_facts import StudyFacts
from rookery.words import amount, count, duration, energy
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import write_text
from rookery_ensembles.metric import METRICS

_BEST, _CURVES, _HUES = 25, 40, 6
"""Trials that are listed, of which curves are drawn, and of those with a colour."""
Cells = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Table:
    """A table of a page."""

    heading: str
    note: str
    """What stands above it."""
    head: Sequence[str]
    rows: Cells
    """Heads of the columns, and cells."""


@dataclass
class Page:
    """What a page shows."""

    eyebrow: str
    title: str
    lead: str
    """Its head."""
    tiles: list[tuple[str, str]]
    """Figures in large type, with their words."""
    tables: list[Table] = field(default_factory=list)
    charts: dict[str, Chart] = field(default_factory=dict)
    """Tables, and charts by title."""
    notes: dict[str, str] = field(default_factory=dict)
    """What stands above each chart."""
    notices: list[str] = field(default_factory=list)
    """What needs attention."""
    provenance: list[tuple[str, str]] = field(default_factory=list)
    """What it was made from."""
    simulated: bool = False
    """Whether the survey is simulated."""

    def html(self) -> str:
        """Return the page."""
        made = [("made", _now()), ("by", f"Rookery {rookery.__version__}")]
        return render_page(
            "overview.html.j2",
            self.charts,
            eyebrow=self.eyebrow,
            title=self.title,
            lead=self.lead,
            tiles=self.tiles,
            tables=self.tables,
            plots=[(name, chart.title, self.notes[name]) for name, chart in self.charts.items()],
            notices=self.notices,
            provenance=[*self.provenance, *made],
            simulated=self.simulated,
        )


def write_page(path: Path, out: Path) -> Path:
    """Write the page of a study, campaign or bundle.

    Raises
    ------
    InputError
        When it is none of them, or cannot be read; when `out` does not end in .html, or cannot be written.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        rule = "a page must be written to a name that ends in .html"
        raise fail(out, f"{rule}, but this one ends in {out.suffix or 'none'}")
    makers = {"study.yaml": study_page, "campaign.yaml": campaign_page, "ensemble.yaml": bundle_page}
    maker = next((make for name, make in makers.items() if (path / name).is_file()), None)
    if maker is None:
        raise fail(path, f"is no study, campaign or bundle: it has none of {', '.join(makers)}")
    write_text(out, maker(path).html())
    return out


def study_page(path: Path) -> Page:
    """Return the page of a study."""
    told, known = study_status(path), StudyTrials(path)
    known.refresh()
    facts = known.facts
    name, simulated = _survey(Path(facts.survey.path))
    trials, best = told["trials"], told["best"]
    tiles = [
        (f"best {facts.metric}", "–" if best is None else f"{best['value']:.5g}"),
        ("trials complete", f"{trials['complete']:,}"),
        ("stopped early", f"{trials['pruned']:,}"),
        ("failed", f"{trials['failed']:,}"),
        ("device time", duration(3600 * told["device_hours"])),
        *_energy(told),
    ]
    ranked = _ranked(known.trials, facts)
    known.read_whole(ranked[:_CURVES])
    searched = sorted({key for trial in known.trials for key in trial.point})
    rows = [
        [f"{t.number}", f"{t.values[0]:.5g}", _spent(t), *(_cell(t.point.get(key)) for key in searched)]
        for t in ranked[:_BEST]
    ]
    page = Page(
        "Search",
        f"{facts.family} on {name}",
        f"{path.resolve().name}: {count(len(known.trials), 'trial')} by {_now()[:10]}, {facts.metric} to be "
        f"{'small' if facts.minimize else 'large'}; sampler {facts.sampler}, pruner {facts.pruner}, "
        f"split {facts.split.name}" + (f" of {facts.split.folds} folds." if facts.split.folds else "."),
        tiles,
        simulated=simulated,
        provenance=[("study", str(path.resolve())), ("survey", facts.survey.path), *_when(told)],
    )
    if rows:
        note = f"The best {len(rows)} of {trials['complete']:,}, with what was searched."
        page.tables.append(
            Table("Best trials", note, ["trial", facts.metric, "device time", *searched], rows)
        )
        page.charts = {"best": _best_chart(known.trials, facts), "curves": _curves_chart(ranked, facts)}
        n_curves = min(len(ranked), _CURVES)
        page.notes = {
            "best": "Every complete trial, and the best one until then.",
            "curves": f"Of the best {n_curves} trials, each network; the first ones in colour.",
        }
    failures = [[f["error"], f"{f['trials']:,}", f"{f['first_trial']}"] for f in told["failures"]]
    if failures:
        note = "By the first line of the error; those that differ in numbers alone together."
        page.tables.append(Table("Failures", note, ["error", "trials", "first trial"], failures))
    return page


def campaign_page(path: Path) -> Page:
    """Return the page of a campaign: its table as it stands."""
    told = campaign_status(path)
    networks = told["networks"]
    tiles = [
        ("networks finished", f"{networks['finished']:,} of {networks['wanted']:,}"),
        ("failed", f"{networks['failed']:,}"),
        ("device time", duration(3600 * told["device_hours"])),
        *_energy(told),
    ]
    page = Page(
        "Campaign",
        told["name"],
        f"{path.resolve().name}, as of {_now()[:10]}: {tiles[0][1]} networks are finished.",
        tiles,
        provenance=[("campaign", str(path.resolve()))],
    )
    table = path / "table.json"
    if not table.is_file():
        page.notices.append("The campaign has no table yet: it is written at the end of a run.")
    else:
        _add_table(page, table)
    failures = [[f["error"], f"{f['networks']:,}", f["first"]] for f in told["failures"]]
    if failures:
        note = "By the first line of the error."
        page.tables.append(Table("Failures", note, ["error", "networks", "first"], failures))
    return page


def bundle_page(path: Path) -> Page:
    """Return the page of an ensemble: its scores beside those of its parts, its members and their weights."""
    from rookery_ensembles import load_bundle

    bundle = load_bundle(path)
    shown = {name: scores for name, scores in bundle.scores.items() if isinstance(scores, Mapping)}
    keys = [key for key in bundle.target.compared if any(key in scores for scores in shown.values())]
    rows = [[n.replace("_", " "), *(_cell(scores.get(key)) for key in keys)] for n, scores in shown.items()]
    heaviest = sorted(bundle.members, key=lambda member: (-member.weight, member.id))
    calibration = "none" if bundle.calibration is None else str(bundle.calibration)
    facts = {n: v for n, v in bundle.provenance.items() if not isinstance(v, Mapping | list)}
    note = "Validation scores: on the objects that chose members and weights, unless they were cross-fitted."
    if not rows:
        note = "None: no object of known truth judged it."
    return Page(
        "Ensemble",
        f"{count(len(heaviest), 'network')} that predict {bundle.target.spoken}",
        f"{path.resolve().name}, as of {_now()[:10]}: pool {bundle.pooling}, calibration {calibration}.",
        [("members", f"{len(heaviest):,}"), ("largest weight", f"{heaviest[0].weight:.3f}")],
        tables=[
            Table("Scores", note, ["", *map(_short, keys)], rows),
            Table(
                "Members", "By weight.", ["member", "weight"], [[m.id, f"{m.weight:.4f}"] for m in heaviest]
            ),
        ],
        provenance=[("bundle", str(path.resolve())), *((n, str(v)) for n, v in facts.items())],
    )


def _add_table(page: Page, file: Path) -> None:
    """Add a campaign's table, published rows included where the campaign's file has them."""
    try:
        document = json.loads(file.read_bytes())
        lines = [line for line in document["lines"] if not line["bin"]]
        keys = list(dict.fromkeys(key for line in lines for key in line["metrics"]))
        rows = [
            [
                f"{line['experiment']} / {line['row']}"
                + (" (published)" if line["source"] == "published" else ""),
                f"{line['members']} of {line['wanted']}" if line["wanted"] else "–",
                *(_with_scatter(line, key) for key in keys),
            ]
            for line in lines
        ]
        surveys = document["surveys"].items()
        page.simulated = any(survey["simulated"] for _, survey in surveys)
        page.provenance += [(f"survey {name}", survey["path"]) for name, survey in surveys]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: cannot be read as the table of a campaign ({error!r})") from error
    note = "±: the scatter over networks, where a row has several."
    page.tables.append(Table("Table", note, ["experiment / row", "networks", *map(_short, keys)], rows))


def _short(key: str) -> str:
    """Return a metric's short name and which way is better."""
    return f"{METRICS[key].short} {METRICS[key].arrow}" if key in METRICS else key


def _with_scatter(line: Mapping[str, Any], key: str) -> str:
    scatter = (line.get("scatter") or {}).get(key)
    found = _cell(line["metrics"].get(key))
    return f"{found} ± {scatter:.2g}" if isinstance(scatter, float) and scatter else found


def _best_chart(trials: Sequence[Trial], facts: StudyFacts) -> Chart:
    done = [trial for trial in trials if trial.state == "complete" and trial.values]
    x, y = np.array([trial.number for trial in done], float), np.array([trial.values[0] for trial in done])
    best = np.minimum.accumulate(y) if facts.minimize else np.maximum.accumulate(y)
    marks = [
        Line("trial", x, y, None, marked=True, joined=False, hover="trial {x}: {y:.5g}"),
        Line(
            "best so far", np.repeat(x, 2)[1:], np.repeat(best, 2)[:-1], 0, hover="until trial {x}: {y:.5g}"
        ),
    ]
    return single("Best so far", Axis("trial"), Axis(facts.metric), marks)


def _curves_chart(ranked: Sequence[Trial], facts: StudyFacts) -> Chart:
    marks = [
        Line(
            f"trial {trial.number}" if place < _HUES and not part else "",
            steps.astype(float),
            scores.astype(float),
            place if place < _HUES else None,
            dash="solid",
            hover=f"trial {trial.number}, epoch {{x}}: {{y:.5g}}",
        )
        for place, trial in reversed(list(enumerate(ranked[:_CURVES])))
        for part, (steps, scores) in networks_of(trial, facts)
    ]
    return single("Learning curves", Axis("epoch"), Axis(facts.metric), marks)


def _ranked(trials: Sequence[Trial], facts: StudyFacts) -> list[Trial]:
    """Return the complete trials, the best one first."""
    sign = 1 if facts.minimize else -1
    done = [trial for trial in trials if trial.state == "complete" and trial.values]
    return sorted(done, key=lambda trial: (sign * trial.values[0], trial.number))


def _survey(path: Path) -> tuple[str, bool]:
    """Return the name of a survey, and whether it is simulated; its folder's name where it is not here."""
    from rookery.reports.assess.judged import is_simulated
    from rookery.surveys import open_survey

    try:
        survey = open_survey(path, verify=False)
    except InputError:
        return path.name, False
    return survey.info.name, is_simulated(survey)


def _energy(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    used = told["energy_kilowatt_hours"]
    return [] if used is None else [("energy", energy(used))]


def _when(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(n.replace("_", " "), told[n]) for n in ("began", "last_change") if told[n]]


def _spent(trial: Trial) -> str:
    found = trial.attributes.get("device_seconds")
    return duration(found) if isinstance(found, int | float) else "–"


def _cell(value: Any) -> str:
    """Return a value of a table in few signs."""
    if isinstance(value, float):
        return amount(value) if value >= 100 else f"{value:.4g}"
    return "–" if value is None else str(value)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
