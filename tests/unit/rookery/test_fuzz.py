"""Thousands of damaged files for every reader and document: each is read, or is one error of one line.

A failure prints the target, the seed and what was done; `pytest tests/unit/rookery/test_fuzz.py -k TARGET`
does it again.
"""

import json
import random
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from damage import damage
from forgery import seal_bundle, seal_survey, seal_weights
from fuzzing import Target, fuzz, limits, verdict
from rookery import api
from rookery.campaigns.load import find_campaign, load_campaign
from rookery.campaigns.status import campaign_status
from rookery.dashboard.campaign_state import read_campaign_state
from rookery.dashboard.networks import Cards
from rookery.dashboard.optuna_pages import open_storage
from rookery.dashboard.trials import StudyTrials
from rookery.documents import dump
from rookery.networks.cost import blueprint
from rookery.networks.family import load_family
from rookery.search.space import find_space, load_space
from rookery.search.study import open_study
from rookery.surveys import ingest_catalogue, ingest_cutouts, open_split, open_survey
from rookery.surveys.readers._tables import read_columns
from rookery.training.card import read_card
from rookery.training.checkpoint import load_checkpoint
from rookery.training.member import open_member, train_member
from rookery_ensembles import BundleMember, load_bundle, read_predictions, write_bundle
from rookery_ensembles.predictions import read_info


@pytest.fixture(scope="module")
def ground(
    tiny_survey: Any, tiny_galaxies: Any, make_job: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with one of everything: a study with a member, a bundle, a campaign, surveys, catalogues."""
    ground = tmp_path_factory.mktemp("ground")
    shutil.copytree(tiny_survey.path, ground / "survey")
    shutil.copytree(tiny_galaxies.path, ground / "galaxies")
    study = ground / "study"
    job = make_job(configuration={"epochs": 1})
    kept: list[bytes] = []

    def keep(*_: object) -> None:
        kept.append((ground / "checkpoint.safetensors").read_bytes())

    card = train_member(job, study / "members" / "0000", ground / "checkpoint.safetensors", keep)
    (ground / "checkpoint.safetensors").write_bytes(kept[0])
    space = yaml.safe_load(find_space("pelican").read_text())
    document = {
        "family": "pelican",
        "survey": {"path": str(ground / "survey"), "checksum": tiny_survey.checksum},
        "split": {"name": "half", "digest": "0" * 64, "folds": 0},
        "class_names": list(job.class_names),
        "sampler": "tpe", "pruner": "none", "seed": 0, "execution": "auto",
        "space": {
            "family": "pelican",
            "objective": space["objective"],
            "parameters": {"learning_rate": space["parameters"]["learning_rate"]},
        },
    }  # fmt: skip
    (study / "study.yaml").write_text(dump(document))
    make_trials(study, card.value)
    members = [BundleMember("0000", study / "members" / "0000", 1.0)]
    write_bundle(
        ground / "bundle", members=members, target=job.target, scores={"all": {"log_loss": 0.5}},
        provenance={"study": "x"}, bands=card.bands,
    )  # fmt: skip
    campaign = ground / "campaign"
    shutil.copytree(study / "members", campaign / "members")
    shutil.copy(find_campaign("tiny"), campaign / "campaign.yaml")
    line = {
        "source": "ours",
        "experiment": "a",
        "row": "b",
        "bin": "",
        "members": 1,
        "wanted": 2,
        "ids": ["x-s0"],
    }
    (campaign / "table.json").write_text(json.dumps({"lines": [line]}, indent=1))
    (campaign / "failed").mkdir()
    (campaign / "failed" / "x.txt").write_text("ValueError: too bad\n")
    shutil.copy(find_space("pelican"), ground / "space.yaml")
    (ground / "columns.yaml").write_text("object_id: id\nmjd: time\nband: filter\nflux: f\nflux_err: df\n")
    make_catalogues(ground, tiny_galaxies)
    return ground


def make_trials(study: Path, value: float) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{study}/study.db")
    sampler = optuna.samplers.RandomSampler(0)
    found = optuna.create_study(storage=storage, study_name="rookery", sampler=sampler)
    for number in range(3):
        trial = found.ask({"learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)})
        trial.report(value, 1)
        trial.set_user_attr("device_seconds", 1.5)
        if number:
            trial.set_user_attr("error", "ValueError: too bad")
        state = optuna.trial.TrialState.FAIL if number else optuna.trial.TrialState.COMPLETE
        found.tell(trial, None if number else value, state)
    storage.remove_session()
    storage.engine.dispose()


def make_catalogues(ground: Path, galaxies: Any) -> None:
    from astropy.table import Table

    few = galaxies.objects.head(5)[["object_id", "redshift", "mag_u", "mag_g", "mag_r", "mag_i", "mag_z"]]
    for name in ("csv", "fits", "parquet", "npy"):
        (ground / name).mkdir()
    few.to_csv(ground / "csv" / "c.csv", index=False)
    few.to_parquet(ground / "parquet" / "c.parquet")
    Table.from_pandas(few).write(ground / "fits" / "c.fits")
    np.save(ground / "npy" / "c.npy", few.drop(columns="object_id").to_records(index=False))
    cutouts = ground / "cutouts"
    cutouts.mkdir()
    entries = []
    for row, (_, one) in enumerate(few.iterrows()):
        np.save(cutouts / f"{row}.npy", np.asarray(galaxies.image_array()[row], dtype=np.float32))
        entries.append({"object_id": one["object_id"], "redshift": one["redshift"], "npy": f"{row}.npy"})
    (cutouts / "manifest.json").write_text(json.dumps(entries, indent=1))


def look_at_database(ground: Path) -> None:
    api.status(ground / "study")
    api.pareto(ground / "study")
    StudyTrials(ground / "study").refresh()
    storage = open_storage(ground / "study")
    try:
        storage.get_all_studies()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def look_at_study(ground: Path) -> None:
    api.status(ground / "study")
    study = open_study(ground / "study")
    study.trainings()
    assert study.document.target.n_columns
    open_storage(ground / "study").engine.dispose()


def look_at_member(ground: Path) -> None:
    open_member(ground / "study" / "members" / "0000")


def look_at_campaign(ground: Path) -> None:
    campaign_status(ground / "campaign")
    read_campaign_state(ground / "campaign")


def look_at_card(ground: Path) -> None:
    api.status(ground / "study")
    campaign_status(ground / "campaign")
    Cards(ground / "study" / "members").refresh()
    assert read_card(ground / "study" / "members" / "0000").target.n_columns
    look_at_member(ground)


def look_at_survey(ground: Path) -> None:
    for verify in (True, False):
        survey = open_survey(ground / "survey", verify=verify)
        survey.observation_arrays()
        survey.truth()
        repr(survey.checksum)


def look_at_galaxies(ground: Path) -> None:
    survey = open_survey(ground / "galaxies")
    survey.image_array()[:1].sum()
    survey.magnitudes()


def ingest(reader: Callable[..., object], source: str, **options: Any) -> Callable[[Path], None]:
    def use(ground: Path) -> None:
        out = ground / "out"
        try:
            reader(ground / source, out, **options)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    return use


def build(ground: Path) -> None:
    out = ground / "made"
    try:
        api.ensemble(ground / "study", out=out)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def predict(ground: Path) -> None:
    out = ground / "predictions.parquet"
    try:
        api.predict(ground / "bundle", ground / "survey", out, device="cpu")
    finally:
        out.unlink(missing_ok=True)


MEMBER = "study/members/0000/"
TARGETS = {
    "study.yaml": Target("study/study.yaml", look_at_study, 400),
    "study.db": Target("study/study.db", look_at_database, 300),
    "card": Target(MEMBER + "card.json", look_at_card, 300),
    "config": Target(MEMBER + "config.yaml", look_at_member, 300),
    "weights": Target(MEMBER + "weights.safetensors", look_at_member, 200, seal_weights),
    "predictions": Target(
        MEMBER + "predictions-validation.parquet",
        lambda g: (read_info(g / MEMBER / "predictions-validation.parquet"),
                   read_predictions(g / MEMBER / "predictions-validation.parquet")), 400,
    ),
    "ensemble of predictions": Target(MEMBER + "predictions-test.parquet", build, 30),
    "ensemble of a card": Target(MEMBER + "card.json", build, 30),
    "bundle": Target("bundle/ensemble.yaml", lambda g: load_bundle(g / "bundle"), 100),
    "bundle resealed": Target("bundle/ensemble.yaml", lambda g: load_bundle(g / "bundle"), 400, seal_bundle),
    "bundle's card": Target("bundle/members/0000/card.json", predict, 50, seal_bundle),
    "bundle's config": Target("bundle/members/0000/config.yaml", predict, 50, seal_bundle),
    "bundle's weights": Target("bundle/members/0000/weights.safetensors", predict, 20, seal_bundle),
    "space": Target(
        "space.yaml", lambda g: load_space(g / "space.yaml", load_family("pelican").configuration), 200
    ),
    "campaign": Target("campaign/campaign.yaml", lambda g: load_campaign(g / "campaign/campaign.yaml"), 200),
    "campaign's table": Target("campaign/table.json", look_at_campaign, 200),
    "campaign's failure": Target("campaign/failed/x.txt", lambda g: campaign_status(g / "campaign"), 15),
    "survey.json": Target("survey/survey.json", look_at_survey, 200),
    "objects": Target("survey/objects.parquet", look_at_survey, 200, seal_survey("survey")),
    "observations": Target("survey/observations.parquet", look_at_survey, 200, seal_survey("survey")),
    "truth": Target("survey/truth.parquet", look_at_survey, 100, seal_survey("survey")),
    "images": Target("galaxies/images.npy", look_at_galaxies, 100, seal_survey("galaxies")),
    "galaxies.json": Target("galaxies/survey.json", look_at_galaxies, 100),
    "split": Target(
        "survey/splits/folds.parquet",
        lambda g: open_split(open_survey(g / "survey", verify=False), "folds").indices("train"), 200,
    ),
    "columns": Target("columns.yaml", lambda g: read_columns(g / "columns.yaml"), 150),
    "catalogue csv": Target("csv/c.csv", ingest(ingest_catalogue, "csv"), 100),
    "catalogue fits": Target("fits/c.fits", ingest(ingest_catalogue, "fits"), 100),
    "catalogue parquet": Target("parquet/c.parquet", ingest(ingest_catalogue, "parquet"), 100),
    "catalogue npy": Target("npy/c.npy", ingest(ingest_catalogue, "npy"), 100),
    "manifest": Target(
        "cutouts/manifest.json", ingest(ingest_cutouts, "cutouts", bands="ugriz", pixel_scale=0.4), 150
    ),
    "cutout": Target("cutouts/1.npy", ingest(ingest_cutouts, "cutouts", bands="ugriz", pixel_scale=0.4), 60),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_file_is_read_or_is_one_error(name: str, ground: Path) -> None:
    fuzz(name, TARGETS[name], ground, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_damaged_files_are_read_or_are_one_error(name: str, ground: Path) -> None:
    fuzz(name, TARGETS[name], ground, TARGETS[name].inputs, first=1000)


def checkpoints(ground: Path, make_job: Any, inputs: int, first: int) -> None:
    """Damage a checkpoint, or the text in one without a checksum: it is taken up or ignored."""
    job = make_job(configuration={"epochs": 1})
    family = load_family("pelican")
    shape = blueprint(family, family.configure(job.configuration), 4, 2)
    path = ground / "damaged.safetensors"
    whole = (ground / "checkpoint.safetensors").read_bytes()
    with safe_open(ground / "checkpoint.safetensors", framework="pt") as stream:
        facts = stream.metadata()["rookery"].encode()
        tensors = {name: stream.get_tensor(name) for name in list(stream.keys())}
    failures = []
    with limits():
        for seed in range(first, first + inputs):
            what, content = damage(facts if seed % 2 else whole, random.Random(seed))
            if seed % 2:
                save_file(tensors, path, metadata={"rookery": content.decode("utf-8", "replace")})
            else:
                path.write_bytes(content)
            if wrong := verdict(lambda: load_checkpoint(path, job, shape, n_train=80)):
                failures.append(f"seed {seed}, {what}: {wrong}")
    assert not failures, f"{len(failures)} of {inputs}:\n" + "\n".join(failures[:20])


@pytest.mark.parametrize(
    ("inputs", "first"), [(20, 0), pytest.param(400, 1000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_damaged_checkpoint_is_taken_up_or_ignored(
    ground: Path, make_job: Any, inputs: int, first: int
) -> None:
    checkpoints(ground, make_job, inputs, first)


CELLS = [
    "NULL", "'x'", "x'ff'", "-1", "1e308", "9e999", "'[1]'", "'{'", f"'{'[' * 5000}'", "'a\nb'",
    "0.5", "2e18",
]  # fmt: skip


def cells(ground: Path, inputs: int, first: int) -> None:
    """Write wrong values into cells of the database, whose pages stay whole."""
    file = ground / "study" / "study.db"
    whole, failures = file.read_bytes(), []
    with warnings.catch_warnings(), limits():
        warnings.simplefilter("ignore")
        for seed in range(first, first + inputs):
            numbers = random.Random(seed)
            file.write_bytes(whole)
            connection = sqlite3.connect(file)
            names = [
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            table = numbers.choice(sorted(names))
            column = numbers.choice([row[1] for row in connection.execute(f"PRAGMA table_info({table})")])
            change = f"UPDATE {table} SET {column} = {numbers.choice(CELLS)}"
            try:
                connection.execute(change + numbers.choice(["", " WHERE rowid = 1"]))
                connection.commit()
            except sqlite3.IntegrityError:
                continue
            finally:
                connection.close()
            if wrong := verdict(lambda: look_at_database(ground)):
                failures.append(f"seed {seed}, {change[:80]}: {wrong}")
    file.write_bytes(whole)
    assert not failures, f"{len(failures)} of {inputs}:\n" + "\n".join(failures[:20])


@pytest.mark.parametrize(
    ("inputs", "first"), [(20, 0), pytest.param(300, 1000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_wrong_cell_of_the_database_is_read_or_is_one_error(ground: Path, inputs: int, first: int) -> None:
    cells(ground, inputs, first)
