"""A survey as tensors on a device, and the objects of each role."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rookery.compute.memory import NoDeviceError
from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family, Inputs
from rookery.surveys import Survey, open_survey
from rookery.surveys.train_on import training_rows
from rookery.training.job import TrainingJob
from rookery.training.resident import Resident, gather, place, survey_room
from rookery.training.rows import choosing_rows, role_rows
from rookery_ensembles import Target
from rookery_ensembles.errors import fail


@dataclass(frozen=True)
class TrainingData:
    """Tensors of all N objects of a survey, those of copies behind them, and row numbers per role."""

    survey: Survey
    inputs: Inputs
    """The family's tensors, first dimension N plus the number of copies; on the host when they stream."""
    target: Target
    """What the outputs mean."""
    target_n: Tensor
    """Class or bin of redshift, -1 where unknown, int64, of the same length."""
    rows: dict[str, Tensor]
    """For `train` (copies included), `choosing`, `validation`, `test` and `unlabelled`: row numbers,
    int64. Those that choose give the metrics of each epoch: the inner part of a job that has one,
    else the validation objects. The last are all objects to classify, those of the roles test and
    unlabelled."""

    def batch(self, rows: Tensor) -> Inputs:
        """Gather the inputs of some rows, on the device of `target_n`."""
        return self.gather(self.inputs, rows)

    def gather(self, inputs: Inputs, rows: Tensor) -> Inputs:
        """Gather some rows of tensors that may lie elsewhere, on the device of `target_n`."""
        return gather(inputs, rows, self.target_n.device)


def find_device(name: str | None = None, gpus: float | None = None) -> torch.device:
    """Return the torch device that a process shall compute on.

    Parameters
    ----------
    name
        The device's name; by default `gpus` decides.
    gpus
        GPUs that this process was given: 0 is the CPU, also where a GPU can be seen. None, for a process
        that nobody planned, is the first GPU that it sees, else the CPU.

    Raises
    ------
    NoDeviceError
        When there is no such device here; never is another one taken in its place.
    """
    if name is None and gpus and not torch.cuda.is_available():
        rule = f"torch {torch.__version__} sees none here; install a torch with CUDA on this node, or ask for"
        raise NoDeviceError(f"{gpus:g} GPU was asked for, but {rule} 0 GPUs (`--gpus-per-trial 0`)")
    on_gpu = torch.cuda.is_available() if gpus is None else gpus > 0
    try:
        device = torch.device(name or ("cuda" if on_gpu else "cpu"))
        return torch.empty(0, device=device).device  # with its number, where there are several
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise NoDeviceError(f"device `{name or device}` cannot be used here ({reason})") from error


def load_data(
    job: TrainingJob,
    family: Family[Any],
    configuration: TrainingConfiguration,
    device: torch.device,
    room: float | None = None,
    *,
    resident: Resident | None = None,
) -> TrainingData:
    """Return a job's data on `device`.

    Parameters
    ----------
    room
        Bytes of the device that the survey may take; one that takes more streams from the host. By default
        what :func:`rookery.training.resident.survey_room` tells.
    resident
        What may hold the survey's tensors already, and keeps them for the next job.

    Raises
    ------
    InputError
        When the survey is not the one the job was made for, or as
        :func:`rookery.training.rows.role_rows` does.
    """
    survey = _survey(job.survey, job.survey_checksum)
    target, rows = role_rows(survey, job.split, job.fold, job.target, family)
    if job.train_on is not None:
        rows["train"] = training_rows(survey, rows["train"], job.train_on, job.fold)
        job.target.check_training(target[rows["train"]], f"{survey.path}, `train_on`")
    rows |= choosing_rows(survey, job.split, rows, job.inner_validation)
    copied = family.copies(survey, configuration, survey.bands, rows, job.seed % 2**32)

    def load() -> Inputs:
        inputs = family.encode(survey, configuration, survey.bands)
        if copied is not None:
            inputs = {name: torch.cat([values, copied[0][name]]) for name, values in inputs.items()}
        return place(inputs, device, survey_room(device) if room is None else room)

    if copied is not None:
        source = copied[1]
        rows["train"] = np.concatenate([rows["train"], len(survey) + np.arange(len(source))])
        target = np.concatenate([target, target[source]])
    resident = resident or Resident()
    if copied is None:
        key = str(survey.path), survey.checksum, family.encoding_key(configuration), device
        inputs = resident.take(key, load)
    else:  # they are of this job's own training objects
        inputs = resident.take_own(load)
    return TrainingData(
        survey=survey,
        inputs=inputs,
        target=job.target,
        target_n=torch.from_numpy(target).to(device),
        rows={role: torch.from_numpy(index).to(device) for role, index in rows.items()},
    )


def predict_rows(
    network: torch.nn.Module,
    family: Family[Any],
    inputs: Inputs,
    rows: Tensor,
    batch_size: int = 1024,
    done: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """Return predictions (len(rows), K) of a network in evaluation mode, in blocks of `batch_size`.

    `inputs` may lie on the host; the blocks go where the network is. `done` is told the rows of each.
    """
    blocks = []
    for block in _predicted(network, family, inputs, rows, batch_size):
        blocks.append(block.cpu())
        done(len(block))
    return torch.cat(blocks).numpy()


def predict_there(network: torch.nn.Module, family: Family[Any], inputs: Inputs, rows: Tensor) -> Tensor:
    """Return predictions as :func:`predict_rows` does, on the network's device."""
    return torch.cat(list(_predicted(network, family, inputs, rows, 1024)))


def _predicted(
    network: torch.nn.Module, family: Family[Any], inputs: Inputs, rows: Tensor, batch_size: int
) -> Iterator[Tensor]:
    network.eval()
    device = next(network.parameters()).device
    for block in torch.split(rows, batch_size):
        with torch.inference_mode():
            found = family.predict(network, gather(inputs, block, device))
        yield found


@lru_cache(maxsize=2)
def _survey(path: str, checksum: str) -> Survey:
    survey = open_survey(path, verify=False)
    if survey.checksum != checksum:
        rule = f"is not the survey that the study was made for: its checksum is {survey.checksum[:12]}"
        raise fail(path, f"{rule}, not {checksum[:12]}")
    return survey
