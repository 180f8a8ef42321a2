import contextlib
import itertools
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rookery.compute.interruption import InterruptedTraining
from rookery.compute.memory import OutOfMemory, prepare_device
from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs, load_family
from rookery.surveys import Survey
from rookery.testing.fake_device import pretended_device
from rookery.training import loop
from rookery.training.checkpoint import load_checkpoint, save_checkpoint
from rookery.training.data import TrainingData, load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import DivergedError, train
from rookery.training.progress import Progress
from rookery.training.team import Team
from rookery.training.trainee import why_ended

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")


class DeadWorkerError(Exception):
    """What a worker's death looks like to the loop."""


def configured(job: TrainingJob) -> TrainingConfiguration:
    return load_family(job.family).configure(job.configuration)


def run(
    job: TrainingJob,
    report: Callable = lambda metrics, progress: None,
    resume: Progress | None = None,
    **options: Any,
):
    family, configuration = load_family(job.family), configured(job)
    data = load_data(job, family, configuration, CPU)
    return train(job, family, configuration, data, report, resume, **options)


def weights(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.state_dict())


def assert_same_weights(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert set(a) == set(b)
    assert all(torch.equal(a[name], b[name]) for name in a)


def without_time(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def test_a_short_training_lowers_the_loss(make_job: MakeJob) -> None:
    parts = []
    for seed in range(3):
        _, progress = run(make_job(configuration={"epochs": 20}, seed=seed))
        parts.append(progress.history[-1]["train_loss"] / progress.history[0]["train_loss"])
        assert progress.best_value < progress.history[0]["validation_log_loss"]
    assert sum(parts) / 3 < 0.9


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(make_job: MakeJob) -> None:
    torch.manual_seed(1)
    first, progress = run(make_job(seed=5))
    torch.manual_seed(2)  # what ran before in this process must not count
    second, again = run(make_job(seed=5))
    assert_same_weights(weights(first), weights(second))
    assert without_time(progress.history) == without_time(again.history)
    other, _ = run(make_job(seed=6))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_the_best_weights_stay_on_the_device(make_job: MakeJob) -> None:
    job = make_job(configuration={"epochs": 2, "batch_size": 24})
    family, configuration = load_family(job.family), configured(job)
    with pretended_device() as device:
        data = load_data(job, family, configuration, device)
        _, progress = train(job, family, configuration, data, lambda *_: None)
    assert progress.best
    assert {value.device.type for value in progress.best.values()} == {device.type}


def test_seeds_of_any_size_train(make_job: MakeJob) -> None:
    _, progress = run(make_job(seed=2**62, configuration={"epochs": 1}))
    assert progress.epoch == 1


ALL_MODULES = {
    "autoencoder": True,
    "contrastive": True,
    "kl": True,
    "feature_activation": "sigmoid",
    "unlabelled": True,
    "copies": 1,
    "truncation": 0.3,
    "dimming": 0.3,
}


@pytest.mark.parametrize(
    ("epoch", "modules"), [(1, {"autoencoder": True}), (2, {}), (2, ALL_MODULES), (5, {})]
)
@pytest.mark.slow
def test_training_interrupted_and_resumed_equals_training_undisturbed_bit_for_bit(
    make_job: MakeJob, tmp_path: Path, epoch: int, modules: dict[str, Any]
) -> None:
    job = make_job(configuration={"epochs": 5, "dropout": 0.3, **modules})
    undisturbed, whole = run(job)
    path = tmp_path / "running.safetensors"

    def report(metrics: dict[str, float], progress: Progress) -> None:
        save_checkpoint(path, job, progress)
        if progress.epoch == epoch:
            raise DeadWorkerError

    with pytest.raises(DeadWorkerError):
        run(job, report)
    torch.manual_seed(99)
    saved = load_checkpoint(path, job)
    assert saved is not None
    assert saved.epoch == epoch
    resumed, progress = run(job, resume=saved)
    assert_same_weights(weights(undisturbed), weights(resumed))
    assert_same_weights(whole.network, progress.network)
    assert_same_weights(whole.optimizer, progress.optimizer)
    assert without_time(progress.history) == without_time(whole.history)
    assert (progress.best_epoch, progress.best_value) == (whole.best_epoch, whole.best_value)


class NoticedAfter:
    """Reads as a process that is told to end once so many steps have asked."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("modules", [{}, ALL_MODULES], ids=["plain", "all modules"])
@pytest.mark.slow
def test_training_told_to_end_within_an_epoch_goes_on_bit_for_bit(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, modules: dict[str, Any]
) -> None:
    job = make_job(configuration={"epochs": 2, "dropout": 0.3, "batch_size": 8, **modules})
    undisturbed, whole = run(job)
    path = tmp_path / "running.safetensors"
    monkeypatch.setattr(loop, "noticed", NoticedAfter(steps))
    with pytest.raises(InterruptedTraining):
        run(job, keep=lambda progress: save_checkpoint(path, job, progress))
    monkeypatch.undo()
    torch.manual_seed(99)
    saved = load_checkpoint(path, job)
    assert saved is not None
    assert saved.partial is not None
    assert saved.partial.step > 0
    resumed, progress = run(job, resume=saved)
    assert_same_weights(weights(undisturbed), weights(resumed))
    assert_same_weights(whole.optimizer, progress.optimizer)
    assert without_time(progress.history) == without_time(whole.history)


def test_long_epochs_are_kept_in_between(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "KEEP_SECONDS", 0.0)
    kept = []
    run(
        make_job(configuration={"epochs": 1, "batch_size": 8}),
        keep=lambda progress: kept.append(progress.partial.step),
    )
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) > 1


class HungryFamily:
    """A family whose loss needs more memory than there is for more than `most` objects."""

    def __init__(self, family: Family, most: int) -> None:
        self._family, self._most, self.sizes = family, most, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def loss_terms(
        self, network: nn.Module, inputs: Inputs, target: Tensor, configuration: Any, draws: Draws
    ) -> Inputs:
        self.sizes.append(len(target))
        if len(target) > self._most:
            torch.empty(2**60, dtype=torch.uint8)  # the allocator's own refusal
        return self._family.loss_terms(network, inputs, target, configuration, draws)


def test_without_enough_memory_half_of_the_batch_is_taken(make_job: MakeJob) -> None:
    job = make_job(configuration={"epochs": 2, "batch_size": 16})
    half, expected = run(make_job(configuration={"epochs": 2, "batch_size": 8}))
    data = load_data(job, load_family(job.family), configured(job), CPU)
    family = HungryFamily(load_family(job.family), 8)
    network, progress = train(job, family, configured(job), data, lambda *_: None)
    assert progress.batch_size == 8
    assert family.sizes[0] == 16
    assert max(family.sizes[1:]) <= 9
    assert_same_weights(weights(half), weights(network))
    assert without_time(progress.history) == without_time(expected.history)


def test_without_memory_for_half_of_the_batch_the_error_says_what_to_do(make_job: MakeJob) -> None:
    job = make_job(configuration={"epochs": 1, "batch_size": 16})
    data = load_data(job, load_family(job.family), configured(job), CPU)
    family = HungryFamily(load_family(job.family), 4)
    with pytest.raises(OutOfMemory, match=r"out of memory on cpu with batches of 16 and 8 objects; take"):
        train(job, family, configured(job), data, lambda *_: None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_worker_gets_no_more_than_its_part_of_the_memory() -> None:
    prepare_device(0.1)
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(total // 5, dtype=torch.uint8, device="cuda")
    finally:
        prepare_device(1)


class Apart(Team):
    """One of two processes of a team, that hears nothing of the other."""

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def mean(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return values

    def agree(self, value: Any) -> Any:
        return value or {"validation_log_loss": 0.5}


class WatchedFamily:
    """A family that keeps the keys of what each step draws."""

    def __init__(self, family: Family) -> None:
        self._family, self.keys = family, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def loss_terms(self, *given: Any) -> Inputs:
        self.keys.append(given[-1].key_b.tolist())
        return self._family.loss_terms(*given)


def keys_of_steps(job: TrainingJob, team: Team, **options: Any) -> list[list[int]]:
    family, configuration = WatchedFamily(load_family(job.family)), configured(job)
    data = load_data(job, family, configuration, CPU)
    with contextlib.suppress(InterruptedTraining):
        train(job, family, configuration, data, lambda *_: None, team=team, **options)
    return family.keys


def test_the_processes_of_a_team_draw_what_one_alone_draws(make_job: MakeJob) -> None:
    job = make_job(configuration={"epochs": 2, "unlabelled": True, "autoencoder": True})
    alone, *parts = (keys_of_steps(job, team) for team in (Team(), Apart(0, 2), Apart(1, 2)))
    assert len(alone) > 2
    for whole, *some in zip(alone, *parts, strict=True):
        assert len(set(whole)) == len(whole)
        assert sorted(whole) == sorted(key for part in some for key in part)


def test_a_process_of_a_team_resumes_its_own_draws(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(configuration={"epochs": 2, "dropout": 0.3, "batch_size": 16})
    undisturbed = keys_of_steps(job, Apart(1, 2))
    kept: list[Progress] = []
    monkeypatch.setattr(loop, "noticed", NoticedAfter(2))
    begun = keys_of_steps(job, Apart(0, 2), keep=kept.append)
    monkeypatch.undo()
    assert 0 < len(begun) < len(undisturbed) / 2
    resumed = keys_of_steps(job, Apart(1, 2), resume=kept[0])
    assert resumed == undisturbed[len(begun) :]


def test_a_diverged_step_is_found_before_its_weights_are_kept(
    tiny_survey: Survey, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = itertools.count(1)
    last = 0

    def noticed() -> bool:
        nonlocal last
        last = next(steps)
        return False

    monkeypatch.setattr(loop, "noticed", noticed)
    monkeypatch.setattr(loop, "KEEP_SECONDS", 0.0)
    with pytest.raises(DivergedError, match=r"loss is -inf in epoch 1, step 2"):
        slide(tiny_survey, make_job, batch_size=2, infinite_at=1e-4)
    assert last == 2, "the rest of the epoch is not begun"


def test_history_has_every_term_and_their_sum(make_job: MakeJob) -> None:
    _, progress = run(make_job(configuration={"epochs": 2, **ALL_MODULES}))
    for row in progress.history:
        terms = [row[f"train_{n}"] for n in ("cross_entropy", "reconstruction", "contrastive", "sparsity")]
        assert all(term > 0 for term in terms)
        assert row["train_loss"] == pytest.approx(sum(terms))


def test_unlabelled_objects_are_those_to_classify_and_change_what_is_learnt(make_job: MakeJob) -> None:
    values = {"epochs": 1, "autoencoder": True}
    job = make_job(configuration=values)
    family = load_family(job.family)
    rows = load_data(job, family, family.configure(job.configuration), CPU).rows
    assert torch.equal(rows["unlabelled"], rows["test"])
    assert not set(rows["unlabelled"].tolist()) & set(rows["train"].tolist())
    alone, _ = run(job)
    joined, _ = run(make_job(configuration={**values, "unlabelled": True}))
    assert any(not torch.equal(a, b) for a, b in zip(alone.parameters(), joined.parameters(), strict=True))


def test_copies_train_with_the_label_of_their_source_and_never_validate(make_job: MakeJob) -> None:
    job = make_job(configuration={"copies": 2})
    family = load_family(job.family)
    with_copies = load_data(job, family, family.configure(job.configuration), CPU)
    plain = load_data(make_job(), family, family.configure(make_job().configuration), CPU)
    n, n_train = len(plain.target_n), len(plain.rows["train"])
    n_copies = len(with_copies.target_n) - n
    assert 0 < n_copies <= 2 * n_train
    assert torch.equal(with_copies.rows["train"][n_train:], torch.arange(n, n + n_copies))
    assert all(torch.equal(with_copies.rows[r], plain.rows[r]) for r in ("validation", "test", "unlabelled"))
    assert all(len(values) == n + n_copies for values in with_copies.inputs.values())
    share = plain.target_n[plain.rows["train"]].double().mean()
    assert with_copies.target_n[n:].double().mean().item() == pytest.approx(share.item(), abs=0.15)


def test_survey_that_has_moved_keeps_its_checkpoints(make_job: MakeJob, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", make_job(), Progress([{"epoch": 1}], 1, 0.5))
    assert load_checkpoint(tmp_path / "c", make_job(survey="/somewhere/else")) is not None


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"fold": 1}, {"survey_checksum": "0"}, {"configuration": {"epochs": 9}}]
)
def test_checkpoint_of_another_job_is_ignored_with_a_warning(
    make_job: MakeJob, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    path = tmp_path / "running.safetensors"
    save_checkpoint(path, make_job(), Progress([{"epoch": 1}], 1, 0.5))
    with caplog.at_level(logging.WARNING):
        assert load_checkpoint(path, make_job(**change)) is None
    assert f"{path}: belongs to another job" in caplog.text


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "without metadata"])
def test_damaged_checkpoint_is_ignored_with_a_warning(
    make_job: MakeJob, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = tmp_path / "running.safetensors"
    save_checkpoint(path, make_job(), Progress([{"epoch": 1}], 1, 0.5, network={"w": torch.ones(9)}))
    whole = path.read_bytes()
    content = {"garbage": b"no safetensors" * 9, "truncated": whole[:-9], "empty": b""}
    if damage in content:
        path.write_bytes(content[damage])
    else:
        save_file({"network/w": torch.ones(9)}, path)
    with caplog.at_level(logging.WARNING):
        assert load_checkpoint(path, make_job()) is None
    assert f"{path}: is no readable checkpoint" in caplog.text


def test_absent_checkpoint_is_none_without_a_word(
    make_job: MakeJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_checkpoint(tmp_path / "absent", make_job()) is None
    assert not caplog.records


class SliderConfiguration(TrainingConfiguration):
    best_at: float = 1e9
    """Weight at which the validation loss is least."""
    infinite_at: float = 1e9
    """Weight from which the training loss is infinite."""


class Slider(Family[SliderConfiguration]):
    """One weight, pushed upwards by a constant gradient: AdamW then moves it by the learning rate a step.

    With every probability known as a function of the weight, so are the best epoch and its loss.
    """

    name: ClassVar[str] = "slider"
    survey_kinds: ClassVar[tuple[str, ...]] = ("light_curves",)
    prediction_kind: ClassVar[str] = "class_probability"
    configuration = SliderConfiguration

    def encode(self, survey: Survey, configuration: SliderConfiguration, bands: tuple[str, ...]) -> Inputs:
        return {"row": torch.arange(len(survey))}

    def build(self, configuration: SliderConfiguration, n_bands: int, n_outputs: int) -> nn.Module:
        network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(network.weight)
        network.best_at, network.batches = configuration.best_at, []
        return network

    def loss_terms(
        self,
        network: nn.Module,
        inputs: Inputs,
        target_b: Tensor,
        configuration: SliderConfiguration,
        draws: Draws | None = None,
    ) -> Inputs:
        network.batches.append(inputs["row"])
        loss = -network.weight.squeeze().expand(len(target_b))
        return {"cross_entropy": loss if loss[0] > -configuration.infinite_at else loss * math.inf}

    def predict(self, network: nn.Module, inputs: Inputs) -> Tensor:
        """Give class 0 a logit of minus the squared distance to the best weight."""
        logit = -((network.weight.squeeze() - network.best_at) ** 2)
        return torch.stack([logit, torch.zeros(())]).softmax(0).expand(len(inputs["row"]), 2)


def slide(
    survey: Survey, make_job: MakeJob, **values: Any
) -> tuple[nn.Module, Progress, list[dict[str, float]]]:
    """Train a slider on 8 objects in batches of 4, without decay or warm-up unless told."""
    family, reports = Slider(), []
    configuration = SliderConfiguration(
        **{
            "epochs": 10,
            "batch_size": 4,
            "learning_rate": 0.1,
            "warmup_fraction": 0,
            "weight_decay": 0,
            **values,
        }
    )
    rows = {"train": torch.arange(8), "choosing": torch.arange(8, 12), "test": torch.arange(0)}
    inputs = family.encode(survey, configuration, survey.bands)
    job = make_job()
    data = TrainingData(survey, inputs, job.target, torch.zeros(len(survey), dtype=torch.int64), rows)
    network, progress = train(
        job, family, configuration, data, lambda metrics, progress: reports.append(metrics)
    )
    return network, progress, reports


def rates(epochs: int, warmup: float = 0, largest: float = 0.1) -> list[float]:
    """Return the learning rate of each of two steps an epoch: a linear rise, then half a cosine."""
    steps = 2 * epochs
    rise = warmup * steps
    falling = [0.5 * largest * (1 + math.cos(math.pi * (s - rise) / (steps - rise))) for s in range(steps)]
    return [largest * (s + 1) / rise if s < rise else falling[s] for s in range(steps)]


def weight_after(epoch: int, epochs: int) -> float:
    return sum(rates(epochs)[: 2 * epoch])


@pytest.mark.parametrize("warmup", [0, 0.2, 0.5])
def test_learning_rate_rises_linearly_then_falls_as_a_cosine(
    tiny_survey: Survey, make_job: MakeJob, warmup: float
) -> None:
    _, progress, _ = slide(tiny_survey, make_job, warmup_fraction=warmup)
    wanted = rates(10, warmup)
    assert [row["learning_rate"] for row in progress.history] == pytest.approx(wanted[1::2])
    assert progress.network["weight"].item() == pytest.approx(sum(wanted), rel=1e-5)


def test_learning_rate_of_the_step_schedule_falls_once(tiny_survey: Survey, make_job: MakeJob) -> None:
    values = {"schedule": "step", "step_at": 0.5, "step_factor": 0.2, "warmup_fraction": 0.1}
    _, progress, _ = slide(tiny_survey, make_job, **values)
    wanted = [0.05, *[0.1] * 9, *[0.02] * 10]
    assert [row["learning_rate"] for row in progress.history] == pytest.approx(wanted[1::2])
    assert progress.network["weight"].item() == pytest.approx(sum(wanted), rel=1e-5)


def test_weights_are_those_of_the_best_epoch_and_progress_keeps_the_last(
    tiny_survey: Survey, make_job: MakeJob
) -> None:
    network, progress, reports = slide(tiny_survey, make_job, best_at=weight_after(4, 10) + 0.01)
    assert progress.best_epoch == 4
    assert network.weight.item() == pytest.approx(weight_after(4, 10), rel=1e-5)
    assert progress.network["weight"].item() == pytest.approx(weight_after(10, 10), rel=1e-5)
    assert progress.best_value == min(row["validation_log_loss"] for row in reports)
    # Logits -1e-4 and 0: a log-loss of log(1 + exp(1e-4)).
    assert progress.best_value == pytest.approx(math.log1p(math.exp(1e-4)), rel=1e-5)
    assert not network.training


def test_training_ends_with_the_epoch_in_which_its_time_is_over(make_job: MakeJob) -> None:
    job = make_job(configuration={"epochs": 4, "patience": 9})
    assert why_ended(job, configured(job), run(job)[1]) == "epochs"
    short = job.model_copy(update={"most_seconds": 1e-9})
    assert short.digest() != job.digest(), "a checkpoint of another limit is another training's"
    network, progress = run(short)
    assert (progress.epoch, progress.best_epoch) == (1, 1)
    assert why_ended(short, configured(short), progress) == "time"
    assert_same_weights(weights(network), progress.best)
    assert run(short, resume=progress)[1].epoch == 1, "it has had its time, whoever takes it up"
    enough = job.model_copy(update={"most_seconds": 1e9})
    assert run(enough)[1].epoch == 4


@pytest.mark.parametrize("patience", [1, 3, 5])
def test_training_stops_after_as_many_epochs_without_gain_as_its_patience(
    tiny_survey: Survey, make_job: MakeJob, patience: int
) -> None:
    best_at = weight_after(2, 10)
    _, progress, reports = slide(tiny_survey, make_job, best_at=best_at, patience=patience)
    assert (progress.best_epoch, progress.epoch) == (2, 2 + patience)
    assert [row["epoch"] for row in reports] == list(range(1, 3 + patience))


def test_diverging_loss_is_reported_with_epoch_and_step(tiny_survey: Survey, make_job: MakeJob) -> None:
    # The loss is taken before the step: the second step of epoch 3 sees the weight after five steps.
    infinite_at = sum(rates(10)[:5]) - 1e-4
    with pytest.raises(DivergedError, match=r"0000: loss is -inf in epoch 3, step 2"):
        slide(tiny_survey, make_job, infinite_at=infinite_at)


def test_validation_that_is_never_a_number_is_reported(tiny_survey: Survey, make_job: MakeJob) -> None:
    with pytest.raises(DivergedError, match="`validation_log_loss` was never a number in 3 epochs"):
        slide(tiny_survey, make_job, best_at=math.nan, patience=3)


@pytest.mark.parametrize(
    ("direction", "best", "value", "better"),
    [
        ("minimize", 0.5, 0.4, True),
        ("minimize", 0.5, 0.5, False),
        ("maximize", 0.5, 0.6, True),
        ("maximize", 0.5, 0.4, False),
        ("minimize", math.nan, 9.0, True),
        ("minimize", math.nan, math.nan, False),
        ("minimize", 0.5, math.nan, False),
        ("maximize", 0.5, math.nan, False),
    ],
)
def test_what_is_better_follows_the_direction_and_nan_never_is(
    direction: str, best: float, value: float, better: bool
) -> None:
    assert Progress(best_value=best).better(value, direction) is better


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(4, [4, 4]), (3, [3, 3, 2]), (7, [8]), (8, [8]), (64, [8])]
)
def test_every_object_counts_once_an_epoch_and_none_is_a_batch_of_its_own(
    tiny_survey: Survey, make_job: MakeJob, batch_size: int, sizes: list[int]
) -> None:
    network, _, _ = slide(tiny_survey, make_job, batch_size=batch_size, epochs=2)
    assert [len(batch) for batch in network.batches] == 2 * sizes
    seen = torch.cat(network.batches).tolist()
    first, second = seen[:8], seen[8:]
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second, "each epoch has its own order"


def test_folds_validate_on_their_own_objects_and_train_on_the_rest(make_job: MakeJob) -> None:
    family = load_family("pelican")
    seen = []
    for fold in range(3):
        job = make_job(split="folds", fold=fold)
        rows = load_data(job, family, family.configure(job.configuration), CPU).rows
        sets = {role: set(values.tolist()) for role, values in rows.items()}
        assert not sets["train"] & sets["validation"]
        assert not sets["test"] & (sets["train"] | sets["validation"])
        assert len(sets["train"] | sets["validation"]) == 100
        seen += sets["validation"]
    assert len(seen) == len(set(seen)) == 100, "each training object validates once"
