"""Numbers that were published, to stand beside ours: facts with their source, not computed here."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SOURCE = "Pasquet et al. 2019, A&A 621, A26; B16: Beck et al. 2016 on the same galaxies, as given there"
SAMPLE = "SDSS Main Galaxy Sample, r ≤ 17.8, z < 0.4"


@dataclass(frozen=True)
class Published:
    """A row of the published table.

    Attributes
    ----------
    experiment
        What the network was trained on.
    row
        The objects of the test, by the keys of :data:`rookery.reports.assess.rows.LABELS`.
    method
        ``"CNN"`` or ``"B16"``.
    training_size
        Galaxies that it was trained on.
    bias, sigma_mad, eta
        As in `rookery_ensembles.photoz_metrics`; eta in percent.
    """

    experiment: str
    row: str
    method: str
    training_size: int
    bias: float
    sigma_mad: float
    eta: float


@cache
def published() -> tuple[Published, ...]:
    """Return the rows of ``published.csv``."""
    lines = (files(__package__) / "published.csv").read_text(encoding="utf-8").splitlines()
    return tuple(
        Published(
            experiment=row["experiment"],
            row=row["row"],
            method=row["method"],
            training_size=int(row["training_size"]),
            bias=float(row["bias"]),
            sigma_mad=float(row["sigma_mad"]),
            eta=float(row["eta"]),
        )
        for row in csv.DictReader(line for line in lines if not line.startswith("#"))
    )
