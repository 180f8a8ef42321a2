"""A training job: everything that decides what a network becomes, as plain data that Ray can carry."""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field

from rookery.documents import Document
from rookery.shift.options import Shift, objective_name
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.train_on import TrainOn
from rookery.training.target import make_target
from rookery_ensembles import Target

KeptEpoch = Literal["best", "last"]
Compile = Literal["auto", "never", "always"]
"""Whether torch compiles the steps of a network that trains alone; `auto`: on a GPU, where timed steps say
that it pays."""
INNER_VALIDATION = 0.1
"""Part of the training objects that chooses the epoch where folds judge, unless another is wanted."""
_LATER = ("shift", "redshift_bins", "train_on", "inner_validation", "keep", "start", "most_seconds")
"""Fields that jobs did not always have. Where one is as it was before, the digest is what it was."""


def inner_part(wanted: float | None, keep: KeptEpoch, folds: int) -> float | None:
    """Return the inner part to set apart, None for none: what is `wanted` (0 for none), or the default.

    By default a tenth of the training objects where folds judge and the best epoch is kept: an object
    that chose the epoch of a network is no fair judge of it.
    """
    if wanted is None:
        return INNER_VALIDATION if folds and keep == "best" else None
    return wanted or None


def check_compile(compile: Compile, workers: int) -> None:
    """Raise ValueError where steps of several processes were to be compiled."""
    if compile == "always" and workers > 1:
        rule = "needs networks that one process trains, but `workers_per_network` is"
        raise ValueError(f"`compile` always {rule} {workers}")


class StartFrom(Document):
    """The finished member whose weights a network starts from."""

    folder: str
    """Its folder, which every node must see."""
    weights: str
    """SHA-256 of its weights' file."""


class TrainingJob(Document):
    """One network to train."""

    member: str
    """Identity of the member, unique in its study."""
    family: str
    """Family of networks."""
    configuration: dict[str, Any]
    """Hyperparameters; the family's defaults stand for those that are absent."""
    survey: str
    """Folder of the survey store."""
    survey_checksum: str
    """What that survey's checksum must be."""
    split: str
    """Name of a split of the survey."""
    fold: int | None = None
    """Validate on this fold and train on the others; None takes the split's validation role."""
    train_on: TrainOn | None = None
    """Which of the objects that could train do; None for all."""
    class_names: tuple[str, ...] | None = None
    """Classes in the order of the outputs; or else:"""
    redshift_bins: EqualBins | None = None
    """Bins of redshift."""
    metric: str = "validation_log_loss"
    """With `keep` best, the epoch with the best value of this metric gives the weights."""
    direction: str = "minimize"
    """Whether small or large values of `metric` are good."""
    shift: Shift | None = None
    """How the metric looks past the labelled sample; None for the validation objects as they are."""
    keep: KeptEpoch = "best"
    """Which epoch gives the weights; with `last` the metric decides nothing, and patience does not stop."""
    inner_validation: float | None = Field(default=None, gt=0, le=0.5)
    """Part of the training objects that does not train: the metric is that of these, and the validation
    objects only judge. None: the metric is that of the validation objects."""
    start: StartFrom | None = None
    """The member that the network starts from; None for fresh weights."""
    most_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Device-seconds after which no further epoch is begun: what it has by then is kept. None: no limit."""
    compile: Compile = "auto"
    """Whether torch compiles its steps, which changes nothing but rounding."""
    seed: int
    """Seeds weights, order of objects, dropout and augmentation."""

    @property
    def target(self) -> Target:
        """What the outputs mean."""
        return make_target(self.class_names, self.redshift_bins)

    @property
    def objective(self) -> str:
        """The column of the history whose best value decides."""
        return objective_name(self.metric, self.shift)

    def digest(self) -> str:
        """Return a hash of the job: a checkpoint of another job is never taken up.

        Where the survey and the start lie does not count, only their checksums; nor how steps are computed.
        """
        # What is absent leaves the digest of jobs made before there was any.
        fields = type(self).model_fields
        absent = {name for name in _LATER if getattr(self, name) == fields[name].default}
        exclude = {"survey", "compile"} | absent
        values = self.model_dump(mode="json", exclude=exclude)
        if self.start is not None:
            values["start"] = self.start.weights
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
