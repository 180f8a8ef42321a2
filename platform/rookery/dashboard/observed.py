"""What was observed of one object: its light curve, cutouts or magnitudes, and what is odd about it."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.dashboard import figures
from rookery.reports.charts.light_curves import band_lines
from rookery.reports.charts.model import Axis, single
from rookery.shift.domain import object_features
from rookery.surveys import Survey
from rookery_ensembles.domain import Domain

_ABREAST, _NAME = 3, 0.86
"""Cutouts of a row, and the part of a row's height above their names."""
_SOFTENING = 0.1
"""Part of a cutout's range up to which brightness is shown as it is; beyond by its logarithm (asinh)."""


def observed_figure(one: Survey) -> dict[str, Any]:
    """Return the light curve, the cutouts or the magnitudes of a survey of one object."""
    kinds = {"light_curves": _light_curve, "images": _cutouts, "catalogue": _magnitudes}
    return kinds[one.info.kind](one)


def _key(one: Survey) -> str:
    return f"observed {one.path} {one.objects['object_id'].iloc[0]}"


def _light_curve(one: Survey) -> dict[str, Any]:
    lines = [replace(line, name=figures.plain(line.name)) for line in band_lines(one, 0) if len(line.x)]
    unit = f"flux, {one.info.flux_unit} (zero point {one.info.zero_point:g})"
    drawn = figures.charted(_key(one), single("", Axis("MJD"), Axis(figures.plain(unit)), lines))
    drawn["layout"]["xaxis"]["tickformat"] = ".0f"
    return drawn


def _cutouts(one: Survey) -> dict[str, Any]:
    images_bij = np.asarray(one.image_array()[0], np.float32)
    shown = [(figures.plain(band), _heat(image)) for band, image in zip(one.bands, images_bij, strict=True)]
    if len(images_bij) >= 3:
        middle = len(images_bij) // 2
        shown.insert(0, ("colours", _colours(images_bij[[middle + 1, middle, middle - 1]])))
    layout = figures.layout(_key(one), "", "", showlegend=False)
    del layout["xaxis"], layout["yaxis"]
    columns, notes = min(_ABREAST, len(shown)), []
    width, height = 1 / columns, 1 / -(-len(shown) // columns)
    for number, (name, trace) in enumerate(shown):
        axis, (row, column) = "" if number == 0 else str(number + 1), divmod(number, columns)
        across = [column * width, (column + 0.94) * width]
        down = [1 - (row + _NAME) * height, 1 - row * height]
        layout[f"xaxis{axis}"] = {"domain": across, "visible": False, "constrain": "domain"}
        layout[f"yaxis{axis}"] = {"domain": down, "visible": False, "scaleanchor": f"x{axis}",
                                  "autorange": True, "constrain": "domain"}  # fmt: skip
        trace |= {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
        notes.append({"text": name, "showarrow": False, "xref": f"x{axis} domain", "yref": f"y{axis} domain",
                      "x": 0.5, "y": 0, "yanchor": "top"})  # fmt: skip
    layout |= {"annotations": notes, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}}
    return {"data": [trace for _, trace in shown], "layout": layout}


def _stretched(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return pixels from 0 to 1: the sky is dark, and a bright core does not hide what is around it."""
    low, high = np.nanquantile(image, [0.05, 0.998])
    scale = max(float(high - low), 1e-12) * _SOFTENING
    top = np.arcsinh(max(float(high - low), 1e-12) / scale)
    return np.asarray(np.clip(np.arcsinh((np.nan_to_num(image, nan=low) - low) / scale) / top, 0, 1))


def _heat(image: NDArray[np.float32]) -> dict[str, Any]:
    return {
        "type": "heatmap", "z": figures.packed_image(_stretched(image)),
        "customdata": figures.packed_image(image),
        "colorscale": "Greys", "reversescale": False, "showscale": False, "zmin": 0, "zmax": 1,
        "hovertemplate": "%{customdata:.4g} nanomaggy<extra></extra>",
    }  # fmt: skip


def _colours(image_cij: NDArray[np.float32]) -> dict[str, Any]:
    """Return three bands, the reddest first, as one picture (Lupton et al. 2004)."""
    low = np.nanquantile(image_cij, 0.05, axis=(1, 2), keepdims=True)
    above = np.clip(np.nan_to_num(image_cij - low), 0, None)
    mean = above.mean(axis=0)
    ratio = _stretched(mean) / np.maximum(mean, 1e-12)
    rgb = above * ratio
    rgb = rgb / np.maximum(rgb.max(axis=0), 1)
    z = (255 * rgb).astype(np.uint8).transpose(1, 2, 0)
    return {"type": "image", "z": z.tolist(), "hoverinfo": "skip"}


def _magnitudes(one: Survey) -> dict[str, Any]:
    values, errors = one.magnitudes()[0], one.magnitude_errors()[0]
    points = {
        "type": "scatter", "mode": "markers+lines", "x": [figures.plain(band) for band in one.bands],
        "y": [value if np.isfinite(value) else None for value in values.tolist()],
        "error_y": {"type": "data", "array": np.nan_to_num(errors).tolist()},
        "marker": {"color": figures.BLUE, "size": 8},
        "line": {"color": figures.BLUE, "width": 1, "dash": "dot"},
        "hovertemplate": "%{x}: %{y:.3f}<extra></extra>",
    }  # fmt: skip
    layout = figures.layout(_key(one), "", "magnitude (AB)", showlegend=False)
    layout["yaxis"]["autorange"] = "reversed"
    layout["xaxis"]["type"] = "category"
    return {"data": [points], "layout": layout}


def what_is_odd(one: Survey, domain: Domain | None) -> list[tuple[str, float | None, tuple[float, float]]]:
    """Return the features of an object out of the training's range: name, value (None: missing), range."""
    if domain is None:
        return []
    features = object_features(one)
    outside = {name for name, flag in domain.outside(features).items() if flag[0]}
    return [
        (name, float(features[name][0]) if np.isfinite(features[name][0]) else None, domain.ranges[name])
        for name in sorted(outside)
    ]
