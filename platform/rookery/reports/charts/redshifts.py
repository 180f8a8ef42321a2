"""The charts of redshift PDFs: z_phot against z_spec, errors, PIT and coverage, trends, examples."""

from collections.abc import Sequence

import numpy as np

from rookery.reports.assess.examples import Example
from rookery.reports.assess.pit import CalibrationCurve, PitHistogram
from rookery.reports.assess.redshifts import RedshiftAssessment
from rookery.reports.assess.trends import Trend, label_key
from rookery.reports.charts.against import methods_chart
from rookery.reports.charts.model import (
    Axis,
    Band,
    Cells,
    Chart,
    FloatArray,
    Guide,
    Line,
    Mark,
    Panel,
    Steps,
    in_rows,
    single,
)
from rookery_ensembles.photoz_sample import OUTLIER, POINT_KEYS

_CALIBRATED = "calibrated (95 %)"  # what legends call the band in which calibrated PDFs lie
_ABREAST = 3
_LEAST_CELLS, _MOST_CELLS = 50, 140
# The errors are drawn up to the largest of these parts of all, but always past the outliers' limit.
_SHOWN, _NEAREST, _DZ_BINS = 0.998, 1.4 * OUTLIER, 91
# A PDF is shown where its density is above this part of its highest; a note needs room above it.
_VISIBLE, _HEADROOM = 0.005, 1.45


def density_chart(methods: Sequence[RedshiftAssessment], notes: Sequence[str]) -> Chart:
    """Return z_phot against z_spec, a panel per method with its note, and the lines of outliers."""
    every = np.concatenate([methods[0].z_spec, *(one.sample.z_phot for one in methods)])
    low, high = float(every.min()), float(every.max())
    room = 0.02 * (high - low) or 0.01
    cells = int(np.clip(np.sqrt(len(methods[0])), _LEAST_CELLS, _MOST_CELLS))
    edges = np.linspace(low - room, high + room, cells + 1)
    first, last = ends = (float(edges[0]), float(edges[-1]))
    guides = [
        Guide(ends, (first + shift * (1 + first), last + shift * (1 + last)), dash=dash)
        for shift, dash in ((-OUTLIER, "dash"), (0.0, "solid"), (OUTLIER, "dash"))
    ]
    x, y = Axis("z_spec", ends), Axis("z_phot (mean of the PDF)", ends)
    hover = "z_spec {x:.3f}\nz_phot {y:.3f}\n{detail} objects"
    panels = []
    for one, note in zip(methods, notes, strict=True):
        counts = np.histogram2d(one.sample.z_phot, one.z_spec, (edges, edges))[0]
        panels.append(
            Panel([Cells(edges, edges, counts, hover=hover), *guides], x, y, title=one.name, note=note)
        )
    return Chart("", in_rows(panels, min(_ABREAST, len(panels))), square=True)


def errors_chart(methods: Sequence[RedshiftAssessment]) -> Chart:
    """Return the distribution of dz, symmetric about 0, on a logarithmic axis."""
    largest = max(float(np.quantile(np.abs(one.dz), _SHOWN)) for one in methods)
    end = max(1.05 * largest, _NEAREST)
    edges, top = np.linspace(-end, end, _DZ_BINS + 1), 1
    marks: list[Mark] = [Guide(x=line) for line in (-OUTLIER, 0.0, OUTLIER)]
    for hue, one in enumerate(methods):
        counts = np.histogram(one.dz, edges)[0]
        beyond = len(one) - counts.sum()
        name = f"{one.name} ({beyond:,} beyond)" if beyond else one.name
        marks.append(Steps(name, edges, counts, hue, hue == 0, "from {x:.4f}\n{detail} objects"))
        top = max(top, int(counts.max()))
    x, y = (
        Axis("Δz = (z_phot − z_spec) / (1 + z_spec)", (-end, end)),
        Axis("Objects per bin", (0.7, 2.0 * top), True),
    )
    return single("Distribution of Δz", x, y, marks)


def pit_chart(found: PitHistogram) -> Chart:
    """Return the histogram of the PIT, and the band in which calibrated PDFs lie."""
    ends = (0.0, 1.0)
    marks: list[Mark] = [
        Band(_CALIBRATED, ends, [found.low] * 2, [found.high] * 2),
        Guide(y=found.expected),
        *(
            Steps(name, found.edges, counts, hue, hue == 0, "from {x:.4f}\n{detail} objects")
            for hue, (name, counts) in enumerate(found.counts.items())
        ),
    ]
    top = max(found.high, *(float(counts.max()) for counts in found.counts.values()))
    return single("PIT", Axis("CDF at z_spec", ends), Axis("Objects per bin", (0.0, 1.08 * top)), marks)


def quantiles_chart(curve: CalibrationCurve) -> Chart:
    """Return the QQ plot of the PIT, and its distance from the diagonal below."""
    return _calibration("Quantiles of the PIT", curve, "Theoretical quantile", "PIT quantile")


def coverage_chart(curve: CalibrationCurve) -> Chart:
    """Return the coverage of credible intervals, and its distance from the diagonal below."""
    return _calibration(
        "Coverage of credible intervals", curve, "Probability of the interval", "Fraction inside"
    )


def _calibration(title: str, curve: CalibrationCurve, x_label: str, y_label: str) -> Chart:
    x = curve.x
    rows = []
    for label, base, limits in ((y_label, 0 * x, (-0.02, 1.02)), ("Difference", x, None)):
        lines = [Line(_CALIBRATED, x, x - base, None, curve.low - base, curve.high - base)]
        lines += [Line(name, x, y - base, hue) for hue, (name, y) in enumerate(curve.y.items())]
        rows.append([Panel(lines, Axis(x_label, (-0.01, 1.01)), Axis(label, limits))])
    return Chart(title, rows)


def trend_chart(trend: Trend) -> Chart:
    """Return bias, sigma_MAD and eta of all methods against one covariate."""
    return methods_chart(trend.methods, label_key(trend.name), POINT_KEYS)


def examples_chart(methods: Sequence[RedshiftAssessment], examples: Sequence[Example]) -> Chart:
    """Return PDFs of single objects, a column per kind, with the true redshift."""
    limits = _visible_range(methods, examples)
    columns: dict[str, list[Example]] = {}
    for example in examples:
        columns.setdefault(example.kind, []).append(example)
    rows = range(max(len(column) for column in columns.values()))
    return Chart(
        "",
        [
            [
                _example(methods, column[row], limits, title=kind if row == 0 else "")
                if row < len(column)
                else None
                for kind, column in columns.items()
            ]
            for row in rows
        ],
    )


def _example(
    methods: Sequence[RedshiftAssessment], example: Example, limits: tuple[float, float], *, title: str
) -> Panel:
    pdfs = [one.pdf[example.index].astype(np.float64) for one in methods]
    top = max(float(pdf.max()) for pdf in pdfs)
    marks: list[Mark] = [
        Steps(one.name, np.asarray(one.edges), pdf, hue, hue == 0, "from {x:.4f}\ndensity {detail:.3g}")
        for hue, (one, pdf) in enumerate(zip(methods, pdfs, strict=True))
    ]
    hover = f"{example.object_id}\nz_spec {{x:.4f}}"
    marks.append(Line("z_spec", [example.z_spec] * 2, [0.0, 1.05 * top], None, dash="dash", hover=hover))
    note = f"z_spec {example.z_spec:.3f}\nz_mean {example.z_mean:.3f}"
    y = Axis("PDF", (0.0, _HEADROOM * top))
    return Panel(marks, Axis("Redshift", limits), y, title=title, note=note)


def _visible_range(methods: Sequence[RedshiftAssessment], examples: Sequence[Example]) -> tuple[float, float]:
    """Return the range of redshift that holds what can be seen of all PDFs, and all true redshifts."""
    ends = [example.z_spec for example in examples]
    for one in methods:
        for example in examples:
            pdf: FloatArray = one.pdf[example.index]
            seen = np.flatnonzero(pdf > _VISIBLE * pdf.max())
            ends += [float(one.edges[seen[0]]), float(one.edges[seen[-1] + 1])]
    room = 0.03 * (max(ends) - min(ends))
    return min(ends) - room, max(ends) + room
