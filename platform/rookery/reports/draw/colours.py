"""Colours and line styles that every figure shares."""

# Told apart with any common colour blindness, and with a contrast above 3:1 on white and on the
# dark page alike, so that one figure serves both; lines differ in their dashes too.
COLOURS = ("#3478C6", "#D9731A", "#1D9A78", "#A05CC0", "#C8517E", "#8F7D52")
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot")
NEUTRAL = "#8A8F98"


def colour(index: int) -> str:
    """Return the colour of the `index`-th thing in a figure."""
    return COLOURS[index % len(COLOURS)]
