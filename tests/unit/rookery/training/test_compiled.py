"""Whether steps run compiled: what is timed, what is chosen, and that nothing of it changes a training."""

import contextlib
import itertools
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rookery.networks.draws import Draws
from rookery.networks.family import load_family
from rookery.surveys import Survey
from rookery.surveys.equal_bins import EqualBins
from rookery.testing.fake_device import Spy, pretended_device
from rookery.training import compiled
from rookery.training.alone import AloneNetwork
from rookery.training.card import Steps, read_card
from rookery.training.data import load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery.training.member import train_member
from rookery.training.progress import Progress
from rookery.training.team import Team
from rookery.training.trainee import Trainee
from rookery_ensembles.errors import InputError

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")


class Machine:
    """Steps of both ways that take so many seconds each, and their compilation."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, plain: float, fast: float, compilation: float
    ) -> None:
        self.now, self.undone, self.compilations = 0.0, 0, 0
        self._times, self._compilation = {"plain": plain, "compiled": fast}, compilation
        self.loss, self.plain_loss = 1.0, 1.0
        self.error: str | Exception = ""
        self.plain_steps = 0
        monkeypatch.setattr(compiled, "clock", lambda device: self.now)
        monkeypatch.setattr(compiled.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(compiled, "_seen", [compiled.EXPECTED_SECONDS])

    def step(self, way: str, loss: float) -> dict[str, Tensor]:
        self.now += self._times[way]
        return {"a": torch.tensor([loss / 4]), "b": torch.tensor([3 * loss / 4])}

    def make(self) -> Callable[[], dict[str, Tensor]]:
        self.compilations += 1
        self.now += self._compilation
        if self.error:
            raise self.error if isinstance(self.error, Exception) else RuntimeError(self.error)
        return lambda: self.step("compiled", self.loss)

    def undo(self) -> None:
        self.undone += 1

    def plain(self) -> dict[str, Tensor]:
        self.plain_steps += 1
        return self.step("plain", self.plain_loss)

    def choose(self, asked: str, left: int, most: float = math.inf) -> Steps:
        return compiled.choose(asked, CPU, "float32", left, most, self.plain, self.make, self.undo)


@pytest.mark.parametrize(("fast", "way"), [(0.004, "compiled"), (0.012, "plain")])
def test_the_faster_way_is_taken_where_a_compilation_can_be_won_back(
    monkeypatch: pytest.MonkeyPatch, fast: float, way: str
) -> None:
    machine = Machine(monkeypatch, plain=0.01, fast=fast, compilation=20)
    found = machine.choose("auto", 12_001)
    assert found.way == way
    assert found.milliseconds == pytest.approx({"plain": 10, "compiled": 1000 * fast})
    assert found.compile_seconds == pytest.approx(20, abs=0.1)
    assert found.why == "timed"
    assert machine.undone >= 2


def test_nothing_is_compiled_for_steps_that_are_over_before_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, plain=0.01, fast=0.001, compilation=20)
    found = machine.choose("auto", 11_999)  # of 10 ms: even half of all is less than the minute expected
    assert (found.way, found.compile_seconds, machine.compilations) == ("plain", None, 0)
    assert "11999 steps left" in found.why
    assert machine.undone == 1
    assert machine.choose("auto", 12_001).way == "compiled"
    assert machine.choose("auto", 4_100).way == "compiled", "the last compilation took 20 s"


def test_short_trainings_lose_no_more_than_the_steps_that_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timed for longer, a training of 100 steps would take a fifth more."""
    machine = Machine(monkeypatch, plain=0.01, fast=0.001, compilation=20)
    assert machine.choose("auto", 100).way == "plain"
    assert machine.plain_steps == compiled.WARM_UP
    machine.choose("always", 100)
    assert machine.plain_steps == 2 * compiled.WARM_UP + compiled.TIMED


def test_nothing_is_compiled_where_the_time_is_over_before_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, plain=0.01, fast=0.001, compilation=20)
    found = machine.choose("auto", 100_000, 119)
    assert (found.way, machine.compilations) == ("plain", 0)
    assert "the 119 seconds left are over before a compilation pays" in found.why
    assert machine.choose("auto", 100_000, 121).way == "compiled"


def test_other_numbers_or_what_cannot_be_compiled_leave_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, plain=1, fast=0.1, compilation=20)
    machine.loss = 1.01
    found = machine.choose("auto", 10_000)
    assert found.way == "plain"
    assert "the loss of a compiled step is 1.01, but that of the plain one 1" in found.why
    with pytest.raises(InputError, match="`compile` always: the loss of a compiled step is"):
        machine.choose("always", 10_000)
    machine.error = "no Triton\nand more"
    assert "torch cannot compile it here (RuntimeError: no Triton)" in machine.choose("auto", 10_000).why
    with pytest.raises(InputError, match=r"`compile` always: torch cannot compile it here .*no Triton"):
        machine.choose("always", 10_000)


def test_a_cache_that_cannot_be_written_leaves_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder of torch's compiler that is not this user's comes an OSError, which ended the training."""
    machine = Machine(monkeypatch, plain=1, fast=0.1, compilation=20)
    machine.error = PermissionError(13, "Permission denied", "/tmp/torchinductor_other")
    assert "(PermissionError: [Errno 13] Permission denied" in machine.choose("auto", 10_000).why
    assert machine.undone == 2
    machine.error = RuntimeError()
    assert "(RuntimeError: )" in machine.choose("auto", 10_000).why
    machine.error = InputError("`compile` always: no compiler")
    with pytest.raises(InputError, match=r"^`compile` always: no compiler$"):
        machine.choose("always", 10_000)


@pytest.mark.parametrize(
    ("plain", "found"), [(math.inf, math.inf), (math.nan, 1.0), (1e-5, 2e-5), (-1e-5, 1e-5)], ids=str
)
def test_a_loss_near_0_and_one_that_is_no_number_are_no_fault_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch, plain: float, found: float
) -> None:
    """What is infinite is told of by the training, as that of this network."""
    machine = Machine(monkeypatch, plain=1, fast=0.1, compilation=20)
    machine.plain_loss, machine.loss = plain, found
    assert machine.choose("always", 10_000).way == "compiled"


def test_always_is_taken_however_few_steps_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, plain=0.001, fast=0.1, compilation=20)
    found = machine.choose("always", 1)
    assert (found.way, found.why) == ("compiled", "asked for")


def trained(
    job: TrainingJob, device: torch.device = CPU, **options: Any
) -> tuple[dict[str, Tensor], Progress]:
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, device)
    network, progress = train(job, family, configuration, data, lambda *_: None, **options)
    return dict(network.state_dict()), progress


@pytest.mark.parametrize("more", [{}, {"average_epochs": 1.0}, {"optimizer": "muon"}], ids=str)
def test_a_training_whose_steps_were_timed_is_one_whose_were_not_bit_for_bit(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    shape = {"epochs": 2, "batch_size": 24, "dropout": 0.3, **more}
    never = make_job(configuration=shape).model_copy(update={"compile": "never"})
    wanted, history = trained(never)
    steps = itertools.count()

    def untouched(compute: compiled.Compute, device: torch.device) -> compiled.Compute:
        next(steps)
        return compute

    monkeypatch.setattr(compiled, "compiled", untouched)
    found, progress = trained(never.model_copy(update={"compile": "always"}))
    assert next(steps) == 1
    assert progress.steps is not None
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    times = ("seconds",)
    for row, other in zip(progress.history, history.history, strict=True):
        assert {n: v for n, v in row.items() if n not in times} == {
            n: v for n, v in other.items() if n not in times
        }


def test_a_card_tells_what_was_chosen(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiled, "compiled", lambda compute, device: compute)
    job = make_job(configuration={"epochs": 1}).model_copy(update={"compile": "always"})
    card = train_member(job, tmp_path / "member", tmp_path / "running", lambda *_: None, device="cpu")
    assert card.steps is not None
    assert (card.steps.way, card.steps.why) == ("compiled", "asked for")
    assert read_card(tmp_path / "member").steps == card.steps


def test_auto_times_nothing_on_a_cpu_and_says_so_nowhere(make_job: MakeJob) -> None:
    job = make_job(configuration={"epochs": 1})
    assert job.compile == "auto"
    assert trained(job)[1].steps is None


def test_the_way_of_computing_is_no_part_of_what_a_job_is(make_job: MakeJob) -> None:
    job = make_job()
    assert job.model_copy(update={"compile": "always"}).digest() == job.digest()


def test_a_compiler_that_is_not_there_is_told_of(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    job = make_job(configuration={"epochs": 1}).model_copy(update={"compile": "always"})
    with pytest.raises(InputError, match=r"`compile` always: .*this machine has no `no-such-compiler`"):
        trained(job)


def test_several_workers_of_a_network_are_not_compiled(make_job: MakeJob) -> None:
    job = make_job(configuration={"epochs": 1}).model_copy(update={"compile": "always"})
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, CPU)
    trainee = Trainee.begin(job, family, configuration, data, lambda *_: None)
    network = AloneNetwork(family, trainee, Team())
    network._team = Team(0, 2)
    with pytest.raises(
        InputError, match=r"`compile` always: needs networks that one process trains.*2 workers"
    ):
        network.choose([trainee])
    network._asked = "auto"
    network.choose([trainee])
    assert trainee.progress.steps is None


@pytest.mark.parametrize("batch_size", [24, 79])
def test_the_steps_that_are_compiled_are_those_that_are_taken(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    """With a rest of one object, which joins the only step, no step was of the size that was compiled."""
    calls = list[int]()

    def counted(compute: compiled.Compute, device: torch.device) -> compiled.Compute:
        def step(*given: Any) -> dict[str, Tensor]:
            calls.append(len(given[1]))
            return compute(*given)

        return step

    monkeypatch.setattr(compiled, "compiled", counted)
    job = make_job(configuration={"epochs": 2, "batch_size": batch_size})
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, CPU)
    assert len(data.rows["train"]) == 80
    _, progress = trained(job.model_copy(update={"compile": "always"}))
    assert progress.steps is not None
    steps = {24: [24] * 6, 79: [80] * 2}[batch_size]
    assert calls[1 + compiled.WARM_UP + compiled.TIMED :] == steps


def test_how_steps_run_is_chosen_anew_where_a_family_lets_its_network_see_other_images(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, survey_of_kind: Callable[[str], Survey]
) -> None:
    """Else torch compiles them in the middle of a training, untimed, and whatever fails there ends it."""
    survey, made = survey_of_kind("images"), list[int]()

    def untouched(compute: compiled.Compute, device: torch.device) -> compiled.Compute:
        made.append(1)
        return compute

    monkeypatch.setattr(compiled, "compiled", untouched)
    shape = {"image_size": 16, "width": 0.1, "units": 16, "blocks": 1, "head": "global", "batch_size": 48}
    for part, wanted in ((0.5, 2), (0.0, 1)):
        job = make_job(
            family="photoz_cnn",
            survey=str(survey.path),
            survey_checksum=survey.checksum,
            class_names=None,
            redshift_bins=EqualBins(low=0, high=0.4, number=5),
        )
        values = {**shape, "epochs": 4, "coarse_part": part}
        made.clear()
        trained(job.model_copy(update={"configuration": values, "compile": "always"}))
        assert len(made) == wanted


@contextlib.contextmanager
def tried_anywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Return a device that is no CPU, on which compiled steps are plain ones."""
    monkeypatch.setattr(compiled, "compiled", lambda compute, device: compute)
    monkeypatch.setattr(compiled, "clock", lambda device: 0.0)
    monkeypatch.setattr(compiled, "can_win", lambda seconds: True)
    with pretended_device() as device:
        yield device


def test_a_trial_is_all_that_differs_on_another_device(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(configuration={"epochs": 1, "batch_size": 24})
    spies, progresses = [], []
    with tried_anywhere(monkeypatch) as device:
        for asked in ("never", "always"):
            with Spy() as spy:
                progresses.append(trained(job.model_copy(update={"compile": asked}), device)[1])
            spies.append(spy)
    never, always = progresses
    assert never.steps is None
    assert always.steps is not None
    assert spies[1].steps - spies[0].steps == 2 * (compiled.WARM_UP + compiled.TIMED) + 1
    assert [row["train_loss"] for row in always.history] == [row["train_loss"] for row in never.history]


def test_what_was_compiled_is_freed_before_steps_of_another_size_are_timed(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are of another size where memory did not suffice: what holds some must not stay."""
    job = make_job(configuration={"epochs": 1, "batch_size": 24})
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    freed = list[int]()
    with tried_anywhere(monkeypatch) as device:
        data = load_data(job, family, configuration, device)
        trainee = Trainee.begin(job, family, configuration, data, lambda *_: None)
        network = AloneNetwork(family, trainee, Team())
        network._asked = "always"
        network.choose([trainee])
        monkeypatch.setattr(compiled, "forget", lambda: freed.append(1))
        trainee.progress.batch_size = 12
        network.choose([trainee])
    assert freed == [1]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU by g++")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of torch's own code
def test_compiled_draws_are_the_same_words() -> None:
    """Before, gcc took a product that overflowed to have its factors' sign: masks were other ones."""
    key = Draws.of(3, 2, torch.arange(64)).key_b

    def drawn(key: Tensor) -> tuple[Tensor, ...]:
        draws = Draws(key)
        masks = draws.mask("turn", (3, 1, 1, 1), 0.5), draws.mask("units", (32,), 0.1)
        return *masks, draws.words("a", (5,)), draws.pairs("b"), draws.integers("c", 8)

    found = compiled.compiled(drawn, CPU)(key)  # type: ignore[arg-type]
    for value, wanted in zip(found, drawn(key), strict=True):
        assert torch.equal(value, wanted)
