"""Networks that train as a pack become what each of them becomes alone."""

import itertools
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rookery.compute.interruption import InterruptedTraining
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs, load_family
from rookery.surveys import Survey
from rookery.surveys.equal_bins import EqualBins
from rookery.testing.fake_device import Spy, pretended_device
from rookery.training import loop
from rookery.training.at_once import AtOnce
from rookery.training.checkpoint import load_checkpoint, save_checkpoint
from rookery.training.data import TrainingData, load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train, train_pack
from rookery.training.progress import Progress
from rookery.training.trainee import StoppedTrainingError, Trainee

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")
FREE = [
    {"learning_rate": 3e-3, "weight_decay": 0.0},
    {"learning_rate": 1e-3, "weight_decay": 0.1, "schedule": "step", "step_at": 0.4},
    {"learning_rate": 2e-3, "warmup_fraction": 0.5},
    {"learning_rate": 5e-3, "patience": 1},
]
"""What the members of a pack may differ in, whatever their family."""
WEIGHTS = [
    {"autoencoder_weight": 0.3, "margin": 1.0},
    {"contrastive_weight": 0.1},
    {"kl_weight": 0.02, "rho": 0.3},
    {},
]
MODULES = {"autoencoder": True, "contrastive": True, "kl": True, "feature_activation": "sigmoid"}


def jobs_of(make_job: MakeJob, shape: dict[str, Any], own: Sequence[dict[str, Any]]) -> list[TrainingJob]:
    """Return four jobs of other seeds and folds, whose folds have training objects of other numbers."""
    return [
        make_job(
            member=f"{number:04d}",
            split="folds",
            fold=number % 3,
            seed=11 + number,
            configuration={"epochs": 3, "dropout": 0.3, "batch_size": 24, **shape, **own[number]},
        )
        for number in range(4)
    ]


def begin(jobs: Sequence[TrainingJob], device: torch.device = CPU, **options: Any) -> list[Trainee]:
    found = []
    for job in jobs:
        family = load_family(job.family)
        configuration = family.configure(job.configuration)
        data = wide(load_data(job, family, configuration, device))
        own = {name: value(job) for name, value in options.items()}
        report = own.pop("report", lambda *_: None)
        found.append(Trainee.begin(job, family, configuration, data, report, **own))
    return found


def alone(job: TrainingJob, **options: Any) -> Progress:
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = wide(load_data(job, family, configuration, CPU))
    return train(job, family, configuration, data, lambda *_: None, **options)[1]


def wide(data: TrainingData) -> TrainingData:
    """Return data whose numbers are of the default type."""
    kind = torch.get_default_dtype()
    inputs = {n: v.to(kind) if v.is_floating_point() else v for n, v in data.inputs.items()}
    return replace(data, inputs=inputs)


@pytest.fixture
def double() -> Iterator[None]:
    """Compute in double precision.

    In single precision the bias of a convolution before batch norm, whose gradient is 0 but for rounding,
    is moved by that rounding alone, which AdamW makes as large as any other step.
    """
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_alike(found: Progress, wanted: Progress) -> None:
    """Compare what was learnt to 1e-5, or closer in double precision, and numbers of epochs exactly."""
    near = 1e-5 if torch.get_default_dtype() is torch.float32 else 1e-7
    assert len(found.history) == len(wanted.history)
    for row, other in zip(found.history, wanted.history, strict=True):
        assert row.keys() == other.keys()
        timeless = {name: value for name, value in row.items() if name not in ("seconds", "joules")}
        assert timeless == pytest.approx({n: other[n] for n in timeless}, rel=near, abs=near)
    assert found.best_epoch == wanted.best_epoch
    for some, others in ((found.best, wanted.best), (found.optimizer, wanted.optimizer)):
        assert some.keys() == others.keys()
        for name, value in others.items():
            torch.testing.assert_close(some[name], value, rtol=near, atol=near)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("shape", "own"),
    [({}, [{}] * 4), (MODULES, WEIGHTS), ({**MODULES, "unlabelled": True, "dimming": 0.3}, WEIGHTS)],
    ids=["cross-entropy", "all modules", "unlabelled too"],
)
def test_a_pack_of_four_is_four_networks(make_job: MakeJob, shape: dict[str, Any], own: list[Any]) -> None:
    jobs = jobs_of(make_job, shape, [free | more for free, more in zip(FREE, own, strict=True)])
    trainees = begin(jobs)
    assert len({len(trainee.data.rows["train"]) for trainee in trainees}) > 1, "their last steps differ"
    train_pack(load_family("pelican"), trainees)
    for job, trainee in zip(jobs, trainees, strict=True):
        assert trainee.error is None
        assert_alike(trainee.progress, alone(job))


def test_what_must_be_equal_in_a_pack(make_job: MakeJob) -> None:
    family = load_family("pelican")
    plain = family.configure({})
    key = family.pack_key(plain)
    for values in [*FREE, *WEIGHTS]:
        assert family.pack_key(family.configure(values)) == key
    for values in (
        {"dropout": 0.1},
        {"epochs": 3},
        {"batch_size": 8},
        {"features": 32},
        {"precision": "tf32"},
    ):
        assert family.pack_key(family.configure(values)) != key
    assert family.pack_key(family.configure({"copies": 1})) is None


@pytest.mark.usefixtures("double")
def test_who_is_stopped_or_has_no_patience_leaves_the_others(make_job: MakeJob) -> None:
    jobs = jobs_of(make_job, {"epochs": 6}, FREE)
    ended: list[str] = []

    def report(job: TrainingJob) -> Callable[..., None]:
        def each(metrics: dict[str, float], progress: Progress) -> None:
            if job is jobs[1] and progress.epoch == 2:
                raise StoppedTrainingError

        return each

    trainees = begin(jobs, report=report, on_end=lambda job: lambda trainee: ended.append(job.member))
    train_pack(load_family("pelican"), trainees)
    assert trainees[1].stopped
    assert trainees[1].progress.epoch == 2
    assert ended[0] == "0001" or trainees[3].progress.epoch <= 2
    assert sorted(ended) == [job.member for job in jobs]
    for number in (0, 2, 3):
        assert_alike(trainees[number].progress, alone(jobs[number]))


class Diverging:
    """A family whose loss is infinite for one network from its third step."""

    def __init__(self, family: Family[Any]) -> None:
        self._family, self._steps = family, itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def loss_terms(
        self, network: Any, inputs: Inputs, target: torch.Tensor, c: Any, draws: Draws | None = None
    ) -> Inputs:
        terms = self._family.loss_terms(network, inputs, target, c, draws)
        large = math.inf if next(self._steps) > 2 else 1.0
        factor = torch.where(torch.as_tensor(c.margin) > 4, large, 1.0)
        return {name: term * factor for name, term in terms.items()}


@pytest.mark.usefixtures("double")
def test_who_diverges_leaves_the_others(make_job: MakeJob) -> None:
    jobs = jobs_of(make_job, {"contrastive": True}, [{}, {"margin": 5.0}, {}, {}])
    trainees = begin(jobs)
    train_pack(Diverging(load_family("pelican")), trainees)  # type: ignore[arg-type]
    assert "0001: loss is inf in epoch 1, step 3" in str(trainees[1].error)
    for number in (0, 2, 3):
        assert trainees[number].error is None
        assert_alike(trainees[number].progress, alone(jobs[number]))


class NoticedAfter:
    """Reads as a process that is told to end once so many steps have asked."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_pack_told_to_end_goes_on_from_that_step(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    jobs = jobs_of(make_job, MODULES, [free | more for free, more in zip(FREE, WEIGHTS, strict=True)])

    def place(job: TrainingJob) -> Path:
        return tmp_path / f"{job.member}.safetensors"

    keep = {"keep": lambda job: lambda progress: save_checkpoint(place(job), job, progress)}
    monkeypatch.setattr(loop, "noticed", NoticedAfter(steps))
    with pytest.raises(InterruptedTraining):
        train_pack(load_family("pelican"), begin(jobs, **keep))
    monkeypatch.undo()
    saved = {job.member: load_checkpoint(place(job), job, n_train=67) for job in jobs}
    assert all(progress is not None for progress in saved.values())
    # The first goes on alone, the others together: a pack is no state of its own.
    first = alone(jobs[0], resume=saved["0000"])
    assert_alike(first, alone(jobs[0]))
    rest = begin(jobs[1:], resume=lambda job: saved[job.member])
    train_pack(load_family("pelican"), rest)
    for job, trainee in zip(jobs[1:], rest, strict=True):
        assert_alike(trainee.progress, alone(job))


class HungryFamily:
    """A family whose loss needs more memory than there is for more than `most` networks at once."""

    def __init__(self, family: Family[Any], most: int) -> None:
        self._family, self._most = family, most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def loss_terms(self, network: Any, inputs: Inputs, *others: Any) -> Inputs:
        functorch, some = torch._C._functorch, next(iter(network.parameters()))
        networks = len(functorch.get_unwrapped(some)) if functorch.is_batchedtensor(some) else 1
        if networks > self._most:
            torch.empty(2**60, dtype=torch.uint8)  # the allocator's own refusal
        return self._family.loss_terms(network, inputs, *others)


@pytest.mark.usefixtures("double")
def test_without_enough_memory_fewer_step_at_once(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = jobs_of(make_job, {}, FREE)
    trainees = begin(jobs)
    with caplog.at_level(logging.WARNING):
        train_pack(HungryFamily(load_family("pelican"), 2), trainees)  # type: ignore[arg-type]
    assert "fewer of them at once now" in caplog.text
    for job, trainee in zip(jobs, trainees, strict=True):
        assert trainee.progress.batch_size is None
        assert_alike(trainee.progress, alone(job))


class Clock:
    """Tells times at which steps of so many networks took so long."""

    def __init__(self, *times: float) -> None:
        self._times = iter([t for end in itertools.accumulate(times) for t in (end, end)])
        self._first = True

    def __call__(self) -> float:
        if self._first:
            self._first = False
            return 0.0
        return next(self._times)


@pytest.mark.parametrize(
    ("some", "one", "best"), [(1.2, 0.9, 1), (1.2, 1.1, 16), (0.8, 1.1, 4)], ids=["one", "all", "some"]
)
def test_steps_are_timed_with_all_at_once_with_some_and_one_by_one(
    some: float, one: float, best: int
) -> None:
    # The first step of each way does not count.
    choice = AtOnce(16, Clock(0.1, 3.0, 1.0, 2.0, 0.1, 5.0, some, 5.0, 0.1, 5.0, one, 5.0))
    sizes = []
    while not choice.decided:
        with choice.timed() as size:
            sizes.append(size)
    assert sizes == [16] * 4 + [4] * 4 + [1] * 4
    assert choice.best == best


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("best", [1, 2, 4])
def test_one_by_one_some_or_all_at_once_is_alike(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    monkeypatch.setattr(AtOnce, "best", best)
    jobs = jobs_of(make_job, MODULES, [free | more for free, more in zip(FREE, WEIGHTS, strict=True)])
    trainees = begin(jobs)
    train_pack(load_family("pelican"), trainees)
    for job, trainee in zip(jobs, trainees, strict=True):
        assert_alike(trainee.progress, alone(job))


def test_a_step_of_a_pack_waits_for_nothing_of_the_host(tiny_survey: Survey, make_job: MakeJob) -> None:
    """Of two packs, one with more steps, no more is seen."""
    seen = []
    with pretended_device() as device:
        for batch_size in (24, 12):
            shape = {**MODULES, "batch_size": batch_size, "epochs": 1}
            jobs = [job.model_copy(update={"fold": 0}) for job in jobs_of(make_job, shape, WEIGHTS)]
            trainees = begin(jobs, device)
            with Spy() as spy:
                train_pack(load_family("pelican"), trainees)
            seen.append(spy)
    short, long = seen
    assert long.steps > short.steps
    assert not long.seen - short.seen


def test_small_networks_without_batch_norm_are_alike_in_single_precision_too(
    survey_of_kind: Callable[[str], Survey], make_job: MakeJob
) -> None:
    survey = survey_of_kind("catalogue")
    of_catalogue = {
        "family": "photoz_mlp",
        "survey": str(survey.path),
        "survey_checksum": survey.checksum,
        "class_names": None,
        "redshift_bins": EqualBins(low=0, high=0.4, number=5),
    }
    shape = {"epochs": 3, "batch_size": 16, "width": 24, "band_dropout": 0.2, "magnitude_noise": 1.0}
    jobs = [
        make_job(**of_catalogue, member=f"{n:04d}", seed=n).model_copy(
            update={"configuration": {**shape, **free}}
        )
        for n, free in enumerate(FREE)
    ]
    trainees = begin(jobs)
    train_pack(load_family("photoz_mlp"), trainees)
    for job, trainee in zip(jobs, trainees, strict=True):
        assert_alike(trainee.progress, alone(job))
