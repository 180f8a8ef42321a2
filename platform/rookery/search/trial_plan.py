"""A trial as the driver hands it to a worker, and what the worker says of it: the words both know."""

import traceback
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from rookery.compute.faults import error_kind, storage_fault
from rookery.documents import Document
from rookery.search.storage.remote_folder import RemoteFolder, SharedFolder
from rookery.training.job import TrainingJob
from rookery_ensembles.errors import InputError

STEP, VALUE = "rookery_step", "rookery_value"
"""Keys of what a trial reports after each epoch."""
FINISHED, FAILED, HALTED = "rookery_finished", "rookery_failed", "rookery_halted"
"""Key of a trial's last report: its values, its error's text, or why no trial can go on here."""
SPENT = {"rookery_seconds": "seconds", "rookery_joules": "joules"}
"""Keys of what an epoch took of the device, and the columns of the history where they stand."""
KIND = "rookery_error_kind"
"""Key beside `FAILED`: what kind of error it was, alike in trials that fail for one reason."""
PARTS = "rookery_parts"
"""Key of what a pack of trials reports; see :func:`rookery.search.pack_worker.run_pack`."""


class PackedTrial(Document):
    """One trial of a pack."""

    key: str
    """By which the driver knows it."""
    trial: int
    """Its number."""
    jobs: tuple[TrainingJob, ...]
    """One for each of its networks."""
    surveys: dict[str, str] = Field(default_factory=dict)
    """As in `TrialPlan`."""


class TrialPlan(Document):
    """One trial as the driver hands it to a worker."""

    trial: int
    jobs: tuple[TrainingJob, ...]
    """One job per fold."""
    study: str
    """The study's folder."""
    remote: str | None = None
    """URL of a study that has no folder which all nodes see: each has a mirror of its own."""
    in_worker_group: bool
    """Whether a Ray Train worker group trains, rather than the Tune actor itself."""
    workers: int = 1
    """Processes that train a network together."""
    beside: tuple[str, ...] = ()
    """Objectives beside the first."""
    surveys: dict[str, str] = Field(default_factory=dict)
    """Prediction file to write, in the folder -> survey whose objects the last member shall predict, too."""
    one_survey: bool = True
    """Whether all trials learn from this survey: one that is gone or altered then lets none go on."""
    pack: tuple[PackedTrial, ...] = ()
    """Trials that train as one program; their jobs then take the place of `jobs`."""
    stops: str = ""
    """Name of the Ray actor that knows which of them shall stop."""
    cpus: float
    """Of each worker."""
    gpus: float
    """Of each worker."""

    def place(self) -> RemoteFolder | SharedFolder:
        """Return where members and checkpoints are put, and their folder on this node."""
        return SharedFolder(Path(self.study)) if self.remote is None else RemoteFolder(self.remote)


def predict_surveys(
    plan: TrialPlan, surveys: Mapping[str, str], place: RemoteFolder | SharedFolder, member: Path
) -> None:
    """Predict every survey that a member shall predict beside the objects of its own."""
    from rookery.surveys import open_survey
    from rookery.training.data import find_device
    from rookery.training.member import open_member
    from rookery_ensembles import write_predictions

    for name, survey in surveys.items():
        if not place.fetch(name):
            opened = open_member(member, find_device(gpus=plan.gpus))
            write_predictions(opened.predict(open_survey(survey)), place.mirror / name)
            place.publish(name)


def words_of_error(plan: TrialPlan, error: Exception) -> dict[str, str]:
    """Return why none can go on here (`halted`), or a trial's own `error` and its `kind`."""
    from rookery.compute.memory import NoDeviceError

    if isinstance(error, InputError):
        # Bad input here is no fault of the configuration: the survey is gone or altered on this node.
        halts = plan.one_survey or isinstance(error, NoDeviceError) or storage_fault(error)
        return {"halted": str(error)} if halts else {"error": str(error), "kind": error_kind(error)}
    if fault := storage_fault(error):
        return {"halted": f"{plan.study}: cannot be written ({fault})"}
    text = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    return {"error": text, "kind": error_kind(error)}
