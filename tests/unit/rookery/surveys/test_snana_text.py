import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.surveys.readers.light_curves._snana_tables import (
    DEFAULT_TYPES,
    object_type,
    redshift,
    truth_table,
)
from rookery.surveys.readers.light_curves._snana_text import (
    LightCurve,
    looks_like_light_curve,
    parse_light_curve,
)
from rookery_ensembles.errors import InputError

TEXT = """\
SURVEY: DES
SNID:   17
SNTYPE:  -9
FILTERS: griz
RA:      0.500000  deg
DECL:    -9.000000  deg
MWEBV:   0.0111    MW E(B-V)
REDSHIFT_FINAL:   0.35020 +- 0.04680  (CMB)
REDSHIFT_SPEC:    -9.00000 +- 9.00000
HOST_GALAXY_PHOTO-Z:   0.3502  +- 0.0468

SIM_COMMENT:  SN Type = II , MODEL = SDSS-017862
SIM_REDSHIFT:  0.3972
SIM_DLMU:      41.666473  mag   [ -5*log10(10pc/dL) ]
SIM_PEAKMAG:   26.78  28.54  28.42  26.27  (griz obs)
SIM_MODEL:  NONIA  10  (name index)
SEARCH_PEAKMJD:   56214.434
# TERSE LIGHT CURVE OUTPUT:
NOBS: 3
NVAR: 7
VARLIST:  MJD  FLT FIELD   FLUXCAL   FLUXCALERR   MAG   SIM_MAG
OBS:  56176.160  z NULL   1.337e+00   3.581e+00   27.184   59.034
DETECTION:  6 MJDs satisfy g+r+i+z
OBS:  56171.051  g NULL  -3.679e+01   7.809e+01   99.000   99.055
OBS:  56172.039  r NULL   4.410e+00   1.758e+01   99.000   98.914
END:
"""


def parse(text: str, **aliases: str) -> LightCurve:
    return parse_light_curve(text, "x.DAT", aliases)


def replaced(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def test_columns_and_header_are_read_whatever_stands_between_rows():
    curve = parse(TEXT)
    assert curve.object_id == "17"
    np.testing.assert_array_equal(curve.mjd, [56176.160, 56171.051, 56172.039])
    assert curve.band == ["z", "g", "r"]
    np.testing.assert_array_equal(curve.flux, [1.337, -36.79, 4.41])
    np.testing.assert_array_equal(curve.flux_err, [3.581, 78.09, 17.58])
    assert curve.declared_bands == ("g", "r", "i", "z")
    assert curve.number("MWEBV") == 0.0111
    assert curve.error_of("HOST_GALAXY_PHOTO-Z") == 0.0468


def test_column_order_comes_from_varlist_and_nvar_is_not_asked():
    lines = ["SNID: x", "NVAR: 99", "VARLIST: FLUXCALERR BAND MJD FLUXCAL", "OBS: 2 g 56000 7", "END:"]
    curve = parse("\n".join(lines))
    assert (curve.mjd[0], curve.band[0], curve.flux[0], curve.flux_err[0]) == (56000.0, "g", 7.0, 2.0)


def test_undefined_is_nan_except_for_declinations():
    curve = parse(TEXT)
    assert math.isnan(curve.number("REDSHIFT_SPEC"))
    assert math.isnan(curve.number("ABSENT"))
    assert math.isnan(curve.error_of("ABSENT"))
    assert curve.number("DECL", undefined=None) == -9.0


def test_rows_without_measurement_are_left_out_and_counted():
    curve = parse(replaced("4.410e+00   1.758e+01", "-9.000e+00  -9.000e+00"))
    assert curve.n_undefined == 1
    assert curve.band == ["z", "g"]


@pytest.mark.parametrize("prefix", ["DES-", "PS1/", "SDSS-DR7/", ""])
def test_band_prefixes_are_dropped(prefix):
    text = TEXT.replace("  z NULL", f"  {prefix}z NULL").replace("  g NULL", f"  {prefix}g NULL")
    assert parse(text).band == ["z", "g", "r"]


def test_aliases_go_before_the_rule_and_apply_to_filters_too():
    curve = parse(TEXT, z="zee", g="gee")
    assert curve.band == ["zee", "gee", "r"]
    assert curve.declared_bands == ("gee", "r", "i", "zee")


def test_filters_may_be_listed_by_name():
    assert parse(replaced("FILTERS: griz", "FILTERS: DES-g,DES-r,DES-z")).declared_bands == ("g", "r", "z")


def test_without_filters_every_band_is_taken():
    assert parse(replaced("FILTERS: griz\n", "")).declared_bands == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (TEXT, "", r"x\.DAT: is empty"),
        (TEXT, " \n \n", r"x\.DAT: is empty"),
        ("END:\n", "", r"x\.DAT, line 25: is truncated: .* stops after 3 of 3 OBS rows"),
        ("END:\n", "OBS:  56173.1  g NU", r"x\.DAT, line 26: is truncated: .* stops after 4 of 3 OBS rows"),
        ("NOBS: 3", "NOBS: 4", r"x\.DAT, line 26: .* NOBS is 4 and there are 3"),
        ("NOBS: 3", "NOBS: many", r"x\.DAT, line 19: NOBS must be a number, but is 'many'"),
        ("NOBS: 3", "NOBS: nan", r"x\.DAT, line 19: NOBS must be a whole number, but is nan"),
        ("SNID:   17\n", "", r"x\.DAT: must have a `SNID:` line"),
        ("SNID:   17\n", "SNID:\n", r"x\.DAT, line 2: `SNID:` must have a value"),
        ("VARLIST:", "# VARLIST", r"x\.DAT: must have a `VARLIST:` line"),
        ("FLUXCALERR", "ERR", r"x\.DAT, line 21: missing column FLUXCALERR: VARLIST names MJD, FLT, FIELD"),
        ("FLT", "BND", r"x\.DAT, line 21: missing column FLT or BAND"),
        ("4.410e+00", "nan", r"x\.DAT, line 25: FLUXCAL must be finite, but is nan"),
        ("4.410e+00", "-inf", r"x\.DAT, line 25: FLUXCAL must be finite, but is -inf"),
        ("4.410e+00", "1e39", r"x\.DAT, line 25: FLUXCAL must be finite, but is 1e\+39"),
        ("4.410e+00", "4.4x", r"x\.DAT, line 25: FLUXCAL must be a number, but is '4\.4x'"),
        ("1.758e+01", "0.0", r"x\.DAT, line 25: FLUXCALERR must be finite and positive, but is 0\.0"),
        ("1.758e+01", "-1.5", r"x\.DAT, line 25: FLUXCALERR must be finite and positive, but is -1\.5"),
        ("1.758e+01", "1e-50", r"x\.DAT, line 25: FLUXCALERR must be finite and positive, but is 1e-50"),
        ("1.758e+01", "nan", r"x\.DAT, line 25: FLUXCALERR must be finite and positive, but is nan"),
        ("56172.039", "nan", r"x\.DAT, line 25: MJD must be finite and positive, but is nan"),
        ("98.914", "", r"x\.DAT, line 25: an OBS row must have the 7 columns of VARLIST, but has 6"),
        ("FILTERS: griz", "FILTERS: giz", r"x\.DAT, line 25: unknown band 'r': FILTERS names g, i, z"),
    ],
)
def test_broken_file_is_reported_with_its_name_and_line(old, new, message):
    with pytest.raises(InputError, match=message):
        parse(replaced(old, new))


def test_file_without_observations_is_refused():
    header = TEXT[: TEXT.index("OBS:  56176")]
    with pytest.raises(InputError, match=r"x\.DAT: has no observations"):
        parse(header.replace("NOBS: 3", "NOBS: 0") + "END:\n")
    rows = "OBS: 56171 g NULL -9 -9 99 99\n"
    with pytest.raises(InputError, match=r"x\.DAT: has no observations: flux and error of every row are -9"):
        parse(header.replace("NOBS: 3", "NOBS: 2") + rows * 2 + "END:\n")


@settings(max_examples=80, deadline=None)
@given(cut=st.integers(1, TEXT.index("END:") + 3))
def test_any_truncation_is_an_input_error(cut):
    with pytest.raises(InputError, match=r"x\.DAT.*(truncated|empty)"):
        parse(TEXT[:cut])


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"SURVEY: x\nSNID: 1\n", True),
        (b"  VARLIST: MJD\n", True),
        (b"OBS: 1 2 3\n", True),
        (b"DES_SN000017.DAT\nDES_SN000019.DAT\n", False),
        (b"IGNORE: PS15cge 57351.234 i\n", False),
        (b"NOBS: 3\nthe SNID: of", False),
        (b"\x00\xff" * 50, False),
        (b"", False),
    ],
)
def test_light_curves_are_told_from_other_files(head, expected):
    assert looks_like_light_curve(head) is expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", "II"),
        ("SN Type = II ,", "SN Type = Ia ,", "Ia"),
        ("SIM_COMMENT", "COMMENT", None),
        ("SNTYPE:  -9", "SNTYPE:  1", "II"),
    ],
)
def test_simulated_type_goes_before_spectroscopic(old, new, expected):
    assert object_type(parse(TEXT.replace(old, new) if old else TEXT), DEFAULT_TYPES) == expected


@pytest.mark.parametrize(("code", "expected"), [*DEFAULT_TYPES.items(), (0, None), (-9, None)])
def test_sntype_is_mapped_where_nothing_was_simulated(code, expected):
    text = replaced("SIM_COMMENT", "COMMENT").replace("SNTYPE:  -9", f"SNTYPE: {code}")
    assert object_type(parse(text), DEFAULT_TYPES) == expected


def test_unknown_sntype_names_line_and_known_codes():
    text = replaced("SIM_COMMENT", "COMMENT").replace("SNTYPE:  -9", "SNTYPE: 101")
    with pytest.raises(InputError, match=r"x\.DAT, line 3: SNTYPE must be one of 1 \(Ia\), .* but is 101"):
        object_type(parse(text), DEFAULT_TYPES)
    assert object_type(parse(text), {"101": "Ib"}) == "Ib"


def test_redshift_is_simulated_or_spectroscopic_but_never_photometric():
    assert redshift(parse(TEXT)) == 0.3972
    observed = replaced("SIM_REDSHIFT", "X")
    assert math.isnan(redshift(parse(observed))), "REDSHIFT_FINAL is the host's photometric redshift here"
    assert redshift(parse(observed.replace("-9.00000 +- 9.0", "0.31 +- 0.001"))) == 0.31
    assert redshift(parse(observed.replace("REDSHIFT_SPEC", "X"))) == 0.3502


def test_truth_table_keeps_numbers_texts_and_one_column_per_band():
    curves = [
        parse(TEXT),
        parse(replaced("SNID:   17", "SNID: 18").replace("SIM_MODEL:  NONIA  10", "SIM_MODEL: 3")),
    ]
    table = truth_table(curves)
    assert table["object_id"].tolist() == ["17", "18"]
    assert table["sim_dlmu"].tolist() == [41.666473] * 2
    assert table["sim_peakmag_i"].tolist() == [28.42] * 2
    assert table["sim_model"].tolist() == ["NONIA 10", "3.0"]
    assert table["search_peakmjd"].tolist() == [56214.434] * 2
    assert table["sntype"].tolist() == [-9.0] * 2


def test_template_number_is_truth_and_an_ia_has_none():
    of_template = replaced("SIM_MODEL:", "SIM_NON1a: 31   (non1a index)\nSIM_MODEL:")
    curves = [parse(of_template), parse(of_template.replace("SIM_NON1a: 31", "SIM_NON1a: 0"))]
    np.testing.assert_array_equal(truth_table(curves)["template"], [31.0, np.nan])
    assert "template" not in truth_table([parse(TEXT)])
