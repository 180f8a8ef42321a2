"""The table of all objects: what is known of each, what the network answers, its features and places."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.explanation.attributions import Attributions
from rookery.explanation.objects import Chosen
from rookery.explanation.subject import Subject
from rookery.surveys import open_split
from rookery.surveys.properties import object_properties

_CADENCE = ("n_observations", "n_detections", "peak_snr", "duration")
LABELLED = ("train", "validation")
"""Roles of objects whose labels training could see."""


def known_columns(subject: Subject, split: str | None) -> pd.DataFrame:
    """Return what is known of every object beside its features; no network sees these columns here.

    `object_id`, `truth`, `answer`, `certainty` (the largest probability), `redshift`, `role` (of the split),
    `origin` of merged surveys; of light curves `peak_snr`, `n_observations`, `n_detections`, `duration` and
    `cadence`, days from one observation to the next; of galaxies `magnitude` (the middle band) and `snr`.
    """
    survey = subject.survey
    found = pd.DataFrame({"object_id": subject.object_id})
    found["truth"], found["answer"] = subject.truth, subject.answer
    found["certainty"] = subject.probability.max(1)
    found["redshift"] = survey.objects["redshift"].to_numpy(np.float64)
    if split is not None:
        found["role"] = open_split(survey, split).role.astype(str)
    if "origin" in survey.objects:
        found["origin"] = survey.objects["origin"].to_numpy()
    if survey.info.kind == "light_curves":
        properties = object_properties(survey).reset_index(drop=True)
        found = found.join(properties[list(_CADENCE)])
        found["cadence"] = found["duration"] / (found["n_observations"] - 1).clip(lower=1)
        return found
    middle = len(survey.bands) // 2
    found["magnitude"] = survey.magnitudes()[:, middle]
    error = survey.magnitude_errors()[:, middle]
    with np.errstate(divide="ignore", invalid="ignore"):
        found["snr"] = np.where(error > 0, 2.5 / np.log(10) / error, np.nan)
    return found


def labelled(known: pd.DataFrame, subject: Subject) -> NDArray[np.bool_]:
    """Return (N,) whose labels training could see: by the split's roles, else those whose truth is known."""
    return known["role"].isin(LABELLED).to_numpy() if "role" in known else subject.known


def features_file(subject: Subject, known: pd.DataFrame, maps: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Return the table of all objects as Parquet; `features` is a list of F numbers."""
    columns: dict[Any, Any] = dict(known.items())
    for name, places in maps.items():
        columns |= {f"{name}_{axis + 1}": places[:, axis] for axis in range(2)}
    table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
    return _parquet(table.append_column("features", _lists(subject.features)))


def attributions_file(subject: Subject, chosen: list[Chosen], found: Attributions) -> bytes:
    """Return the attributions of the shown objects as Parquet: a row an object and method.

    `values` is flat in the order of `shape`: bands, then dates or pixels.
    """
    rows = []
    for number, one in enumerate(chosen):
        about = {"object_id": subject.object_id[one.row], "group": one.group, "rule": one.rule}
        about["explained"] = float(found.answer[number])
        parts = {
            "integrated_gradients": found.gradients,
            "occlusion": found.occlusion,
            "occlusion_of_bands": found.by_band,
        }
        for method, values in parts.items():
            one_object = values[number]
            shape, flat = list(one_object.shape), one_object.ravel().tolist()
            rows.append({**about, "method": method, "shape": shape, "values": flat})
    return _parquet(pa.Table.from_pylist(rows))


def _lists(values_nf: NDArray[np.float32]) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(values_nf, dtype=np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values_nf.shape[1])


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), stream, compression="zstd")
    return stream.getvalue()
