"""``survey.json``: the document that describes a survey folder and seals its tables."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rookery_ensembles.errors import did_you_mean, fail
from rookery_ensembles.files import sha256
from rookery_ensembles.plain_text import parse_json

DOCUMENT, OBJECTS, OBSERVATIONS, TRUTH, IMAGES = (
    "survey.json",
    "objects.parquet",
    "observations.parquet",
    "truth.parquet",
    "images.npy",
)
ZERO_POINT = 27.5
Kind = Literal["light_curves", "catalogue", "images"]
_REQUIRED: dict[str, tuple[str, ...]] = {
    "light_curves": (OBJECTS, OBSERVATIONS),
    "catalogue": (OBJECTS,),
    "images": (OBJECTS, IMAGES),
}


class ImageInfo(BaseModel):
    """What the cutouts of a survey are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=1)
    """Rows and columns of a cutout."""
    dtype: Literal["float16", "float32"]
    """Type of a pixel."""
    pixel_scale: float = Field(gt=0)
    """Arcseconds along a pixel's side."""


class SurveyInfo(BaseModel):
    """What ``survey.json`` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    """Version of the folder's layout."""
    kind: Kind = "light_curves"
    """What the survey holds; `images` are cutouts of galaxies, `catalogue` their magnitudes alone."""
    name: str = Field(min_length=1)
    """What people call it."""
    bands: list[str] = Field(min_length=1, max_length=127)
    """Bands in order of wavelength; a network's channels follow this order."""
    flux_unit: Literal["FLUXCAL", "nanomaggy"] = "FLUXCAL"
    """Unit of fluxes, errors and pixels: flux = 10^(0.4 (zero_point - magnitude))."""
    zero_point: float = ZERO_POINT
    """AB magnitude of flux 1."""
    time_unit: Literal["MJD"] | None = "MJD"
    """Unit of dates; None where there are none."""
    image: ImageInfo | None = None
    """Of a survey of images."""
    provenance: dict[str, Any]
    """Where the data come from, and what was left out on the way."""
    counts: dict[str, Any]
    """Numbers of objects (also by type, and without a detection) and of observations; for galaxies also
    of known redshifts."""
    files: dict[str, str]
    """SHA-256 of each table, and of the images."""
    checksum: str
    """SHA-256 over the tables' digests, bands and zero point: two surveys with one checksum are equal."""

    @property
    def earlier(self) -> dict[str, int]:
        """Checksum -> number of objects of each state of this survey before `append` and `update`.

        Those objects are still its first ones, in the same order.
        """
        return {state["checksum"]: state["objects"] for state in self.provenance.get("earlier_states", ())}

    def was(self, checksum: str) -> bool:
        """Whether a checksum is that of the survey, or of an earlier state of it."""
        return checksum == self.checksum or checksum in self.earlier


def _lack(path: Path) -> str:
    """Return why a folder is no survey, and which survey beside it may be meant."""
    if path.parent.exists():
        return f"it has no {path.name}"
    around = path.parent.parent
    beside = [one.parent.name for one in around.glob(f"*/{path.name}")] if around.is_dir() else []
    return f"it does not exist{did_you_mean(path.parent.name, beside)}"


def read_info(path: Path) -> SurveyInfo:
    if not path.is_file():
        raise fail(path.parent, f"is not a survey: {_lack(path)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise fail(path, f"cannot be read ({error.strerror})") from error
    document = parse_json(content, path)
    try:
        return SurveyInfo.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "document"
        raise fail(path, f"key {key!r}: {first['msg']}, but found {str(first['input'])[:80]!r}") from error


def verify_digests(path: Path, info: SurveyInfo) -> None:
    for name in _REQUIRED[info.kind]:
        if name not in info.files:
            raise fail(path / DOCUMENT, f"key 'files' must name {name}; it names {', '.join(info.files)}")
    if info.checksum != survey_checksum(info.files, info.bands, info.zero_point):
        raise fail(
            path / DOCUMENT, "was altered: its checksum does not belong to its files, bands and zero point"
        )
    for name, digest in info.files.items():
        if Path(name).name != name:
            raise fail(path / DOCUMENT, f"key 'files' must hold plain file names, but holds {name!r}")
        if not (path / name).is_file():
            raise fail(path / name, "is missing")
        if (found := sha256(path / name)) != digest:
            raise fail(path / name, f"was altered: its SHA-256 must be {digest}, but is {found}")


def survey_checksum(digests: Mapping[str, str], bands: list[str], zero_point: float = ZERO_POINT) -> str:
    lines = [f"{name} {digests[name]}" for name in sorted(digests)]
    text = json.dumps([lines, bands, zero_point])
    return hashlib.sha256(text.encode()).hexdigest()


def seal(
    folder: Path,
    *,
    name: str,
    bands: list[str],
    provenance: Mapping[str, Any],
    counts: Mapping[str, Any],
    tables: Iterable[str],
    **facts: Any,
) -> None:
    """Write the document of a folder whose `tables` are written; `facts` are further keys of it."""
    digests = {table: sha256(folder / table) for table in sorted(tables)}
    info = SurveyInfo(
        name=name,
        bands=bands,
        provenance=dict(provenance),
        counts=dict(counts),
        files=digests,
        checksum=survey_checksum(digests, bands, facts.get("zero_point", ZERO_POINT)),
        **facts,
    )
    (folder / DOCUMENT).write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")
