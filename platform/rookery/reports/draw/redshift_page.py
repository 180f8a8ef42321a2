"""The figures of redshifts for plotly.js in the reader's browser."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rookery.reports.assess.pit import PitHistogram
from rookery.reports.charts.calibration import CALIBRATED
from rookery.reports.charts.redshifts import (
    Density,
    ErrorHistogram,
    ExampleShape,
    outlier_lines,
    visible_range,
)
from rookery.reports.draw.colours import NEUTRAL, colour
from rookery.reports.draw.page import line_of, plain_figure, translucent
from rookery_ensembles.photoz_sample import OUTLIER

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ABREAST = 3
_AXIS = {"showline": True, "mirror": True, "zeroline": False, "ticks": "outside", "ticklen": 4}
_TICKS = (1, 10, 100, 1000, 10_000, 100_000)


def density_figure(found: Density, notes: Sequence[str]) -> "go.Figure":
    """Return z_phot against z_spec, a panel per method, with the lines of outliers."""
    names = list(found.counts)
    columns = min(_ABREAST, len(names))
    titles = [f"{name}: {note}" for name, note in zip(names, notes, strict=True)]
    figure = _grid(-(-len(names) // columns), columns, titles, shared_y=True)
    edges = found.edges
    middle, ends = (edges[:-1] + edges[1:]) / 2, edges[[0, -1]].tolist()
    top = max(2.0, *(float(counts.max()) for counts in found.counts.values()))
    for index, counts in enumerate(found.counts.values()):
        place: dict[str, Any] = {"row": index // columns + 1, "col": index % columns + 1}
        known = counts > 0
        # The scale is logarithmic; an empty cell is none.
        shade = np.full(counts.shape, np.nan)
        shade[known] = np.log10(counts[known])
        figure.add_heatmap(
            x=middle, y=middle, z=shade, customdata=counts, coloraxis="coloraxis", hoverongaps=False,
            hovertemplate="z_spec %{x:.3f}<br>z_phot %{y:.3f}<br>%{customdata:d} objects<extra></extra>",
            **place,
        )  # fmt: skip
        for line, dash in zip(outlier_lines(edges), ("dash", "solid", "dash"), strict=True):
            figure.add_scatter(
                x=ends, y=line, mode="lines", line={"color": NEUTRAL, "width": 1, "dash": dash},
                showlegend=False, hoverinfo="skip", **place,
            )  # fmt: skip
        figure.update_xaxes(title_text="z_spec", range=ends, **place)
        figure.update_yaxes(range=ends, title_text="z_phot" if index % columns == 0 else None, **place)
    ticks = [tick for tick in _TICKS if tick <= top]
    bar = {
        "title": {"text": "Objects"},
        "tickvals": np.log10(ticks),
        "ticktext": [f"{tick:,}" for tick in ticks],
    }
    figure.update_layout(
        coloraxis={"colorscale": "Viridis", "cmin": 0.0, "cmax": float(np.log10(top)), "colorbar": bar}
    )
    return figure


def error_figure(found: ErrorHistogram) -> "go.Figure":
    """Return the distribution of dz, on a logarithmic axis."""
    ends = found.edges[[0, -1]].tolist()
    figure = plain_figure("Δz = (z_phot − z_spec) / (1 + z_spec)", "Objects per bin", ends, None)
    top = max(1.0, *(float(counts.max()) for counts in found.counts.values()))
    figure.update_yaxes(type="log", dtick=1, range=[np.log10(0.7), np.log10(2 * top)])
    for line in (-OUTLIER, 0.0, OUTLIER):
        figure.add_vline(line, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    for index, (name, counts) in enumerate(found.counts.items()):
        beyond = found.beyond[name]
        label = f"{name} ({beyond:,} beyond)" if beyond else name
        # An empty bin has no place on a logarithmic axis: below its end.
        _add_steps(
            figure, found.edges, np.maximum(counts, 0.1), counts, index, label, "%{customdata:d} objects"
        )
    return figure


def pit_figure(found: PitHistogram) -> "go.Figure":
    """Return the histogram of the PIT, and the band in which calibrated PDFs lie."""
    top = max(found.high, *(float(counts.max()) for counts in found.counts.values()))
    figure = plain_figure("CDF at z_spec", "Objects per bin", [0.0, 1.0], [0.0, 1.08 * top])
    figure.add_scatter(
        x=[0, 1, 1, 0], y=[found.low, found.low, found.high, found.high], mode="lines", fill="toself",
        fillcolor=translucent(NEUTRAL, 0.25), line={"width": 0, "color": NEUTRAL}, name=CALIBRATED,
        hoverinfo="skip",
    )  # fmt: skip
    for index, (name, counts) in enumerate(found.counts.items()):
        _add_steps(figure, found.edges, counts, counts, index, name, "%{customdata:d} objects")
    return figure


def examples_figure(shapes: Sequence[ExampleShape], kinds: Sequence[str]) -> "go.Figure":
    """Return PDFs of single objects, a column per kind, with the true redshift."""
    rows = max(sum(shape.example.kind == kind for shape in shapes) for kind in kinds)
    by_kind = [[shape for shape in shapes if shape.example.kind == kind] for kind in kinds]
    titles = [
        f"{kind}: z_spec {chosen[row].example.z_spec:.3f}, z_mean {chosen[row].example.z_mean:.3f}"
        if row < len(chosen)
        else ""
        for row in range(rows)
        for kind, chosen in zip(kinds, by_kind, strict=True)
    ]
    figure = _grid(rows, len(kinds), titles, shared_y=False)
    figure.update_layout(showlegend=True, margin_t=78)
    figure.update_layout(
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.09, "xanchor": "left", "x": 0.0}
    )
    for column, chosen in enumerate(by_kind, 1):
        for row, shape in enumerate(chosen, 1):
            place, legend = {"row": row, "col": column}, row == column == 1
            top = max(float(pdf.max()) for _, pdf in shape.steps.values())
            for index, (name, (edges, pdf)) in enumerate(shape.steps.items()):
                _add_steps(
                    figure,
                    edges,
                    pdf,
                    pdf,
                    index,
                    name,
                    "density %{customdata:.3g}",
                    showlegend=legend,
                    **place,
                )
            figure.add_scatter(
                x=[shape.example.z_spec] * 2, y=[0.0, 1.05 * top], mode="lines", name="z_spec",
                legendgroup="z_spec", showlegend=legend,
                line={"color": NEUTRAL, "width": 1.6, "dash": "dash"},
                hovertemplate=f"{shape.example.object_id}<br>z_spec %{{x:.4f}}<extra></extra>", **place,
            )  # fmt: skip
            figure.update_yaxes(range=[0.0, 1.1 * top], **place)
    figure.update_xaxes(range=list(visible_range(shapes)))
    figure.update_xaxes(title_text="Redshift", row=rows)
    figure.update_yaxes(title_text="PDF", col=1)
    return figure


def _add_steps(
    figure: "go.Figure",
    edges: np.ndarray,
    heights: np.ndarray,
    values: np.ndarray,
    index: int,
    name: str,
    hover: str,
    **place: Any,
) -> None:
    """Add a histogram's outline, the first method's filled; `values` are what the hover text tells."""
    figure.add_scatter(
        x=edges, y=np.append(heights, heights[-1]), customdata=np.append(values, values[-1]), name=name,
        legendgroup=name, mode="lines", line=line_of(index) | {"shape": "hv", "width": 1.8},
        fill="tozeroy" if index == 0 else "none", fillcolor=translucent(colour(index), 0.18),
        hovertemplate="from %{x:.4f}<br>" + hover, **place,
    )  # fmt: skip


def _grid(rows: int, columns: int, titles: Sequence[str], *, shared_y: bool) -> "go.Figure":
    """Return an empty figure of many panels over the same redshifts."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows, columns, subplot_titles=titles, shared_xaxes=True, shared_yaxes=shared_y,
        horizontal_spacing=0.05, vertical_spacing=0.12 if rows > 1 else 0.0,
    )  # fmt: skip
    figure.update_layout(
        margin={"l": 62, "r": 14, "t": 44, "b": 52}, hovermode="closest", template="none", showlegend=False
    )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(**_AXIS)
    figure.update_yaxes(**_AXIS, automargin=True)
    return figure
