"""Checkpoints: one safetensors file per running member, replaced atomically after and within epochs."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from rookery.training.job import TrainingJob
from rookery.training.progress import Partial, Progress
from rookery_ensembles.files import atomic_file

logger = logging.getLogger(__name__)
_PARTS = ("network", "best", "optimizer")
_PARTIAL = ("sums", "generators")


def save_checkpoint(path: Path, job: TrainingJob, progress: Progress) -> None:
    """Write `progress` to `path`, whole or not at all."""
    tensors = {
        f"{part}/{name}": value.cpu().contiguous().clone()
        for part in _PARTS
        for name, value in getattr(progress, part).items()
    }
    facts = {
        "job": job.digest(),
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "best_value": progress.best_value,
        "batch_size": progress.batch_size,
    }
    partial = progress.partial
    if partial is not None:
        facts["partial"] = {"step": partial.step, "seconds": partial.seconds}
        tensors |= {
            f"{part}/{name}": value.cpu().contiguous().clone()
            for part in _PARTIAL
            for name, value in getattr(partial, part).items()
        }
    with atomic_file(path) as file:
        file.write_bytes(save(tensors, metadata={"rookery": json.dumps(facts)}))


def load_checkpoint(path: Path, job: TrainingJob) -> Progress | None:
    """Return the progress saved at `path`, or None when there is none that belongs to `job`.

    A file that cannot be read is logged and counts as none: the member then trains from the start.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stream:
            facts = json.loads((stream.metadata() or {})["rookery"])
            tensors = {key: stream.get_tensor(key) for key in list(stream.keys())}
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        logger.warning("%s: is no readable checkpoint (%s); training starts again", path, error)
        return None
    if facts["job"] != job.digest():
        logger.warning("%s: belongs to another job; training starts again", path)
        return None
    progress = Progress(facts["history"], facts["best_epoch"], facts["best_value"])
    progress.batch_size = facts.get("batch_size")
    if "partial" in facts:
        progress.partial = Partial(**facts["partial"], sums={}, generators={})
    for key, value in tensors.items():
        part, name = key.split("/", 1)
        getattr(progress.partial if part in _PARTIAL else progress, part)[name] = value
    return progress
