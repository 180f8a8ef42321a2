"""A run from files to a table whose processes are killed again and again, at random moments of every verb.

The blows are drawn from a seed, which pytest shows when the test fails; ROOKERY_TORTURE_SEED sets another.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import optuna
import pandas as pd
import psutil
import pytest

from processes import command_of, wait_for, wait_until_gone
from rookery.search.study import open_study
from rookery.surveys import open_survey
from rookery_ensembles import load_bundle, read_predictions
from rookery_ensembles.files import is_partial

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(1500)]
SEED = int(os.environ.get("ROOKERY_TORTURE_SEED", "13"))
N_OBJECTS, EPOCHS = 300, 20
MANY, AT_LAST = 1000, 10
"""Trials that a night wants, so that none ends before its blows on any machine; and those of the last run."""
LEAST_BLOWS = 11
"""Those that fall in the nights; other verbs may be too fast for one."""
FIXED = {"epochs": EPOCHS, "patience": EPOCHS, "hidden_layers": 1, "width": 8, "batch_size": 32}
CAMPAIGN = f"""\
name: tortured
surveys: {{sky: {{path: SKY}}}}
defaults: {{family: photoz_mlp, bins: {{low: 0, high: 0.5, number: 10}}, members: 4,
           configuration: {{epochs: {EPOCHS}, hidden_layers: 1, width: 8, batch_size: 32}}}}
experiments: {{half: {{survey: sky, split: half}}}}
rows:
  - {{name: network, configuration: {{}}}}
  - {{name: ensemble, ensemble_of: [network]}}
"""


class Torture:
    """Runs commands, deals blows, and remembers what was finished before each."""

    def __init__(self, folder):
        self.folder, self.dice = folder, random.Random(SEED)
        self.blows, self.finished = [], {}

    def start(self, *words):
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "rookery", *map(str, words)],
                cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait(self, driver, condition=lambda: False):
        """Wait until something is so, or the driver has ended; return whether it still runs."""
        wait_for(lambda: driver.poll() is not None or condition(), 600)
        return driver.poll() is None

    def strike(self, what, driver):
        """Deal a blow to a driver or what belongs to it; wait for its end, when it ends of that."""
        self.remember()
        everyone = psutil.Process(driver.pid).children(recursive=True)
        named = {process: " ".join(command_of(process)) for process in everyone}
        victims = {
            "driver": [],
            "driver and all of its Ray": everyone,
            "SIGTERM": [],
            "worker": [p for p, name in named.items() if "ImplicitFunc" in name or "Worker.run" in name],
            "raylet": [p for p, name in named.items() if "raylet/raylet" in name.split(" ")[0]],
            "head": [p for p, name in named.items() if "gcs_server" in name.split(" ")[0]],
        }[what]
        if what in ("worker", "raylet", "head") and not victims:
            return
        if what.startswith("driver"):
            os.kill(driver.pid, signal.SIGKILL)
        if what == "SIGTERM":
            os.kill(driver.pid, signal.SIGTERM)
        for victim in victims[:1] if what == "worker" else victims:
            victim.kill()
        self.blows.append(what)
        if what != "worker":
            driver.wait(timeout=120)
            # 0: its work was just done
            assert driver.returncode in (-signal.SIGKILL, -signal.SIGTERM, 0, 2, 130), self.log()
            wait_until_gone(everyone)

    def remember(self):
        """See that what was finished is as it was, and note what is finished now."""
        for card, text in self.finished.items():
            assert card.read_bytes() == text, f"{card} was made again"
        for card in self.folder.glob("*/members/[0-9a-z]*/card.json"):
            self.finished[card] = card.read_bytes()

    def verb(self, out, is_whole, *words):
        """Kill a verb at random moments, then let it finish; what it makes is whole whenever it is there."""
        for early in (True, False):
            driver = self.start(*words)
            if early:
                time.sleep(self.dice.uniform(0, 3))
            else:
                self.wait(driver, lambda: any(out.parent.glob(f".{out.name}.partial-*")))
            if driver.poll() is None:
                self.strike("driver", driver)
            if out.exists():
                is_whole()
        while not out.exists():
            assert self.start(*words).wait(timeout=300) == 0, self.log()
        is_whole()

    def log(self):
        return f"seed {SEED}, blows {self.blows}\n" + (self.folder / "log").read_text()[-6000:]


@pytest.fixture
def torture(tmp_path):
    """A folder with a catalogue of galaxies whose colours tell their redshift."""
    rng = np.random.default_rng(SEED)
    z = rng.uniform(0.02, 0.4, N_OBJECTS)
    frame = pd.DataFrame({"object_id": [f"g{n}" for n in range(N_OBJECTS)], "redshift": z})
    for band, slope in zip("gri", (5.0, 2.0, 0.5), strict=True):
        frame[f"mag_{band}"] = 17 + slope * z + rng.normal(0, 0.03, N_OBJECTS)
        frame[f"mag_err_{band}"] = 0.03
    frame.to_csv(tmp_path / "sky.csv", index=False)
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN.replace("SKY", str(tmp_path / "sky")))
    return Torture(tmp_path)


def search_through(torture, study):
    """Bring a study to its end through blows of every kind; return how many trials it has then."""
    words = ["search", "photoz_mlp", "--survey", "sky", "--split", "half", "--study", study.name]
    words += ["--bins", "0,0.5,10", "--pruner", "none"]
    words += [f"--set={name}={value}" for name, value in FIXED.items()]
    dice = torture.dice

    def cards():
        return set(study.glob("members/[0-9]*/card.json"))

    def progress():
        return [(path, path.stat().st_mtime_ns) for path in study.glob("running/[0-9]*.safetensors")]

    def goes_on(driver, blow):
        """Wait for one more epoch, or one more member; return whether the driver still runs."""
        before, finished = progress(), cards()
        if blow in ("driver", "raylet", "head"):
            return torture.wait(driver, lambda: cards() > finished)
        return torture.wait(driver, lambda: (now := progress()) and now != before)

    def start(trials=MANY):
        return torture.start(*words, "--trials", trials)

    for moment in (0.0, 1.0):  # while Python starts, and while the study is made
        driver = start()
        time.sleep(moment + dice.uniform(0, 2))
        torture.strike("driver", driver)
    for sign in (lambda: (study / "study.yaml").exists(), lambda: any(study.glob("*study.db*"))):
        driver = start()
        if torture.wait(driver, sign):
            torture.strike("driver", driver)
    nights = [
        ["driver"], ["driver and all of its Ray"], ["worker", "SIGTERM"], ["raylet"], ["worker", "head"],
    ]  # fmt: skip
    dice.shuffle(nights)
    for blows in nights:
        driver = start()
        for blow in blows:
            if goes_on(driver, blow):
                time.sleep(dice.uniform(0, 0.5))
                if driver.poll() is None:
                    torture.strike(blow, driver)
        if driver.poll() is None:
            torture.strike("driver", driver)
    wanted = len(cards()) + AT_LAST
    assert start(wanted).wait(timeout=600) == 0, torture.log()
    return wanted


def assert_study_complete(study, n_trials):
    opened = open_study(study)
    trials = [t for t in opened.optuna_study().trials if t.state is not optuna.trial.TrialState.WAITING]
    assert [trial.number for trial in trials] == list(range(n_trials))
    assert {trial.state for trial in trials} == {optuna.trial.TrialState.COMPLETE}
    assert sorted(path.name for path in (study / "members").iterdir()) == [
        f"{n:04d}" for n in range(n_trials)
    ]
    assert list((study / "running").iterdir()) == []
    for trial in trials:
        card = json.loads((study / "members" / f"{trial.number:04d}" / "card.json").read_text())
        assert trial.value == pytest.approx(card["value"])
        assert sorted(trial.intermediate_values) == list(range(1, EPOCHS + 1))


def campaign_through(torture, out):
    words = ["campaign", "campaign.yaml", "--out", out.name]
    for blow in ("worker", "raylet"):
        driver = torture.start(*words)
        if torture.wait(driver, lambda: any(out.glob("running/*.safetensors"))):
            torture.strike(blow, driver)
        if driver.poll() is None:
            torture.wait(driver, lambda: any(out.glob("members/*/card.json")))
        if driver.poll() is None:
            torture.strike("driver", driver)
    assert torture.start(*words).wait(timeout=600) == 0, torture.log()
    assert len(list(out.glob("members/*/card.json"))) == 4
    assert json.loads((out / "table.json").read_text())["networks"] == 4


def test_nothing_finished_is_lost_or_repeated_however_often_processes_are_killed(torture):
    folder = torture.folder
    sky, study, bundle = folder / "sky", folder / "study", folder / "study" / "ensemble"
    columns = ["object_id", "redshift", "mag_{band}", "mag_err_{band}"]
    torture.verb(
        sky,
        lambda: len(open_survey(sky)) == N_OBJECTS or pytest.fail("half a survey"),
        "ingest", "catalogue", "sky.csv", "sky", *(f"--column={name}={name}" for name in columns),
    )  # fmt: skip
    split = ["split", "sky", "half", "--train-fraction", 0.5, "--seed", 1]
    assert torture.start(*split).wait(timeout=120) == 0, torture.log()
    n_trials = search_through(torture, study)
    assert_study_complete(study, n_trials)
    torture.verb(bundle, lambda: load_bundle(bundle), "ensemble", "study")
    predictions = folder / "all.parquet"
    torture.verb(
        predictions,
        lambda: len(read_predictions(predictions).object_id) == N_OBJECTS or pytest.fail("half a file"),
        "predict", bundle, "sky", predictions.name,
    )  # fmt: skip
    report = folder / "report"
    page = report / "index.html"
    torture.verb(
        report,
        lambda: page.read_text().rstrip().endswith("</html>") or pytest.fail("half a page"),
        "evaluate", predictions.name, "sky", "--report", "report", "--split", "half", "--replicates", 20,
    )  # fmt: skip
    campaign_through(torture, folder / "table")
    torture.remember()
    assert len(torture.finished) == n_trials + 4
    assert [path for path in folder.rglob(".*") if is_partial(path)] == []
    assert len(torture.blows) >= LEAST_BLOWS, torture.blows
    assert {"driver", "driver and all of its Ray", "worker", "raylet", "SIGTERM"} <= set(torture.blows)
