"""How a pack steps: what is timed and chosen; graphs of its networks train what each becomes alone."""

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from rookery.networks.family import load_family
from rookery.surveys import Survey
from rookery.surveys.equal_bins import EqualBins
from rookery.testing.fake_device import Spy, pretended_device
from rookery.training import pack, ways
from rookery.training.at_once import GRAPHS, AtOnce
from rookery.training.card import Steps
from rookery.training.data import load_data
from rookery.training.graphs import Graphs
from rookery.training.job import TrainingJob
from rookery.training.loop import train, train_pack
from rookery.training.progress import Progress
from rookery.training.trainee import Trainee
from rookery.training.ways import Strategy, Ways
from rookery_ensembles.errors import InputError

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")


class Repeating:
    """Records as a CUDA graph does, and repeats by computing again with what lies in the same memory."""

    made: list["Repeating"]

    def __init__(self, device: torch.device) -> None:
        self.work: Callable[[], object] | None = None
        self.warmed_up = self.replays = 0
        type(self).made.append(self)

    def warm_up(self, work: Callable[[], object]) -> None:
        self.warmed_up += 1
        work()

    def record(self, work: Callable[[], object]) -> None:
        self.work = work

    def replay(self) -> None:
        assert self.work is not None
        self.replays += 1
        self.work()

    def join(self) -> None: ...


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let packs step by graphs on any device."""
    Repeating.made = []
    monkeypatch.setattr(pack, "CudaRecorder", Repeating)
    monkeypatch.setattr(ways, "_check_graphs", lambda device, where: None)


@pytest.fixture
def redshift_jobs(
    survey_of_kind: Callable[[str], Survey], make_job: MakeJob
) -> Callable[..., list[TrainingJob]]:
    """Return jobs of four small networks of other seeds, rates, decays and patience."""
    survey = survey_of_kind("catalogue")
    fields = {
        "family": "photoz_mlp",
        "survey": str(survey.path),
        "survey_checksum": survey.checksum,
        "class_names": None,
        "redshift_bins": EqualBins(low=0, high=0.4, number=5),
    }

    def make(**shape: Any) -> list[TrainingJob]:
        values = {"epochs": 3, "batch_size": 16, "width": 24, "band_dropout": 0.2, "dropout": 0.2, **shape}
        own = [{"learning_rate": 1e-3 * (1 + n), "weight_decay": 0.05 * n} for n in range(4)]
        return [
            make_job(**fields, member=f"{n:04d}", seed=n).model_copy(update={"configuration": values | free})
            for n, free in enumerate(own)
        ]

    return make


def begin(jobs: Sequence[TrainingJob], device: torch.device = CPU) -> list[Trainee]:
    found = []
    for job in jobs:
        family = load_family(job.family)
        c = family.configure(job.configuration)
        data = load_data(job, family, c, device)
        found.append(Trainee.begin(job, family, c, data, lambda *_: None))
    return found


def alone(job: TrainingJob) -> Progress:
    family = load_family(job.family)
    c = family.configure(job.configuration)
    return train(job, family, c, load_data(job, family, c, CPU), lambda *_: None)[1]


def assert_alike(found: Progress, wanted: Progress) -> None:
    assert len(found.history) == len(wanted.history)
    for row, other in zip(found.history, wanted.history, strict=True):
        timeless = {name: value for name, value in row.items() if name not in ("seconds", "joules")}
        assert timeless == pytest.approx({name: other[name] for name in timeless}, rel=1e-5, abs=1e-5)
    for name, value in wanted.best.items():
        torch.testing.assert_close(found.best[name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("anywhere")
def test_graphs_of_the_networks_of_a_pack_train_what_each_becomes_alone(
    redshift_jobs: Callable[..., list[TrainingJob]],
) -> None:
    jobs = redshift_jobs()
    jobs[1] = jobs[1].model_copy(update={"configuration": {**jobs[1].configuration, "patience": 1}})
    trainees = begin(jobs)
    train_pack(load_family("photoz_mlp"), trainees, strategy="graphs")
    for job, trainee in zip(jobs, trainees, strict=True):
        assert_alike(trainee.progress, alone(job))
        assert trainee.progress.steps == Steps(way="graphs", why="asked for")
    assert all(one.warmed_up for one in Repeating.made)
    assert sum(one.replays for one in Repeating.made) > 0


@pytest.mark.usefixtures("anywhere")
def test_networks_with_batch_norm_keep_their_own_statistics_through_the_warm_up(make_job: MakeJob) -> None:
    shape = {"epochs": 1, "batch_size": 24, "dropout": 0.3, "contrastive": True}
    jobs = [make_job(member=f"{n:04d}", seed=n, configuration=shape) for n in range(2)]
    trainees = begin(jobs)
    train_pack(load_family("pelican"), trainees, strategy="graphs")
    for job, trainee in zip(jobs, trainees, strict=True):
        wanted = alone(job).best
        for name in (n for n in wanted if "running_var" in n or "batches" in n):
            torch.testing.assert_close(trainee.progress.best[name], wanted[name], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("anywhere")
def test_steps_by_graphs_wait_for_nothing_of_the_host(
    redshift_jobs: Callable[..., list[TrainingJob]],
) -> None:
    """Of two packs, one with more steps, no more is seen."""
    seen = []
    with pretended_device() as device:
        for batch_size in (48, 16):
            trainees = begin(redshift_jobs(epochs=1, batch_size=batch_size), device)
            with Spy() as spy:
                train_pack(load_family("photoz_mlp"), trainees, strategy="graphs")
            seen.append(spy)
    short, long = seen
    assert long.steps > short.steps
    assert not long.seen - short.seen


def test_graphs_are_refused_by_name_where_there_is_no_gpu(
    redshift_jobs: Callable[..., list[TrainingJob]],
) -> None:
    rule = "`graphs` of a pack are CUDA graphs, which need a GPU, but it trains on `cpu`"
    with pytest.raises(InputError, match=rule):
        train_pack(load_family("photoz_mlp"), begin(redshift_jobs()), strategy="graphs")


@pytest.mark.parametrize("strategy", ["loop", "fused"])
def test_what_was_asked_for_is_not_timed(
    redshift_jobs: Callable[..., list[TrainingJob]], strategy: Strategy
) -> None:
    trainees = begin(redshift_jobs(epochs=1))
    train_pack(load_family("photoz_mlp"), trainees, strategy=strategy)
    assert [trainee.progress.steps for trainee in trainees] == [Steps(way=strategy, why="asked for")] * 4


def test_a_card_tells_what_was_timed_on_a_cpu(redshift_jobs: Callable[..., list[TrainingJob]]) -> None:
    trainees = begin(redshift_jobs(epochs=4, batch_size=8))
    train_pack(load_family("photoz_mlp"), trainees)
    steps, *others = (trainee.progress.steps for trainee in trainees)
    assert steps is not None
    assert others == [steps] * 3
    assert steps.way in ("fused", "loop")
    assert steps.milliseconds.keys() == {"fused", "loop"}
    assert all(value > 0 for value in steps.milliseconds.values())


class Timed:
    """A pack of four on a GPU that is none, whose steps take so many seconds by each way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fused: float, loop: float, graphs: float) -> None:
        self.now, self.told = 0.0, list[Steps]()
        self.seen = list[str]()
        self._seconds = {4: fused, 1: loop / 4}
        self.graphs = graphs
        self.fault = ""
        monkeypatch.setattr(ways, "clock", lambda device: self.now)
        recorded = Graphs(lambda *_: {}, lambda place: lambda: None, lambda: None)  # type: ignore[arg-type, return-value]
        recorded.expect(8)
        monkeypatch.setattr(recorded, "step", self._by_graphs)
        gpu = torch.device("cuda", 0)
        self.ways = Ways("auto", 4, gpu, gpu, self._step, recorded, self.told.append)

    def _step(
        self, places: Sequence[int], rows: Tensor, key: Tensor, rates: Sequence[float]
    ) -> dict[str, Tensor]:
        self.now += self._seconds[len(places)] * rows.shape[1] / 8
        self.seen.append("fused" if len(places) == 4 else "one")
        return {"loss": torch.zeros(len(places))}

    def _by_graphs(self, *given: Any) -> dict[str, Tensor]:
        self.seen.append("graphs")
        if self.fault:
            raise RuntimeError(self.fault)
        self.now += self.graphs
        return {"loss": torch.zeros(4)}

    def step(self, objects: int = 8) -> dict[str, Tensor]:
        rows = torch.zeros(4, objects, dtype=torch.int64)
        return self.ways.step(range(4), rows, rows, [0.1] * 4, whole=True)


@pytest.mark.parametrize(
    ("times", "best"), [((1, 3, 2), "fused"), ((3, 1, 2), "loop"), ((3, 2, 1), "graphs")], ids=str
)
def test_on_a_gpu_three_ways_are_timed_and_the_fastest_stays(
    monkeypatch: pytest.MonkeyPatch, times: tuple[int, int, int], best: str
) -> None:
    timed = Timed(monkeypatch, *times)
    steps = itertools.count(1)
    while not timed.told:
        assert timed.step()["loss"].shape == (4,)
        assert next(steps) <= 24
    assert next(steps) == 25
    (told,) = timed.told
    assert (told.way, told.why) == (best, "timed")
    wanted = dict(zip(("fused", "loop", "graphs"), (1000.0 * t for t in times), strict=True))
    assert told.milliseconds == pytest.approx(wanted)
    timed.seen.clear()
    timed.step()
    assert timed.seen == {"fused": ["fused"], "loop": ["one"] * 4, "graphs": ["graphs"]}[best]
    timed.seen.clear()
    timed.step(5)  # the last step of an epoch is no graph
    assert set(timed.seen) == {"fused" if best == "fused" else "one"}


def test_last_steps_of_epochs_which_are_shorter_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest of each way counts: graphs were taken by a short step that was none of theirs."""
    timed = Timed(monkeypatch, 2, 3, 4)
    timed.step(2)
    while not timed.told:
        timed.step()
        timed.step(2)
    assert timed.told[0].way == "fused"
    assert timed.told[0].milliseconds == pytest.approx({"fused": 2000, "loop": 3000, "graphs": 4000})


def test_ways_are_timed_with_the_networks_that_are_left(
    redshift_jobs: Callable[..., list[TrainingJob]],
) -> None:
    """Else those that are timed after half of the networks left would win."""
    trainees = begin(redshift_jobs(batch_size=16))
    together = pack.Pack(load_family("photoz_mlp"), trainees)

    def step(networks: int) -> None:
        rows = trainees[0].data.rows["train"][:16].expand(networks, -1)
        together.step(range(networks), rows, rows, [0.01] * networks, [0.0] * networks)

    together.choose(trainees)
    for _ in range(5):
        step(4)
    together.keep_only([0, 2])
    together.choose([trainees[0], trainees[2]])
    for _ in range(7):
        step(2)
    assert trainees[0].progress.steps is None
    step(2)
    assert trainees[0].progress.steps is not None
    assert trainees[2].progress.steps == trainees[0].progress.steps
    assert trainees[1].progress.steps is None


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("operation not permitted when stream is capturing\nmore", "operation not permitted when stream"),
        (" ", "without a message"),
    ],
)
def test_graphs_that_cannot_be_recorded_are_left_out_of_the_choice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str, told: str
) -> None:
    timed = Timed(monkeypatch, 2, 3, 1)
    timed.fault = fault
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            assert timed.step()["loss"].shape == (4,)
    assert f"no CUDA graphs of the networks (RuntimeError: {told}" in caplog.text
    (steps,) = timed.told
    assert steps.way == "fused"
    assert steps.milliseconds.keys() == {"fused", "loop"}
    assert timed.seen.count("graphs") == 1


def test_without_memory_graphs_are_given_up_first(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = Timed(monkeypatch, 3, 2, 1)
    while not timed.told:
        timed.step()
    assert timed.ways.fewer(4)
    assert not timed.ways.by_graphs
    assert not timed.ways.fewer(4), "one network at once is the least"


def test_a_survey_that_streams_is_no_part_of_a_graph() -> None:
    gpu = torch.device("cuda", 0)
    with pytest.raises(InputError, match="need a survey on the GPU, but this one streams from `cpu`"):
        ways._check_graphs(gpu, CPU)


def test_given_ways_are_timed_as_often_each() -> None:
    choice = AtOnce(8, itertools.count().__next__, [8, 1, GRAPHS])  # type: ignore[arg-type]
    sizes = []
    while not choice.decided:
        with choice.timed() as size:
            sizes.append(size)
    assert sizes == [8] * 8 + [1] * 8 + [GRAPHS] * 8
