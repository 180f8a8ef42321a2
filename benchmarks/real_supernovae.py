"""Tables of the real supernovae of ../shared/data/real_sne as `rookery ingest table` reads them.

    python benchmarks/real_supernovae.py FOLDER [--confirmed 50] [--seed 1]

FOLDER/rows.csv has the detections in griz (upper limits without an error are left out), FOLDER/objects.csv
a type, a redshift, E(B-V) and `confirmed` (1 or 0) for each object, FOLDER/confirmed.txt the ids of so many
"confirmed" ones, drawn at random: half of all non-Ia, the rest Ia. Everything else is there to be classified.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "real_sne"


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--confirmed", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    objects = pd.read_csv(DATA / "real_sne_open_objects.csv")
    rows = pd.read_csv(DATA / "real_sne_open_photometry.csv.gz")
    rows = rows[(rows["upper_limit"] == 0) & (rows["e_magnitude"] > 0) & rows["band"].isin(list("griz"))]
    objects = objects[objects["name"].isin(rows["name"])]
    rows[["name", "mjd", "band", "magnitude", "e_magnitude"]].to_csv(given.folder / "rows.csv", index=False)
    generator = np.random.default_rng(given.seed)
    is_ia = (objects["type"] == "Ia").to_numpy()
    others = generator.permutation(objects["name"][~is_ia])[: (~is_ia).sum() // 2]
    ia = generator.permutation(objects["name"][is_ia])[: given.confirmed - len(others)]
    confirmed = sorted([*ia, *others])
    (given.folder / "confirmed.txt").write_text("\n".join(confirmed) + "\n")
    objects["confirmed"] = objects["name"].isin(confirmed).astype(int)
    columns = ["name", "type", "redshift", "mwebv", "confirmed"]
    objects[columns].to_csv(given.folder / "objects.csv", index=False)
    print(f"{len(objects)} objects, {len(rows)} detections; confirmed: {len(ia)} Ia, {len(others)} others")


if __name__ == "__main__":
    main()
