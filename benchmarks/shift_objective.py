"""Which objective picks the better networks under domain shift: shift_objective.py [PATH].

On SPCC's spectroscopic split (PATH: spcc_open.tar.xz; the objects of its spectro.list train and
validate, all others are the test objects), the same random small PELICANs are trained once for each
of several draws of the validation objects. Each objective (plain, importance weights, degraded
validation) then chooses the epoch of each, the best of them, and an ensemble. No objective sees a
test object's type. Ends with tables in Markdown; some minutes on one core.
"""

import argparse
import logging
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from scipy.stats import spearmanr

from rookery.networks.family import load_family
from rookery.shift.degraded import degraded_survey
from rookery.shift.options import DegradedValidation, ImportanceWeighting
from rookery.shift.weights import effective_number
from rookery.surveys import ingest_snana, open_split, split_survey
from rookery.surveys.properties import object_properties
from rookery.training.data import load_data, predict_rows
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery.training.validation import prepare_validation
from rookery_ensembles import (
    CandidateMember,
    Classes,
    PredictionInfo,
    Predictions,
    average,
    choose,
    classification_metrics,
    correct_probabilities,
    estimate_fractions,
)

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "spcc" / "spcc_open.tar.xz"
CLASSES = ("Ia", "non-Ia")
SHIFTS = {
    "plain": None,
    "weights: peak_flux": ImportanceWeighting(method="importance_weights", covariates=("peak_flux",)),
    "weights: host_photo_z, peak_flux": ImportanceWeighting(
        method="importance_weights", covariates=("host_photo_z", "peak_flux")
    ),
    "degraded": DegradedValidation(method="degraded"),
}
SHOWN = ("accuracy", "auc", "log_loss")


def random_configuration(rng, epochs):
    """Draw a point of a modest space of small, cheap networks."""
    return {
        "epochs": epochs,
        "patience": epochs,
        "days_per_column": int(rng.choice([4, 8])),
        "temporal_filters": int(rng.choice([4, 6, 8])),
        "band_filters": 32,
        "merged_blocks": int(rng.integers(1, 3)),
        "merged_filters": int(rng.choice([8, 12, 16])),
        "features": int(rng.choice([32, 64])),
        "pooling": str(rng.choice(["mean_max", "flatten"])),
        "feature_activation": str(rng.choice(["sigmoid", "relu"])),
        "flux_softening": float(np.exp(rng.uniform(np.log(2), np.log(40)))),
        "dropout": float(rng.uniform(0, 0.5)),
        "observation_dropout": float(rng.uniform(0, 0.6)),
        "flux_noise": float(rng.choice([0, 0.5, 1, 2])),
        "time_shift": int(rng.integers(0, 4)),
        "learning_rate": float(np.exp(rng.uniform(np.log(0.001), np.log(0.01)))),
    }


def train_one(survey, split, number, configuration_values, seed):
    """Train one network; return for each objective its best value and the predictions of that epoch."""
    job = TrainingJob(
        member=f"{number:02d}",
        family="pelican",
        configuration=configuration_values,
        survey=str(survey.path),
        survey_checksum=survey.checksum,
        split=split,
        class_names=CLASSES,
        seed=seed,
    )
    family = load_family("pelican")
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, torch.device("cpu"))
    network = family.build(configuration, len(survey.bands), len(CLASSES))
    jobs = {name: job.model_copy(update={"shift": shift}) for name, shift in SHIFTS.items()}
    views = {name: prepare_validation(j, family, configuration, data) for name, j in jobs.items()}
    best = {}

    def judge(_, progress):
        network.load_state_dict(progress.network)
        for name, view in views.items():
            value = view.metrics(network)[jobs[name].objective]
            if name not in best or value < best[name].value:
                best[name] = SimpleNamespace(value=value, state=progress.network)

    train(job, family, configuration, data, judge)
    for name, found in best.items():
        network.load_state_dict(found.state)
        rows = {role: data.rows[role] for role in ("validation", "test")}
        found.test = predict_rows(network, family, data.inputs, rows["test"])
        view = views[name]
        degraded = view.degraded is not None
        found.validation = (
            view.predict_degraded(network)
            if degraded
            else predict_rows(network, family, data.inputs, rows["validation"])
        )
        found.weight = view.weight
    truth = {role: np.array(CLASSES, dtype=object)[data.target_n[rows[role]].numpy()] for role in rows}
    names = {role: survey.objects["object_id"].to_numpy().astype(str)[rows[role].numpy()] for role in rows}
    return best, truth, names


def predictions(found, number, truth, names):
    """Return validation predictions as a candidate for an ensemble."""
    info = PredictionInfo(
        Classes(CLASSES), member=f"{number:02d}", role="validation", configuration=f"{number:02d}"
    )
    values = Predictions(info, names["validation"], truth["validation"], found.validation)
    return CandidateMember(f"{number:02d}", Path("unused"), f"{number:02d}", values)


def judge_objective(name, members, truth, names):
    """Return the scores of one objective on one draw of validation objects."""
    own = [member[name] for member in members]
    value = np.array([found.value for found in own])
    scores = [classification_metrics(CLASSES, truth["test"], found.test) for found in own]
    losses = np.array([row["log_loss"] for row in scores])
    weight = own[0].weight
    by_id = None if weight is None else dict(zip(names["validation"].tolist(), weight.tolist(), strict=True))
    candidates = [predictions(found, number, truth, names) for number, found in enumerate(own)]
    choice = choose(candidates, sample_weight=by_id)
    weights = [choice.weights.get(f"{number:02d}", 0.0) for number in range(len(own))]
    pooled = choice.calibration.apply(average([found.test for found in own], weights))
    training = [choice.class_fractions[c] for c in CLASSES]
    estimate = estimate_fractions(pooled, training)
    corrected = correct_probabilities(pooled, training, estimate.fractions)
    return {
        "effective": len(truth["validation"]) if weight is None else effective_number(weight),
        "rank": float(spearmanr(value, losses).statistic),
        "rank_auc": float(spearmanr(-value, [row["auc"] for row in scores]).statistic),
        "regret": losses[value.argmin()] - losses.min(),
        "picked": scores[int(value.argmin())],
        "hindsight": scores[int(losses.argmin())],
        "ensemble": classification_metrics(CLASSES, truth["test"], pooled),
        "corrected": classification_metrics(CLASSES, truth["test"], corrected),
        "temperature": choice.calibration.temperature,
        "fraction": (training[0], estimate.fractions[0], estimate.low[0], estimate.high[0]),
        "true_fraction": float(np.mean(truth["test"] == "Ia")),
    }


def mean_text(rows, part):
    """Return the mean and standard deviation over the draws, as cells of a table."""
    cells = [np.array([row[part][key] for row in rows]) for key in SHOWN]
    return " | ".join(f"{c.mean():.3f} ± {c.std(ddof=1) if len(c) > 1 else 0:.3f}" for c in cells)


def main():
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--members", type=int, default=14)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    torch.set_num_threads(1)
    start = time.process_time()
    found = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        survey = ingest_snana(options.path, Path(folder) / "survey").survey
        ids = Path(folder) / "spectro.list"
        with tarfile.open(options.path) as archive:
            entry = next(m for m in archive.getmembers() if Path(m.name).name == "spectro.list")
            ids.write_bytes(archive.extractfile(entry).read())
        for draw in range(options.draws):
            split_survey(survey, f"spectro{draw}", train_ids=ids, seed=draw)
            split = open_split(survey, f"spectro{draw}")
            rng = np.random.default_rng(0)  # the same configurations for every draw
            members = []
            for number in range(options.members):
                values = random_configuration(rng, options.epochs)
                seed = 1000 * draw + number
                best, truth, names = train_one(survey, split.name, number, values, seed)
                members.append(best)
                print(f"draw {draw}, member {number}: {time.process_time() - start:.0f} s", file=sys.stderr)
            for name in SHIFTS:
                found[name].append(judge_objective(name, members, truth, names))
            if draw == 0:
                rows = split.indices("validation")
                peak = object_properties(survey)["peak_snr"].to_numpy()
                copies = object_properties(degraded_survey(survey, split, rows))["peak_snr"]
                median = np.median(peak[split.indices("test")])
                print(
                    f"median peak S/N: {np.median(peak[rows]):.1f} validation, {median:.1f} test, "
                    f"{copies.median():.1f} degraded validation"
                )
    print(f"{options.members} members, {options.draws} draws of {len(rows)} validation objects; ± over draws")
    print("\n| objective | effective objects | rank correlation with test log-loss | with test AUC |", end="")
    print(" regret in log-loss | picked: accuracy | AUC | log-loss |\n|---|---|---|---|---|---|---|---|")
    for name, rows in found.items():
        mean = {key: np.mean([r[key] for r in rows]) for key in ("effective", "rank", "rank_auc", "regret")}
        print(
            f"| {name} | {mean['effective']:.0f} | {mean['rank']:+.2f} | {mean['rank_auc']:+.2f} "
            f"| {mean['regret']:.3f} | {mean_text(rows, 'picked')} |"
        )
    print(f"| best in hindsight, plain epochs | | | | | {mean_text(found['plain'], 'hindsight')} |")
    print(
        "\n| ensemble by | temperature | accuracy | AUC | log-loss | prior corrected: accuracy | AUC |",
        end="",
    )
    print(" log-loss | fraction of Ia: training, estimated, true |\n|---|---|---|---|---|---|---|---|---|")
    for name, rows in found.items():
        training, estimated = (np.mean([row["fraction"][i] for row in rows]) for i in (0, 1))
        print(
            f"| {name} | {np.mean([row['temperature'] for row in rows]):.2f} | {mean_text(rows, 'ensemble')} "
            f"| {mean_text(rows, 'corrected')} "
            f"| {training:.3f}, {estimated:.3f}, {rows[0]['true_fraction']:.3f} |"
        )
    print(f"\nCPU: {time.process_time() - start:.0f} s")


if __name__ == "__main__":
    main()
