"""Merged surveys: everything of each is there, aligned, and what cannot be aligned is refused."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import cli
from rookery.surveys import (
    Survey,
    merge_surveys,
    new_galaxy_survey,
    open_split,
    open_survey,
    split_survey,
    write_survey,
)
from rookery.surveys._document import survey_checksum
from rookery_ensembles.errors import InputError


def light_curves(
    path: Path, ids: list[str], bands: str, kind: str | list[str | None] = "Ia", **columns: object
) -> Survey:
    rng = np.random.default_rng(len(ids))
    rows = pd.DataFrame([(one, 56000.0 + day, band) for one in ids for day in range(3) for band in bands])
    rows.columns = pd.Index(["object_id", "mjd", "band"])
    noise = rng.normal(size=len(rows))
    truth = columns.pop("truth", None)
    return write_survey(
        path,
        name=path.name,
        bands=list(bands),
        objects=pd.DataFrame({"object_id": ids, "type": kind, "redshift": 0.1, **columns}),
        observations=rows.assign(flux=noise * 10, flux_err=1.0),
        truth=None if truth is None else pd.DataFrame({"object_id": ids, **truth}),
    )


def galaxies(path: Path, ids: list[str], bands: str, size: int = 4, dtype: str = "float16") -> Survey:
    with new_galaxy_survey(path, name=path.name, bands=list(bands)) as writer:
        writer.open_images(size=size, pixel_scale=0.4, dtype=dtype)
        pixels = np.arange(len(bands), dtype=float)[None, :, None, None] + 10.0 * len(ids)
        writer.add_images(np.broadcast_to(pixels, (len(ids), len(bands), size, size)))
        frame = pd.DataFrame({"object_id": ids, "redshift": 0.1})
        writer.finish(objects=frame.assign(**{f"mag_{band}": 18.0 + i for i, band in enumerate(bands)}))
    return open_survey(path)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Survey, Survey]:
    return (
        light_curves(tmp_path / "sim", list("12"), "gr", mwebv=0.1, truth={"template": [1.0, 2.0]}),
        light_curves(
            tmp_path / "real", ["a", "b", "c"], "ugr", kind="II", truth={"template": ["x", "y", "z"]}
        ),
    )


def test_each_object_keeps_its_observations_in_the_bands_of_the_merged_survey(two, tmp_path):
    merged = open_survey(merge_surveys([one.path for one in two], tmp_path / "both").path)
    assert merged.bands == ("u", "g", "r")
    assert merged.objects["origin"].tolist() == ["sim"] * 2 + ["real"] * 3
    assert merged.objects["type"].tolist() == ["Ia"] * 2 + ["II"] * 3
    first = 0
    for one in two:
        own, arrays = one.observation_arrays(), merged.observation_arrays()
        for index in range(len(one)):
            there, here = arrays.rows(first + index), own.rows(index)
            np.testing.assert_array_equal(arrays.flux[there], own.flux[here])
            names = [merged.bands[band] for band in arrays.band_index[there]]
            assert names == [one.bands[band] for band in own.band_index[here]]
        first += len(one)
    assert merged.info.counts["by_type"] == {"II": 3, "Ia": 2}


def test_covariates_are_missing_where_a_survey_has_none_and_truth_of_two_types_is_text(two, tmp_path):
    merged = merge_surveys([one.path for one in two], tmp_path / "both")
    np.testing.assert_array_equal(merged.objects["mwebv"], [0.1, 0.1, np.nan, np.nan, np.nan])
    truth = merged.truth()
    assert truth is not None
    assert truth["template"].tolist() == ["1.0", "2.0", "x", "y", "z"]


def test_no_network_sees_the_origin_unless_asked(two, tmp_path):
    paths = [one.path for one in two]
    assert merge_surveys(paths, tmp_path / "both").covariates == ("mwebv",)
    asked = merge_surveys(paths, tmp_path / "asked", origin_input=True)
    assert asked.covariates == ("mwebv", "from_sim", "from_real")
    assert asked.objects["from_real"].tolist() == [0, 0, 1, 1, 1]


def test_splits_go_by_origin(two, tmp_path):
    more = light_curves(tmp_path / "more", [f"m{i}" for i in range(8)], "g", kind=["Ia", "II"] * 4)
    paths = [two[0].path, two[1].path, more.path]
    merged = merge_surveys(paths, tmp_path / "both", origins=["spcc", "ps1", "more"])
    split_survey(merged, "across", train_where=["origin=more"], test_where=["origin=ps1"])
    split = open_split(merged, "across")
    assert split.object_id[split.indices("test")].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_split_goes_along_with_the_other_surveys_as_what_is_to_be_classified(two, tmp_path, grouped):
    many = light_curves(
        tmp_path / "many",
        [f"m{i}" for i in range(32)],
        "gr",
        kind=["Ia", "II"] * 16,
        truth={"template": [float(i) for i in range(16)] * 2},
    )
    options = {"groups": "template"} if grouped else {}
    split_survey(many, "folds", train_fraction=0.5, folds=2, seed=1, **options)
    before = open_split(many, "folds")
    merged = merge_surveys([many.path, two[1].path], tmp_path / "out", split="folds")
    split = open_split(merged, "folds")
    labelled = before.indices("train")
    assert merged.objects["object_id"].tolist() == [*before.object_id[labelled], "a", "b", "c"]
    assert split.object_id[split.indices("test")].tolist() == ["a", "b", "c"]
    for fold in range(2):
        assert (
            split.object_id[split.indices("train", fold)].tolist()
            == before.object_id[before.indices("train", fold)].tolist()
        )
    assert (split.group is None) == (not grouped)


def test_objects_of_unknown_class_are_unlabelled_in_the_split_that_goes_along(two, tmp_path):
    many = light_curves(tmp_path / "many", [f"m{i}" for i in range(12)], "gr", kind=["Ia", "II"] * 6)
    split_survey(many, "half", train_fraction=0.5, seed=1)
    unknown = light_curves(tmp_path / "unknown", ["x", "y"], "gr", kind=[None, "Ia"])
    split = open_split(merge_surveys([many.path, unknown.path], tmp_path / "out", split="half"), "half")
    assert split.object_id[split.indices("unlabelled")].tolist() == ["x"]
    assert split.object_id[split.indices("test")].tolist() == ["y"]
    with pytest.raises(InputError, match="third"):
        merge_surveys([many.path, unknown.path], tmp_path / "other", split="third")
    assert not (tmp_path / "other").exists()


def test_a_merge_of_merged_surveys_keeps_the_first_origins(two, tmp_path):
    merged = merge_surveys([one.path for one in two], tmp_path / "both")
    third = light_curves(tmp_path / "third", ["x"], "g")
    again = merge_surveys([merged.path, third.path], tmp_path / "all")
    assert again.objects["origin"].tolist() == ["sim", "sim", "real", "real", "real", "third"]


def test_cutouts_are_put_in_one_order_of_bands(tmp_path):
    one = galaxies(tmp_path / "a", ["1"], "gr", dtype="float16")
    other = galaxies(tmp_path / "b", ["2", "3"], "rg", dtype="float32")
    merged = merge_surveys([one.path, other.path], tmp_path / "both")
    assert merged.info.image is not None
    assert merged.info.image.dtype == "float32"
    np.testing.assert_array_equal(merged.image_array()[:, :, 0, 0], [[10, 11], [21, 20], [21, 20]])
    np.testing.assert_array_equal(merged.magnitudes(), [[18, 19], [19, 18], [19, 18]])


def refused(tmp_path: Path, match: str, *surveys: Survey, **options: object) -> None:
    with pytest.raises(InputError, match=match):
        merge_surveys([one.path for one in surveys], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_ids_that_clash_are_refused_unless_origins_stand_before_them(tmp_path):
    one, other = light_curves(tmp_path / "a", ["1", "2"], "g"), light_curves(tmp_path / "b", ["2", "3"], "g")
    refused(tmp_path, r"1 repeat, such as '2' in .*a and .*b: --prefix-ids puts", one, other)
    merged = merge_surveys([one.path, other.path], tmp_path / "out", prefix_ids=True)
    assert merged.objects["object_id"].tolist() == ["a:1", "a:2", "b:2", "b:3"]


def test_what_cannot_be_aligned_is_one_error(tmp_path):
    one = light_curves(tmp_path / "a", ["1"], "gr")
    refused(tmp_path, "at least two surveys can be merged, but there is 1", one)
    other_kind = galaxies(tmp_path / "galaxies", ["2"], "gr")
    refused(tmp_path, r"galaxies: kind must be that of .*a, light_curves, .* but is images", one, other_kind)
    no_band = light_curves(tmp_path / "b", ["2"], "z")
    refused(tmp_path, r"must share a band with the other surveys \(g r\), but has z", one, no_band)
    spelling = light_curves(tmp_path / "c", ["2"], "g", kind="SN Ia")
    refused(
        tmp_path, r"has the class 'Ia' and .*c 'SN Ia': make them one with --type SN Ia=Ia", one, spelling
    )
    refused(tmp_path, r"--band y: no survey has it; they have g, r", one, spelling, band_aliases={"y": "Y"})
    refused(tmp_path, r"--origin: must name each of 2", one, spelling, origins=["a"])
    refused(tmp_path, r"several surveys are 'x'", one, spelling, origins=["x", "x"])
    refused(tmp_path, r"origin must be letters.*'a/b'", one, spelling, origins=["a/b", "x"])
    larger = galaxies(tmp_path / "larger", ["3"], "gr", size=6)
    refused(tmp_path, r"larger: image.size must be that of .*galaxies, 4", other_kind, larger)
    fewer = galaxies(tmp_path / "fewer", ["4"], "g")
    refused(tmp_path, r"cutouts must have the bands of .*galaxies, g r, but have g", other_kind, fewer)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("zero_point", 25.0, r"b: zero_point must be that of .*a, 27.5, for them to be merged, but is 25.0"),
        ("flux_unit", "nanomaggy", r"b: flux_unit must be that of .*a, FLUXCAL, .* but is nanomaggy"),
    ],
)
def test_units_must_be_those_of_the_first(tmp_path, key, value, rule):
    one, other = light_curves(tmp_path / "a", ["1"], "g"), light_curves(tmp_path / "b", ["2"], "g")
    info = {**json.loads((other.path / "survey.json").read_text()), key: value}
    info["checksum"] = survey_checksum(info["files"], info["bands"], info["zero_point"])
    (other.path / "survey.json").write_text(json.dumps(info))
    refused(tmp_path, rule, one, other)


def test_two_names_of_a_band_are_refused_until_one_is_renamed(tmp_path):
    one = light_curves(tmp_path / "a", ["1"], "gr")
    other = write_survey(
        tmp_path / "b",
        name="b",
        bands=["r", "DES-g"],
        objects=pd.DataFrame({"object_id": ["2"], "type": ["II"]}),
        observations=pd.DataFrame(
            {"object_id": "2", "mjd": [1.0, 2.0], "band": ["r", "DES-g"], "flux": 1.0, "flux_err": 1.0}
        ),
    )
    refused(tmp_path, r"band 'g' and .*b 'DES-g': make them one with --band DES-g=g", one, other)
    merged = merge_surveys([one.path, other.path], tmp_path / "out", band_aliases={"DES-g": "g"})
    assert merged.bands == ("g", "r")


def test_merge_is_a_verb_that_tells_what_each_gave(two, tmp_path, monkeypatch, capsys):
    paths = [str(one.path) for one in two]

    def typed(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["rookery", "merge", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    status, said, _ = typed(*paths, str(tmp_path / "both"), "--origin", "x", "--origin", "y")
    assert not status
    assert "2 of x, without u\n3 of y\n" in said
    assert "5 objects (3 II, 2 Ia), 39 observations" in said
    status, _, error = typed(*paths, str(tmp_path / "both"))
    assert status == 2
    assert "must not exist yet" in error
