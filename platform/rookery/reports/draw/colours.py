"""Colours and line styles that every figure shares."""

from typing import Any

# Told apart with any common colour blindness, and with a contrast above 3:1 on white and on the
# dark page alike, so that one figure serves both; lines differ in their dashes too.
COLOURS = ("#3478C6", "#D9731A", "#1D9A78", "#A05CC0", "#C8517E", "#8F7D52")
NEUTRAL = "#8A8F98"
DASHES: dict[str, Any] = {
    "solid": "-",
    "dash": (0, (5, 2)),
    "dashdot": (0, (5, 1.5, 1, 1.5)),
    "dot": (0, (1.2, 1.4)),
    "longdash": (0, (8, 2)),
    "longdashdot": (0, (8, 2, 1, 2)),
}
"""Dashes by the name that the page's library has for them, as the paper's library has them."""


def colour(hue: int | None) -> str:
    """Return the colour of the `hue`-th thing in a figure; of None, that of what is there to compare with."""
    return NEUTRAL if hue is None else COLOURS[hue % len(COLOURS)]


def dash_of(hue: int | None, dash: str | None = None) -> str:
    """Return the name of the dashes of the `hue`-th thing in a figure, unless it has its own."""
    return dash or ("dot" if hue is None else list(DASHES)[hue % len(DASHES)])
