"""Checkpoints: one safetensors file per running member, replaced atomically after and within epochs."""

import hashlib
import json
import logging
import math
import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rookery.documents import Document, build
from rookery.training.card import Draws
from rookery.training.job import TrainingJob
from rookery.training.progress import MEAN, Partial, Progress, State, means_of
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_file
from rookery_ensembles.plain_text import parse_json

logger = logging.getLogger(__name__)
_PARTS = ("network", "best", "optimizer")
_PARTIAL = ("sums",)
_FACTS, _CHECKSUM = "rookery", "checksum"


class _PartialFacts(Document):
    """What the metadata say of an unfinished epoch."""

    step: int = Field(ge=1)
    seconds: float = Field(ge=0, allow_inf_nan=False)


class _Facts(Document):
    """What the metadata of a checkpoint say."""

    job: str
    history: list[dict[str, float]]
    best_epoch: int = Field(ge=0)
    best_value: float
    batch_size: int | None = Field(default=None, ge=2)
    draws: Draws | None = None
    partial: _PartialFacts | None = None


def save_checkpoint(path: Path, job: TrainingJob, progress: Progress) -> None:
    """Write `progress` to `path`, whole or not at all, with a checksum over all of it."""
    tensors = {
        f"{part}/{name}": value.cpu().contiguous()
        for part in _PARTS
        for name, value in getattr(progress, part).items()
    }
    facts = {
        "job": job.digest(),
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "best_value": progress.best_value,
        "batch_size": progress.batch_size,
        "draws": progress.draws,
    }
    partial = progress.partial
    if partial is not None:
        facts["partial"] = {"step": partial.step, "seconds": partial.seconds}
        tensors |= {
            f"{part}/{name}": value.cpu().contiguous()
            for part in _PARTIAL
            for name, value in getattr(partial, part).items()
        }
    text = json.dumps(facts)
    with atomic_file(path) as file:
        write_tensors(file, tensors, {_FACTS: text, _CHECKSUM: _checksum(text, tensors)})


def load_checkpoint(
    path: Path,
    job: TrainingJob,
    network: nn.Module | None = None,
    *,
    n_train: int | None = None,
) -> Progress | None:
    """Return the progress saved at `path`, or None when there is none that belongs to `job`.

    A file that is damaged, or does not fit the network, is logged and counts as none: the member then
    trains from the start. One that was written before there were checksums is held to all other rules. One
    of Rookery 0.1 goes on where it ended, with draws of another kind (`mixed` in the card); an epoch that it
    ended in the middle of goes on at that step of another order of the objects.

    Parameters
    ----------
    network
        The job's network, on any device, `meta` included; its state must have the checkpoint's names,
        shapes and types. None to take up whatever is there.
    n_train
        Number of training objects, which bounds the steps of an epoch.
    """
    if not path.is_file():
        return None
    try:
        facts, tensors = _read(path)
        if facts["job"] != job.digest():
            logger.warning("%s: belongs to another job; training starts again", path)
            return None
        progress = _progress(facts, tensors, path)
        if network is not None:
            _check_fit(progress, network, path)
        if progress.partial is not None and n_train is not None:
            _check_steps(progress.partial, progress.batch_size or _batch_size(job), n_train, path)
    except InputError as error:
        logger.warning("%s; training starts again", error)
        return None
    return progress


def _read(path: Path) -> tuple[dict[str, Any], State]:
    """Return facts and tensors of an undamaged file."""
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {key: stream.get_tensor(key) for key in list(stream.keys())}
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise fail(path, f"is no readable checkpoint ({error})") from error
    if _FACTS not in metadata:
        raise fail(path, f"is no readable checkpoint (its metadata lack `{_FACTS}`)")
    text = metadata[_FACTS]
    if _CHECKSUM in metadata and metadata[_CHECKSUM] != _checksum(text, tensors):
        raise fail(path, "is no readable checkpoint (its checksum is not that of its content)")
    facts = parse_json(text, path)
    build(_Facts, facts, path)
    return facts, tensors


def _checksum(facts: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the facts and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(tensor_bytes(value))
    return digest.hexdigest()


def _progress(facts: dict[str, Any], tensors: State, path: Path) -> Progress:
    progress = Progress(facts["history"], facts["best_epoch"], facts["best_value"])
    progress.batch_size = facts.get("batch_size")
    progress.draws = facts.get("draws") or "mixed"
    if facts.get("partial") is not None:
        progress.partial = Partial(**facts["partial"], sums={})
    _check_history(progress, path)
    if "draws" not in facts:  # of Rookery 0.1: what its generators left undrawn is not drawn by them
        tensors = {key: value for key, value in tensors.items() if not key.startswith("generators/")}
    for key, value in tensors.items():
        part, _, name = key.partition("/")
        known = (*_PARTS, *(_PARTIAL if progress.partial is not None else ()))
        if part not in known or not name:
            raise fail(path, f"tensors must be called {', '.join(known)}, / and a name, but one is {key!r}")
        getattr(progress.partial if part in _PARTIAL else progress, part)[name] = value
    return progress


def _check_history(progress: Progress, path: Path) -> None:
    """Hold the rows to their order, and the best epoch to the rows."""
    for number, row in enumerate(progress.history, start=1):
        place = f"{path}, epoch {number}"
        if row.get("epoch") != number:
            raise fail(place, f"`epoch` must be {number}, but is {row.get('epoch')}")
        for name in ("train_loss", "seconds"):
            if name in row and not math.isfinite(row[name]):
                raise fail(place, f"`{name}` must be finite, but is {row[name]}")
    if progress.best_epoch > progress.epoch:
        rule = f"`best_epoch` must be one of {progress.epoch} epochs"
        raise fail(path, f"{rule}, but is {progress.best_epoch}")
    if progress.best_epoch and math.isnan(progress.best_value):
        raise fail(path, "`best_value` must be a number, but is NaN")


def _check_fit(progress: Progress, network: nn.Module, path: Path) -> None:
    """Hold every tensor to the network that it is for."""
    wanted = network.state_dict()
    _check_state(progress.network, wanted, "network", path)
    if progress.best_epoch:
        _check_state(progress.best, wanted, "best", path)
    if means := means_of(progress.optimizer):
        _check_state(means, wanted, f"optimizer/{MEAN}".removesuffix("/"), path)
    _check_moments(progress.optimizer, list(network.parameters()), path)
    for name, value in (progress.partial.sums if progress.partial is not None else {}).items():
        if value.shape != () or not value.is_floating_point():
            raise fail(path, f"'sums/{name}' must be a number")


def _check_state(found: State, wanted: State, part: str, path: Path) -> None:
    if odd := sorted(set(found) ^ set(wanted)):
        what = "is missing" if odd[0] in wanted else "is not a part of the network"
        raise fail(path, f"{f'{part}/{odd[0]}'!r} {what}")
    for name, value in wanted.items():
        kind, shape = found[name].dtype, tuple(found[name].shape)
        if (kind, shape) != (value.dtype, tuple(value.shape)):
            rule = f"{f'{part}/{name}'!r} must be {value.dtype} of the shape {tuple(value.shape)}"
            raise fail(path, f"{rule}, but is {kind} of the shape {shape}")


def _check_moments(found: State, parameters: Sequence[Tensor], path: Path) -> None:
    """Hold the optimizer's state to the parameters: of each that has any, a step, and moments of its shape.

    AdamW has two, Muon one.
    """
    names: dict[int, set[str]] = defaultdict(set)
    for key, value in found.items():
        if key.startswith(MEAN):
            continue
        index, _, name = key.partition(".")
        number = int(index) if index.isdecimal() and len(index) < 9 else len(parameters)
        shape = parameters[number].shape if number < len(parameters) and name != "step" else torch.Size()
        if number >= len(parameters) or value.shape != shape or not value.is_floating_point():
            raise fail(path, f"{f'optimizer/{key}'!r} is no state of an optimizer of the network")
        names[number].add(name)
    for number, some in names.items():
        if some not in ({"step", "exp_avg", "exp_avg_sq"}, {"step", "momentum"}):
            rule = "must be step, exp_avg and exp_avg_sq, or step and momentum"
            raise fail(path, f"'optimizer/{number}' {rule}")


def _check_steps(partial: Partial, batch_size: int, n_train: int, path: Path) -> None:
    # A network of a pack may have done all its steps while others have not.
    if (partial.step - 1) * batch_size >= n_train:
        rule = f"an epoch of {n_train} objects in batches of {batch_size}"
        raise fail(path, f"`partial.step` must be within {rule}, but is {partial.step}")


def _batch_size(job: TrainingJob) -> int:
    from rookery.networks.family import load_family

    return int(load_family(job.family).configure(job.configuration).batch_size)


_KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors of the CPU; the largest types come first, so that each lies at a multiple of its size."""
    ordered = sorted(tensors.items(), key=lambda pair: (-pair[1].element_size(), pair[0]))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, value in ordered:
        begin, end = end, end + value.numel() * value.element_size()
        kind, shape = _KINDS[value.dtype], list(value.shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for _, value in ordered:
            stream.write(tensor_bytes(value))


def tensor_bytes(value: Tensor) -> memoryview:
    """Return a tensor's bytes in the order of its elements, without a copy where they lie so."""
    if not value.numel():
        return memoryview(b"")
    return value.contiguous().reshape(-1).view(torch.uint8).numpy().data
