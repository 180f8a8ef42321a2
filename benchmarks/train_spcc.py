"""Training speed on real files and what it buys: light curves/s on one core, and the test metrics.

``python benchmarks/train_spcc.py SURVEY SPLIT [POINT]`` trains one `published` point of
search_spaces/pelican.yaml (by default the last, the fast one) with the loop that a search uses. A rate is
training light curves per second of an epoch, validation included: the median epoch's.
"""

import sys
from dataclasses import dataclass

import numpy as np
import torch

from rookery.networks.family import load_family
from rookery.search.space import find_space, load_space
from rookery.surveys import open_survey
from rookery.training.data import load_data, predict_rows
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery_ensembles import classification_metrics

CLASSES = ("Ia", "non-Ia")


@dataclass
class Run:
    """What is trained on what."""

    survey: str
    split: str
    point: int = -1


def main(run: Run) -> None:
    """Train one network and print speed and metrics."""
    torch.set_num_threads(1)
    space = load_space(find_space("pelican"))
    fixed = {name: rule.value for name, rule in space.parameters.items() if hasattr(rule, "value")}
    family = load_family("pelican")
    configuration = family.configure({**fixed, **space.published[run.point]})
    job = TrainingJob(
        member="speed",
        family="pelican",
        configuration=configuration.model_dump(),
        survey=run.survey,
        survey_checksum=open_survey(run.survey, verify=False).checksum,
        split=run.split,
        class_names=CLASSES,
        seed=1,
    )
    data = load_data(job, family, configuration, torch.device("cpu"))
    network, progress = train(job, family, configuration, data, lambda metrics, _: None)
    seconds = [row["seconds"] for row in progress.history]
    rate = len(data.rows["train"]) / np.median(seconds)
    names = np.array([*CLASSES, None], dtype=object)
    truth = names[data.target_n[data.rows["test"]].numpy()]
    found = predict_rows(network, family, data.inputs, data.rows["test"])
    metrics = classification_metrics(CLASSES, truth, found)
    print(
        f"{rate:.0f} light curves/s, {sum(seconds):.0f} s for {progress.epoch} epochs; test objects:", end=" "
    )
    print(", ".join(f"{key} {metrics[key]:.4f}" for key in ("auc", "accuracy", "log_loss")))


if __name__ == "__main__":
    main(Run(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
