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
    """What stands beside it."""
    limits: tuple[float, float] | None = None
    """Its range; None for as large as needed."""
    log: bool = False
    """Whether it is logarithmic."""
    names: Sequence[str] = ()
    """Of 0, 1, 2... on it."""


@dataclass(frozen=True)
class Guide:
    """A thin line from end to end of `x` and `y`; where one is None, across the panel at the other."""

    x: tuple[float, float] | float | None = None
    y: tuple[float, float] | float | None = None
    """Its ends; where one of the two is None it goes across the panel at the other."""
    hue: int | None = None
    dash: str = "dot"
    """Its colour by number, None for grey; and its style."""


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
    """As the legend calls it."""
    x: Points
    low: Points
    high: Points
    """(P,) each."""
    hue: int | None = None
    """Its colour by number; None for grey."""
    hover: str = ""
    detail: Points | None = None
    """Text shown at a point, and (P,) what it fills in."""


@dataclass(frozen=True, eq=False)
class Steps:
    """A histogram: (B,) values of the bins between (B + 1,) edges; the hover text's `detail` is the value."""

    name: str
    """As the legend calls it."""
    edges: FloatArray
    values: NDArray[Any]
    """(B + 1,) edges, and (B,) values between them."""
    hue: int
    filled: bool
    """Its colour by number, and whether it is filled."""
    hover: str
    """Text shown at a bin; its `detail` is the value."""


@dataclass(frozen=True, eq=False)
class Bars:
    """Boxes from `low` to `high`, (B,) each, over the bins between (B + 1,) edges: so many objects each."""

    name: str
    """As the legend calls it."""
    edges: FloatArray
    low: FloatArray
    high: FloatArray
    """(B + 1,) edges, and (B,) lower and upper ends between them."""
    hue: int | None = None
    """Its colour by number; None for grey."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells between (C + 1,) `x` and (R + 1,) `y` edges: (R, C) numbers of objects, on a logarithmic scale.

    With `texts` (R, C) to stand in them, they are shares instead, between 0 and 1.
    """

    x: FloatArray
    y: FloatArray
    values: FloatArray
    """(C + 1,) and (R + 1,) edges, and (R, C) numbers or shares."""
    texts: Sequence[Sequence[str]] | None = None
    """(R, C) to stand in the cells."""
    hover: str = ""
    """Text shown at a cell."""


Mark = Guide | Line | Band | Steps | Bars | Cells


@dataclass(frozen=True, eq=False)
class Panel:
    """Marks on one pair of axes, the first below the others; `height` is relative to other panels.

    A note stands in the panel's upper left corner.
    """

    marks: Sequence[Mark]
    x: Axis
    y: Axis
    """Marks, the first below the others, and their axes."""
    title: str = ""
    """Above it."""
    note: str = ""
    """In its upper left corner."""
    height: float = 1.0
    """Relative to other panels."""


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
