"""A member's ``card.json``: what it says, whether its files are those it tells of. No torch is needed."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from rookery.documents import Document, build
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.train_on import TrainOn
from rookery.training.job import KeptEpoch, TrainingJob
from rookery.training.target import make_target, target_fields
from rookery_ensembles import Target
from rookery_ensembles.errors import fail
from rookery_ensembles.files import sha256
from rookery_ensembles.plain_text import parse_json

WEIGHTS, CONFIG, HISTORY, CARD = "weights.safetensors", "config.yaml", "history.parquet", "card.json"
VALIDATION, DEGRADED = "predictions-validation.parquet", "predictions-validation-degraded.parquet"


Draws = Literal["generators", "hash", "mixed"]
"""What drew a training's random numbers: torch's generators, as in Rookery 0.1; a hash of seed, epoch and
object; or one after the other."""


Ended = Literal["epochs", "patience", "time"]
"""What ended a training: all its epochs, so many without a gain, or the time that it could take."""


class Arithmetic(Document):
    """What a card tells of the arithmetic of a training."""

    float32_matmul: str
    """torch's precision of products of float32 matrices: `highest` is float32 itself."""
    tf32_matmul: bool
    """Whether a GPU may round the factors of such products to TF32, 10 bits in place of 23."""
    tf32_convolution: bool
    """The same of convolutions; torch's own default is True."""
    autocast: str | None
    """Type in which the network's inner layers are computed, where not float32."""


class Started(Document):
    """What a card tells of the member whose weights a network started from."""

    member: str
    """Its name there."""
    weights: str
    """SHA-256 of its weights."""
    survey: str
    """Checksum of the survey that it was trained on."""
    configuration: str
    """Hash of its family and hyperparameters."""
    fresh: tuple[str, ...] = ()
    """Tensors that did not come from it: its bands, classes or bins were other ones."""


class Steps(Document):
    """What a card tells of how the steps of a training were computed, where there was a choice."""

    way: str
    """`plain`, or `compiled` by torch.compile; of a pack `fused`, all its networks as one program, `fused N`,
    so many of them at once, `loop`, one after the other, or `graphs`, a CUDA graph of each."""
    milliseconds: dict[str, float] = Field(default_factory=dict)
    """Of a step by each way that was timed: of a pack, of all its networks."""
    compile_seconds: float | None = None
    """What the compilation took, where one was tried."""
    why: str
    """Why this way: asked for, timed, or what kept from another one."""


class Process(Document):
    """What a card tells of the process that trained, the first one where there were several."""

    name: str
    """Its host and number, and what tells it from others of that number."""
    networks: int
    """Networks that it had begun by then, this one included."""
    survey_loads: int
    """How often it had read a survey and put it on its device for them."""


class Card(Document):
    """What ``card.json`` says of a member."""

    member: str
    family: str
    configuration: str
    """Hash of family and hyperparameters."""
    class_names: tuple[str, ...] | None = Field(default=None, max_length=10_000)
    redshift_bins: EqualBins | None = None
    bands: tuple[str, ...] = Field(max_length=1000)
    """Bands in the order of the network's channels."""
    survey: str
    """Checksum of the survey it was trained on."""
    split: str
    fold: int | None
    train_on: TrainOn | None = None
    """Which of the objects that could train did; None for all."""
    seed: int
    metric: str
    """Column of the history whose best value decided, where the best epoch was kept."""
    keep: KeptEpoch = "best"
    """Which epoch's weights were kept."""
    inner_validation: float | None = None
    """Part of the training objects that did not train but gave `metric`; None: the validation objects did."""
    value: float
    """Value of `metric` at the kept epoch."""
    effective_validation_objects: float | None = None
    """Under importance weights: the effective number of objects that `value` rests on."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Validation metrics at the kept epoch."""
    start: Started | None = None
    """The member whose weights it started from; None: it started afresh."""
    training_fractions: dict[str, float] | None = None
    """Fraction of each class among what trained, copies counted: what the probabilities presume."""
    best_epoch: int
    """The epoch whose weights were kept."""
    epochs: int
    """Epochs trained, the kept one and all after it included."""
    ended: Ended | None = None
    """Why no more; None in cards that do not tell yet."""
    batch_size: int | None = None
    """Objects a step, where memory did not suffice for the configuration's number; else None."""
    steps: Steps | None = None
    """How its steps were computed in its last run; None: plainly, without a choice."""
    workers: int = 1
    """Processes that trained it together."""
    pack: int = 1
    """Networks that trained in one process at once, this one included."""
    process: Process | None = None
    """The process that trained it; None in cards that do not tell yet."""
    parameters: int
    weights: str
    """SHA-256 of the weights' file."""
    predictions: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each file of predictions; cards of older members have none."""
    device: str
    device_seconds: float
    """Time spent in training epochs on that device, over all runs of the member."""
    energy_joules: float | None = None
    """Energy that it took meanwhile, where the device tells; see :mod:`rookery.compute.energy`."""
    draws: Draws = "generators"
    """What drew its random numbers; only members that tell the same are trained again to the same weights."""
    arithmetic: Arithmetic | None = None
    """Arithmetic that was in force; None in cards that do not tell yet."""
    versions: dict[str, str]
    finished: str
    """UTC, ISO 8601."""

    @model_validator(mode="after")
    def _has_a_target(self) -> "Card":
        make_target(self.class_names, self.redshift_bins)
        return self

    @property
    def target(self) -> Target:
        """What the network's outputs mean."""
        return make_target(self.class_names, self.redshift_bins)


def read_card(folder: Path) -> Card:
    """Read a member's ``card.json``."""
    path = folder / CARD
    try:
        content = path.read_bytes()
    except OSError as error:
        raise fail(path, f"cannot be read ({error.strerror})") from error
    return build(Card, parse_json(content, path), path)


def verify_file(folder: Path, card: Card, name: str) -> None:
    """Compare a member's weights, or one of its files of predictions, with the digest of its card.

    Raises
    ------
    InputError
        When the file is missing or altered. Predictions of which an older card tells no digest pass.
    """
    wanted = card.weights if name == WEIGHTS else card.predictions.get(name)
    if wanted is None:
        return
    if not (folder / name).is_file():
        raise fail(folder / name, f"is missing, of which {CARD} tells")
    if (found := sha256(folder / name)) != wanted:
        rule = f"must have the SHA-256 that {CARD} names, {wanted[:12]}..., but has {found[:12]}..."
        raise fail(folder / name, f"{rule}: it was altered")


def finished_card(folder: Path, job: TrainingJob, configuration: str) -> Card:
    """Return the card of a finished member, refusing one that `job` did not make."""
    card = read_card(folder)
    wanted = (
        ("configuration", configuration),
        ("survey", job.survey_checksum),
        ("split", job.split),
        *target_fields(job.target).items(),
        ("fold", job.fold),
        ("train_on", job.train_on),
        ("seed", job.seed),
        ("metric", job.objective),
        ("keep", job.keep),
        ("inner_validation", job.inner_validation),
    )
    for key, value in wanted:
        found = getattr(card, key)
        if found != value:
            rule = f"a member with {found!r} is finished here, but one with {value!r} is wanted"
            raise fail(folder / CARD, f"`{key}`: {rule}")
    starts = [None if start is None else start.weights for start in (card.start, job.start)]
    if starts[0] != starts[1]:
        found, wanted_start = (text and text[:12] for text in starts)
        rule = f"a member that started from {found} is finished here, but one from {wanted_start} is wanted"
        raise fail(folder / CARD, f"`start`: {rule}")
    return card
