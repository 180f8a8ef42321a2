"""A small catalogue of galaxies under names of its own, as people have them."""

import numpy as np
import pandas as pd

COLUMNS = {"object_id": "objid", "redshift": "zspec", "mag_{band}": "m_{band}", "mag_err_{band}": "e_{band}"}


def catalogue(n: int, seed: int = 0, first: int = 1000) -> pd.DataFrame:
    """Galaxies whose colour tells their redshift."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.02, 0.38, n)
    frame = pd.DataFrame(
        {"objid": np.arange(first, first + n), "zspec": z, "field": [f"F{i % 3}" for i in range(n)]}
    )
    for band, slope in (("u", 5.0), ("g", 3.0), ("r", 1.0)):
        frame[f"m_{band}"] = 17 + slope * z + rng.normal(0, 0.03, n)
        frame[f"e_{band}"] = 0.03
    return frame
