"""Charts as figures: of a paper, and of a page."""
