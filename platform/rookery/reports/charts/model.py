"""What a figure shows, for any drawing library: panels of lines, bands, steps, bars and cells.

A hue is the number of a thing's colour and dashes; None is for what is there to compare with. Marks
without a name are in no legend. Hover texts are format strings of `x`, `y` and `detail`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Points = NDArray[Any] | Sequence[float]


@dataclass(frozen=True)
class Axis:
    """An axis: its label, its range (None for as large as needed), the names of 0, 1, 2... on it."""

    label: str = ""
    limits: tuple[float, float] | None = None
    log: bool = False
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Guide:
    """A thin line from end to end of `x` and `y`; where one is None, across the panel at the other."""

    x: tuple[float, float] | float | None = None
    y: tuple[float, float] | float | None = None
    hue: int | None = None
    dash: str = "dot"


@dataclass(frozen=True, eq=False)
class Line:
    """Points (P,) and the line through them, with their intervals as a band or as bars."""

    name: str
    x: Points
    y: Points
    hue: int | None
    low: FloatArray | None = None
    high: FloatArray | None = None
    """(P,) ends of the intervals, NaN where undefined; or None."""
    marked: bool = False
    joined: bool = True
    """Whether points are marked, and whether a line joins them."""
    bars: bool = False
    """Whether intervals are bars."""
    dash: str | None = None
    """One of :data:`rookery.reports.draw.colours.DASHES`; by default that of the hue."""
    hover: str = ""
    detail: Points | None = None
    """(P,) what the hover text tells beside `x` and `y`."""


@dataclass(frozen=True, eq=False)
class Band:
    """What lies between `low` and `high`, (P,) each, at `x`."""

    name: str
    x: Points
    low: Points
    high: Points
    hue: int | None = None
    hover: str = ""
    detail: Points | None = None


@dataclass(frozen=True, eq=False)
class Steps:
    """A histogram: (B,) values of the bins between (B + 1,) edges; the hover text's `detail` is the value."""

    name: str
    edges: FloatArray
    values: NDArray[Any]
    hue: int
    filled: bool
    hover: str


@dataclass(frozen=True, eq=False)
class Bars:
    """Boxes from `low` to `high`, (B,) each, over the bins between (B + 1,) edges: so many objects each."""

    name: str
    edges: FloatArray
    low: FloatArray
    high: FloatArray
    hue: int | None = None


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells between (C + 1,) `x` and (R + 1,) `y` edges: (R, C) numbers of objects, on a logarithmic scale.

    With `texts` (R, C) to stand in them, they are shares instead, between 0 and 1.
    """

    x: FloatArray
    y: FloatArray
    values: FloatArray
    texts: Sequence[Sequence[str]] | None = None
    hover: str = ""


Mark = Guide | Line | Band | Steps | Bars | Cells


@dataclass(frozen=True, eq=False)
class Panel:
    """Marks on one pair of axes, the first below the others; `height` is relative to other panels.

    A note stands in the panel's upper left corner.
    """

    marks: Sequence[Mark]
    x: Axis
    y: Axis
    title: str = ""
    note: str = ""
    height: float = 1.0


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure: rows of panels that share their horizontal axes, from the top down."""

    title: str
    rows: Sequence[Sequence[Panel | None]]
    """Each as long as the first one; None where no panel is."""
    square: bool = False
    """Whether panels are squares that show the same range on both axes, and share both."""

    @property
    def panels(self) -> list[Panel]:
        """All panels, row by row."""
        return [panel for row in self.rows for panel in row if panel is not None]


def single(title: str, x: Axis, y: Axis, marks: Sequence[Mark]) -> Chart:
    """Return a chart of one panel."""
    return Chart(title, [[Panel(marks, x, y)]])


def in_rows(panels: Sequence[Panel], columns: int) -> list[list[Panel | None]]:
    """Return panels in rows of so many columns, the last one filled up with None."""
    padded = [*panels, *[None] * (-len(panels) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]
