"""Who chooses the epoch, and whether those who judge a network had a part in it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rookery.campaigns.load import find_campaign, load_campaign
from rookery.documents import Source, dump
from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs, load_family
from rookery.search.creation import create_or_open_study
from rookery.search.jobs import trial_jobs
from rookery.search.space import find_space, load_space
from rookery.search.study import open_study
from rookery.surveys import Survey, open_split
from rookery.surveys.train_on import TrainOn, inner_objects
from rookery.training.card import read_card
from rookery.training.data import load_data, predict_rows
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery.training.member import train_member
from rookery_ensembles import Classes
from rookery_ensembles.errors import InputError
from rookery_ensembles.predictions import read_predictions

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")


class ChanceConfiguration(TrainingConfiguration):
    draw: int = 0
    """Seed of the features."""


class Chance(Family[ChanceConfiguration]):
    """Logistic regression on random numbers: whatever it says of an object that it never saw is chance."""

    name: ClassVar[str] = "chance"
    survey_kinds: ClassVar[tuple[str, ...]] = ("light_curves",)
    prediction_kind: ClassVar[str] = "class_probability"
    configuration = ChanceConfiguration

    def encode(self, survey: Survey, configuration: ChanceConfiguration, bands: tuple[str, ...]) -> Inputs:
        generator = torch.Generator().manual_seed(configuration.draw)
        return {"features": torch.randn(len(survey), 10, generator=generator)}

    def build(self, configuration: ChanceConfiguration, n_bands: int, n_outputs: int) -> nn.Module:
        return nn.Linear(10, n_outputs)

    def loss_terms(
        self,
        network: nn.Module,
        inputs: Inputs,
        target_l: Tensor,
        configuration: ChanceConfiguration,
        draws: Draws | None = None,
    ) -> Inputs:
        logits = network(inputs["features"])
        return {"cross_entropy": functional.cross_entropy(logits, target_l, reduction="none")}

    def predict(self, network: nn.Module, inputs: Inputs) -> Tensor:
        return network(inputs["features"]).softmax(1)


def chance_correlations(make_job: MakeJob, **rule: Any) -> NDArray[np.float64]:
    """Return, of 48 networks that can know nothing, the correlation of prediction and truth in their fold."""
    family, found = Chance(), []
    for draw in range(48):
        values = {"draw": draw, "epochs": 12, "patience": 12, "batch_size": 34, "learning_rate": 1.0}
        configuration = ChanceConfiguration(**values)
        job = make_job(split="folds", fold=draw % 3, seed=draw, **rule)
        data = load_data(job, family, configuration, CPU)
        network, _ = train(job, family, configuration, data, lambda *_: None)
        judged = data.rows["validation"]
        probability = predict_rows(network, family, data.inputs, judged)[:, 0]
        found.append(np.corrcoef(probability, data.target_n[judged] == 0)[0, 1])
    return np.array(found)


@pytest.mark.parametrize("rule", [{"inner_validation": 0.1}, {"keep": "last"}], ids=str)
@pytest.mark.slow
def test_out_of_fold_predictions_of_what_cannot_be_known_do_not_correlate_with_the_truth(
    make_job: MakeJob, rule: dict[str, Any]
) -> None:
    found = chance_correlations(make_job, **rule)
    assert abs(found.mean()) < 2.5 * found.std() / np.sqrt(len(found))


def test_they_do_where_the_judging_fold_chooses_the_epoch(make_job: MakeJob) -> None:
    found = chance_correlations(make_job)
    assert found.mean() > 3 * found.std() / np.sqrt(len(found))


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_the_inner_part_is_stratified_and_the_same_for_every_network_of_a_fold(
    tiny_survey: Survey, make_job: MakeJob, fold: int
) -> None:
    family = load_family("pelican")

    def roles(**changes: Any) -> dict[str, set[int]]:
        job = make_job(split="folds", fold=fold, **changes)
        rows = load_data(job, family, family.configure(job.configuration), CPU).rows
        return {role: set(index.tolist()) for role, index in rows.items()}

    plain = roles()
    assert plain["choosing"] == plain["validation"]
    inner = roles(inner_validation=0.2)
    assert inner["choosing"] | inner["train"] == plain["train"]
    assert not inner["choosing"] & inner["train"]
    assert inner["validation"] == plain["validation"]
    assert len(inner["choosing"]) == round(0.2 * len(plain["train"]))
    is_ia = (tiny_survey.objects["type"] == "Ia").to_numpy()
    share = sum(is_ia[row] for row in plain["train"]) / len(plain["train"])
    assert sum(is_ia[row] for row in inner["choosing"]) == pytest.approx(
        share * len(inner["choosing"]), abs=1
    )
    assert roles(inner_validation=0.2, seed=77, configuration={"features": 4}) == inner


def test_no_group_of_the_split_is_both_inside_and_outside(tiny_survey: Survey) -> None:
    plain = open_split(tiny_survey, "folds")
    train = np.flatnonzero((plain.role == "train") & (plain.fold != 0))
    split = replace(plain, group=np.arange(len(tiny_survey)) // 7)
    inner = inner_objects(tiny_survey, split, train, 0.2)
    assert not set(split.group[train[inner]]) & set(split.group[train[~inner]])
    assert inner.sum() == pytest.approx(0.2 * len(train), abs=7)
    one = replace(plain, group=np.zeros(len(tiny_survey), dtype=np.int64))
    with pytest.raises(InputError, match="too few groups to set an inner part apart"):
        inner_objects(tiny_survey, one, train, 0.2)


def test_copies_are_made_of_what_trains_alone(tiny_survey: Survey, make_job: MakeJob) -> None:
    family, sources = load_family("pelican"), []

    class Watched(type(family)):
        """Notes whose copies are asked for, and makes none."""

        def copies(self, *args: Any) -> None:
            sources.append(set(args[3]["train"].tolist()))

    job = make_job(split="folds", fold=0, inner_validation=0.3)
    rows = load_data(job, Watched(), family.configure(job.configuration), CPU).rows
    choosing = set(rows["choosing"].tolist())
    assert choosing
    assert sources == [set(rows["train"].tolist())]
    assert not choosing & sources[0]


def test_the_objects_that_may_train_give_the_inner_part(make_job: MakeJob) -> None:
    family, job = load_family("pelican"), make_job(split="folds", fold=0, inner_validation=0.5)
    part = job.model_copy(update={"train_on": TrainOn(part=0.3)})
    rows = load_data(part, family, family.configure(job.configuration), CPU).rows
    assert (len(rows["train"]), len(rows["choosing"])) == (10, 10)


def test_the_digest_of_a_job_made_before_there_was_any_is_what_it_was(make_job: MakeJob) -> None:
    job = make_job(survey_checksum="0", configuration={"epochs": 2})
    assert job.digest() == make_job(survey_checksum="0", configuration={"epochs": 2}, keep="best").digest()
    others = [make_job(keep="last"), make_job(inner_validation=0.1), make_job()]
    assert len({other.digest() for other in others}) == 3
    fields = {"member": "m", "family": "f", "configuration": {}, "survey": "s", "survey_checksum": "c"}
    old = TrainingJob(**fields, split="h", class_names=("a", "b"), seed=1)
    assert old.digest().startswith("c8f79efa8b0d82fd"), "as commit 30bad80 gives it"


def test_a_member_with_an_inner_part_is_judged_by_its_fold_and_says_how_it_was_made(
    tiny_survey: Survey, make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job(split="folds", fold=1, inner_validation=0.2, configuration={"epochs": 3})
    card = train_member(job, tmp_path / "m", tmp_path / "c", lambda *_: None)
    assert (card.keep, card.inner_validation) == ("best", 0.2)
    assert card == read_card(tmp_path / "m")
    judged = read_predictions(tmp_path / "m" / "predictions-validation.parquet")
    fold = open_split(tiny_survey, "folds").indices("train", fold=1)
    assert set(judged.object_id) == set(tiny_survey.objects["object_id"].to_numpy()[fold])
    other = make_job(split="folds", fold=1, configuration={"epochs": 3})
    with pytest.raises(InputError, match=r"`inner_validation`: a member with 0.2 is finished here"):
        train_member(other, tmp_path / "m", tmp_path / "c", lambda *_: None)


def test_the_last_epoch_is_kept_and_patience_stops_nothing(make_job: MakeJob) -> None:
    family, job = Chance(), make_job(keep="last")
    configuration = ChanceConfiguration(epochs=8, patience=1, learning_rate=0.5)
    network, progress = train(
        job, family, configuration, load_data(job, family, configuration, CPU), lambda *_: None
    )
    assert (progress.best_epoch, progress.epoch) == (8, 8)
    assert progress.best_value == progress.history[-1]["validation_log_loss"]
    assert torch.equal(network.state_dict()["weight"], progress.network["weight"])


def study(survey: Survey, path: Path, split: str = "folds", **options: Any) -> list[float | None]:
    """Return the inner parts of the jobs of a study that is made or gone on with."""
    space = load_space(find_space("pelican"), load_family("pelican").configuration)
    opened = create_or_open_study(path, space, survey, split, target=Classes(("Ia", "non-Ia")), **options)
    return [job.inner_validation for job in trial_jobs(opened, 0, {"epochs": 1})]


def test_a_new_study_with_folds_sets_a_tenth_apart_unless_told_otherwise(
    tiny_survey: Survey, tmp_path: Path
) -> None:
    assert study(tiny_survey, tmp_path / "a") == [0.1] * 3
    assert study(tiny_survey, tmp_path / "b", inner_validation=0.0) == [None] * 3
    assert study(tiny_survey, tmp_path / "c", inner_validation=0.25) == [0.25] * 3
    assert study(tiny_survey, tmp_path / "d", keep="last") == [None] * 3
    assert study(tiny_survey, tmp_path / "e", "half") == [None]
    assert open_study(tmp_path / "d").document.keep == "last"
    with pytest.raises(InputError, match=r"`inner_validation`: the study was made with 0.1, not with 0.25"):
        study(tiny_survey, tmp_path / "a", inner_validation=0.25)
    with pytest.raises(InputError, match=r"inner_validation.*0.5"):
        study(tiny_survey, tmp_path / "f", inner_validation=0.7)


def test_a_study_made_before_there_was_an_inner_part_goes_on_without(
    tiny_survey: Survey, tmp_path: Path
) -> None:
    study(tiny_survey, tmp_path / "old", inner_validation=0.0)
    file = tmp_path / "old" / "study.yaml"
    values = Source.read(file).data
    del values["inner_validation"], values["keep"]
    file.write_text(dump(values))
    assert study(tiny_survey, tmp_path / "old") == [None] * 3
    with pytest.raises(InputError, match=r"`inner_validation`: the study was made with None, not with 0.1"):
        study(tiny_survey, tmp_path / "old", inner_validation=0.1)


def test_campaigns_set_a_tenth_apart_where_folds_judge_and_the_published_rule_keeps_the_last_epoch() -> None:
    published = load_campaign(find_campaign("pasquet2019"))
    experiment = published.document.experiments["train_80_percent"]
    assert published.epoch_rule(experiment, 5) == {"keep": "last", "inner_validation": None}
    tiny = load_campaign(find_campaign("tiny"), settings={"experiments.half.keep": "best"})
    other = next(iter(tiny.document.experiments.values()))
    assert tiny.epoch_rule(other, 0) == {"keep": "best", "inner_validation": None}
    assert tiny.epoch_rule(other, 3) == {"keep": "best", "inner_validation": 0.1}
    last = other.model_copy(update={"keep": "last", "inner_validation": 0.2})
    assert tiny.epoch_rule(last, 3) == {"keep": "last", "inner_validation": 0.2}
