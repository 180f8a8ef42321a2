"""Columns of galaxy catalogues: roles, headers, units; answers known beforehand."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.surveys import ingest_annz, ingest_catalogue, ingest_mlz
from rookery.surveys.readers.galaxies._roles import match_roles
from rookery.surveys.readers.galaxies.mlz import mend_header
from rookery.surveys.readers.galaxies.photometry import SDSS_SOFTENING, Photometry
from rookery_ensembles.errors import InputError

_VALUES = ["u", "g", "r", "i", "z", "u-g", "g-r", "r-i", "i-z"]
MLZ_NAMES = ["zs", *_VALUES, *(f"e{name}" for name in _VALUES)]


def roles(names, mapping=None, need_bands=True):
    return match_roles(mapping or {}, names, "cat.csv", need_bands=need_bands)


def test_roles_are_found_by_their_usual_names_whatever_the_case():
    found = roles(["OBJID", "MAG_U", "MAGERR_U", "mag_r", "mag_err_r", "EBV", "Z", "other"])
    assert (found.object_id, found.bands) == ("OBJID", ("u", "r"))
    assert (found.value, found.error) == ({"u": "MAG_U", "r": "mag_r"}, {"u": "MAGERR_U", "r": "mag_err_r"})
    assert found.covariates == {"mwebv": "EBV", "redshift": "Z"}


def test_a_column_z_beside_other_bands_is_no_redshift():
    found = roles(["u", "g", "r", "i", "z"], {"mag_{band}": "{band}"})
    assert found.bands == ("u", "g", "r", "i", "z")
    assert "redshift" not in found.covariates


def test_a_pattern_stands_for_every_band():
    names = ["petroMag_g", "petroMag_z", "petroMagErr_g", "ra", "z"]
    found = roles(names, {"mag_{band}": "petroMag_{band}", "mag_err_{band}": "petroMagErr_{band}"})
    assert (found.bands, found.error) == (("g", "z"), {"g": "petroMagErr_g"})
    assert found.covariates == {"redshift": "z", "ra": "ra"}


def test_other_mapped_roles_are_covariates():
    assert roles(["mag_r", "b_a"], {"axis_ratio": "b_a"}).covariates == {"axis_ratio": "b_a"}


@pytest.mark.parametrize(
    ("names", "mapping", "message"),
    [
        (["mag_r"], {"redshift": "zz"}, "must have a column 'zz' for redshift; its columns are mag_r"),
        (["mag_r", "z_spec", "zspec"], {}, "'z_spec' and 'zspec' could both be redshift. Say which"),
        (["mag_err_r"], {}, "'mag_err_r' is mag_err_r, but no column is mag_r or flux_r"),
        (["a", "b"], {}, "must have magnitudes: .*its columns are a, b"),
        (["mag_r", "flags"], {"flags": "flags"}, "role 'flags': is made by the survey store itself"),
        (["mag_r"], {"mag_{band}": "dered"}, "must hold {band} once"),
        (["mag_r"], {"mag_{band}": "dered_{band}"}, "must have a column 'dered_{band}'"),
    ],
)
def test_what_cannot_be_matched_is_named(names, mapping, message):
    with pytest.raises(InputError, match=message):
        roles(names, mapping)


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["modelMag_g", "modelMag_r", "modelMagErr_g", "modelMagErr_r"],
         "--column 'mag_{band}=modelMag_{band}' --column 'mag_err_{band}=modelMagErr_{band}'?"),
        (["MAG_AUTO_G", "MAG_AUTO_R", "MAGERR_AUTO_G", "MAGERR_AUTO_R"],
         "--column 'mag_{band}=MAG_AUTO_{band}' --column 'mag_err_{band}=MAGERR_AUTO_{band}'?"),
        (["cmodel_mag_g", "cmodel_mag_r"], "--column 'mag_{band}=cmodel_mag_{band}'?"),
    ],
)  # fmt: skip
def test_columns_of_magnitudes_under_another_name_are_suggested_and_taken(names, meant):
    with pytest.raises(InputError, match=re.escape(f"; did you mean {meant}")):
        roles(names, {})
    mapping = dict(pair.split("=") for pair in re.findall(r"'(.*?)'", meant))
    assert len(roles(names, mapping).bands) == 2


def test_mlz_header_that_lacks_an_error_is_mended():
    assert mend_header([name for name in MLZ_NAMES if name != "eu"], 19) == MLZ_NAMES
    assert mend_header([name for name in MLZ_NAMES if name not in ("eg", "er-i")], 19) == MLZ_NAMES


@pytest.mark.parametrize("names", [[*MLZ_NAMES[:17], "what"], [n for n in MLZ_NAMES if n != "u"], ["a", "b"]])
def test_mlz_header_that_lacks_anything_else_is_not_guessed(names):
    with pytest.raises(ValueError, match="give the names of all columns with --names"):
        mend_header(names[:18], 19)


def test_a_mended_mlz_header_is_told_and_names_by_hand_replace_it(tmp_path):
    names = [name for name in MLZ_NAMES if name != "eu"]
    rows = "\n".join(" ".join(f"{0.1 * (k + 1) + row:.2f}" for k in range(19)) for row in range(3))
    (tmp_path / "a.train").write_text(f"#{' '.join(names)}\n{rows}\n")
    mended = ingest_mlz(tmp_path / "a.train", tmp_path / "mended").survey
    assert "missing are eu" in mended.info.provenance["headers"]["a.train"]
    by_hand = ingest_mlz(tmp_path / "a.train", tmp_path / "by-hand", names=MLZ_NAMES).survey
    np.testing.assert_allclose(mended.magnitude_errors()[:, 0], [1.1, 2.1, 3.1])
    np.testing.assert_array_equal(mended.magnitude_errors(), by_hand.magnitude_errors())
    with pytest.raises(InputError, match=r"--names gives 2 columns \(a, b\), but the rows have 19"):
        ingest_mlz(tmp_path / "a.train", tmp_path / "no", names=["a", "b"])


def test_several_files_are_one_survey_with_their_names_in_the_ids(tmp_path):
    for name, magnitude in (("one", 17.5), ("two", 18.5)):
        (tmp_path / f"{name}.csv").write_text(f"#F:MAG_R;F:MAGERR_R;D:Z\n{magnitude},0.1,0.2\n")
    survey = ingest_annz([tmp_path / "one.csv", tmp_path / "two.csv"], tmp_path / "out").survey
    assert survey.objects["object_id"].tolist() == ["one-1", "two-1"]
    assert survey.objects["source_file"].tolist() == ["one.csv", "two.csv"]
    assert survey.magnitudes().ravel().tolist() == [17.5, 18.5]
    (tmp_path / "two.csv").write_text("#F:MAG_R;F:MAGERR_G;D:Z\n1,2,3\n")
    with pytest.raises(InputError, match=r"two\.csv: must have the columns of .*one\.csv"):
        ingest_annz([tmp_path / "one.csv", tmp_path / "two.csv"], tmp_path / "other")


def test_a_file_without_annz_header_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"must begin with a header such as #F:MAG_U.*begins with 'a,b'"):
        ingest_annz(tmp_path / "x.csv", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("18.5,0.1\n18.6,0.1\n", "has no header: give the names of its columns with --names"),
        ("mag_r,mag_err_r\n", "must be a table with at least one row, but has none"),
        ("mag_r,mag_r\n1,2\n", "several 'mag_r'"),
        ("mag_r,mag_err_r\n18.5,0.1\n18.6\n", "Expected 2 columns, got 1"),
        ("", "has no row"),
    ],
)
def test_a_broken_text_table_is_told_what_is_wrong(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        ingest_catalogue(tmp_path / "x.csv", tmp_path / "out")


def test_columns_may_be_mapped_in_a_file(tmp_path):
    pd.DataFrame({"rr": [17.5, 18.5], "zz": [0.1, 0.2]}).to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "map.yaml").write_text("mag_r: rr\nredshift: zz\n")
    survey = ingest_catalogue(tmp_path / "x.csv", tmp_path / "out", columns_file=tmp_path / "map.yaml").survey
    assert survey.objects["redshift"].tolist() == [0.1, 0.2]
    assert json.loads((tmp_path / "out" / "survey.json").read_text())["kind"] == "catalogue"


def test_ids_of_nineteen_digits_keep_every_digit(tmp_path):
    ids = [1237651752359329943, 1237651752359329944]
    frame = pd.DataFrame({"objid": ids, "mag_r": [17.0, 18.0]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    for ending in ("csv", "parquet"):
        survey = ingest_catalogue(tmp_path / f"x.{ending}", tmp_path / ending).survey
        assert survey.objects["object_id"].tolist() == [str(one) for one in ids]


def test_a_flux_that_is_not_positive_has_no_magnitude(tmp_path):
    frame = pd.DataFrame({"flux_r": [100.0, -1.0, 0.0], "flux_err_r": [1.0, 1.0, 1.0]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    survey = ingest_catalogue(tmp_path / "x.csv", tmp_path / "out").survey
    assert survey.magnitudes()[0, 0] == 17.5
    np.testing.assert_allclose(survey.magnitude_errors()[0, 0], 2.5 / np.log(10) / 100)
    assert np.isnan(survey.magnitudes()[1:, 0]).all()
    assert survey.objects["flags"].tolist() == [0, 8, 8]


def test_dereddening_needs_reddening_and_a_coefficient(tmp_path):
    pd.DataFrame({"mag_r": [17.0], "mag_y": [16.0]}).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match=r"no column is the reddening E\(B-V\)"):
        ingest_catalogue(tmp_path / "x.csv", tmp_path / "out", deredden=True)
    frame = pd.DataFrame({"mag_r": [17.0, 18.0], "mag_y": [16.0, 16.0], "ebv": [0.1, np.nan]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="band 'y': has no extinction coefficient"):
        ingest_catalogue(tmp_path / "x.csv", tmp_path / "out", deredden=True)
    given = {"deredden": True, "extinction": {"y": 1.0}}
    with pytest.raises(InputError, match=r"object '2'\): 'mwebv' is unknown, but dereddening needs it"):
        ingest_catalogue(tmp_path / "x.csv", tmp_path / "out", **given)
    survey = ingest_catalogue(tmp_path / "x.csv", tmp_path / "out", on_error="skip", **given).survey
    np.testing.assert_allclose(survey.magnitudes(), [[17 - 0.2285, 15.9]])


def test_asinh_magnitudes_of_bright_objects_are_pogson_s():
    value, error = Photometry("asinh").to_ab("r", np.array([15.0]), np.array([0.01]), unit="asinh")
    np.testing.assert_allclose(value, 15.0, atol=1e-6)
    np.testing.assert_allclose(error, 0.01, rtol=1e-4)


def test_the_asinh_magnitude_of_no_flux_is_that_of_sdss_s_table():
    # Zero-flux magnitudes: Stoughton et al. 2002, table 21.
    for band, magnitude in {"u": 24.63, "g": 25.11, "r": 24.80, "i": 24.36, "z": 22.83}.items():
        found = -2.5 * np.log10(SDSS_SOFTENING[band])
        assert abs(found - magnitude) < 0.006
        above, below = Photometry().to_ab(band, np.array([found - 0.1, found + 0.1]), None, unit="asinh")[0]
        assert np.isfinite(above)
        assert np.isnan(below), "a negative flux has no magnitude"


@settings(max_examples=30)
@given(st.floats(14, 24), st.sampled_from("ugriz"))
def test_asinh_magnitudes_invert_their_definition(magnitude, band):
    soft = SDSS_SOFTENING[band]
    flux = 10 ** (-0.4 * magnitude)
    written = -2.5 / np.log(10) * (np.arcsinh(flux / (2 * soft)) + np.log(soft))
    found, _ = Photometry().to_ab(band, np.array([written]), None, unit="asinh")
    np.testing.assert_allclose(found, magnitude, atol=1e-9)


def test_offsets_are_added_in_every_unit():
    photometry = Photometry(offsets={"u": -0.04})
    assert photometry.to_ab("u", np.array([18.0]), None, unit="ab")[0][0] == 17.96
    np.testing.assert_allclose(photometry.to_ab("u", np.array([100.0]), None, unit="nanomaggy")[0], 17.46)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": {"r": "magnitude"}}, "must be one of ab, asinh"),
        ({"softening": {"r": -1.0}}, "softening of band 'r': must be a positive number, but is -1.0"),
        ({"extinction": {"r": 0.0}}, "extinction of band 'r': must be a positive number"),
        ({"offsets": {"r": float("nan")}}, "must be a finite number"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Photometry(**options)


def test_real_catalogues_are_read(shared_data, tmp_path):
    mgs = ingest_mlz(shared_data / "sdss_mgs" / "SDSS_MGS.train", tmp_path / "mgs").survey
    assert len(mgs) == 5000
    truth, errors = mgs.truth(), mgs.magnitude_errors()
    # The mended header is right: the error of u - g is that of its two magnitudes.
    np.testing.assert_allclose(truth["eu-g"], np.hypot(errors[:, 0], errors[:, 1]), atol=2e-6)
    np.testing.assert_allclose(truth["u-g"], mgs.magnitudes()[:, 0] - mgs.magnitudes()[:, 1], atol=2e-6)
    boss = ingest_annz(shared_data / "boss_dr10", tmp_path / "boss").survey
    assert len(boss) == 18320
    assert np.isfinite(boss.magnitudes()).all()
    fits = ingest_catalogue(shared_data / "boss_dr10" / "boss_dr10_0.fits.gz", tmp_path / "fits").survey
    assert (len(fits), fits.bands) == (4999, ("u", "g", "r", "i", "z"))
