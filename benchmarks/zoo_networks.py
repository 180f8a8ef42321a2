"""Pools of zoo.py that are networks of this platform: `photoz_mlp` at random points of its search space."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from random_networks import random_points, train_network
from zoo_tasks import Objects

from rookery import api
from rookery.surveys import Survey, open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery_ensembles import RedshiftBins, read_predictions

EPOCHS = 8
BANDS = "ugrizyjhk"


def train_networks(
    objects: Objects,
    train: NDArray[np.intp],
    judged: list[NDArray[np.intp]],
    members: int,
    seed: int,
    folder: Path,
) -> list[NDArray[np.float32]]:
    """Return of each part that is judged the values (M, n, K) of networks trained on other objects.

    A fifth of the training objects validates, so that the others are all test objects to the networks.
    """
    torch.set_num_threads(1)
    rows = np.concatenate([train, *judged])
    survey = _survey(objects, rows, train, folder, seed)
    points = random_points(members, seed % 2**31, EPOCHS, batch_size=64)
    values = np.stack([_predicted(survey, point, number, seed, folder, objects)
                       for number, point in enumerate(points)])  # fmt: skip
    ends = np.cumsum([len(train), *(len(part) for part in judged)])
    place = np.argsort(
        np.argsort([_name(row) for row in rows[len(train) :]])
    )  # predictions are sorted by name
    found = [values[:, place[start - len(train) : stop - len(train)]]
             for start, stop in pairwise(ends)]  # fmt: skip
    shutil.rmtree(folder)
    return found


def _survey(
    objects: Objects, rows: NDArray[np.intp], train: NDArray[np.intp], folder: Path, seed: int
) -> Survey:
    """Return a survey of some objects, split into those that train and all others."""
    place = folder / "survey"
    if not (place / "splits" / "zoo.parquet").is_file():
        shutil.rmtree(place, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        count = (objects.features.shape[1] + 1) // 3
        frame = pd.DataFrame({"object_id": [_name(row) for row in rows], "redshift": objects.truth[rows]})
        for number, band in enumerate(BANDS[:count]):
            frame[f"mag_{band}"] = objects.features[rows, number]
            frame[f"mag_err_{band}"] = np.exp(objects.features[rows, 2 * count - 1 + number])
        frame.to_csv(folder / "catalogue.csv", index=False)
        survey = api.ingest_catalogue(folder / "catalogue.csv", place).survey
        (folder / "train.txt").write_text("\n".join(_name(row) for row in train), encoding="utf-8")
        split_survey(
            survey, "zoo", train_ids=folder / "train.txt", validation_fraction=0.2, seed=seed % 2**31
        )
    return open_survey(place)


def _predicted(
    survey: Survey, point: dict[str, Any], number: int, seed: int, folder: Path, objects: Objects
) -> NDArray[np.float32]:
    """Train a network, and return its PDFs of the test objects, sorted by their names."""
    assert isinstance(objects.target, RedshiftBins)
    member = folder / f"m{number:03d}"
    bins = EqualBins.of(objects.target)
    train_network(survey, "zoo", point, member, bins=bins, seed=(seed + number) % 2**31)
    found = read_predictions(member / "predictions-test.parquet")
    return found.values[np.argsort(found.object_id, kind="stable")]


def _name(row: int) -> str:
    return f"o{row:06d}"
