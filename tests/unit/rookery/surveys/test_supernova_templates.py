"""Core-collapse templates in the simulator, from files in SNANA's format."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from rookery.surveys import simulate_supernovae
from rookery.surveys.simulators.filters import WAVELENGTH
from rookery_ensembles import InputError

pytest.importorskip("sncosmo")
pytest.importorskip("speclite")

from rookery.surveys.simulators.supernovae.templates import template_surfaces


def written(folder: Path, name: str, kind: str, decline: float) -> Path:
    """Write a template that is flat in wavelength, brightest on day 12, and fades by e in `decline` days."""
    folder.mkdir(exist_ok=True)
    lines = [f"# SNTYPE: {kind}"]
    for day in np.arange(0.0, 80.0, 4.0):
        light = (day / 12) ** 2 if day < 12 else np.exp(-(day - 12) / decline)
        lines += [f"{day:.1f} {wavelength:.1f} {light:.6e}" for wavelength in (1500.0, 6000.0, 11500.0)]
    path = folder / name
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_templates_of_a_type_are_variants_that_are_brightest_on_day_zero(tmp_path: Path) -> None:
    written(tmp_path, "a.SED.gz", "IIP", 100.0)
    written(tmp_path, "b.SED.gz", "IIP", 20.0)
    written(tmp_path, "c.SED.gz", "Ic", 15.0)
    found = template_surfaces(str(tmp_path))
    assert {kind: surface.variants.tolist() for kind, surface in found.items()} == {"IIP": [0, 1], "Ic": [0]}
    surface = found["IIP"]
    middle = int(np.searchsorted(WAVELENGTH, 5000.0))
    light = surface.spectrum[:, :, middle]
    day = {int(value): row for row, value in enumerate(surface.coordinate)}
    np.testing.assert_allclose(light[day[0]], 1.0, rtol=1e-5)
    np.testing.assert_allclose(light[day[20]], np.exp([-20 / 100, -20 / 20]), rtol=1e-4)
    assert (light[day[-13]] == 0).all(), "dark before the template begins"
    behind = light[day[114]] / light[day[64]]  # the last day is 76 - 12
    np.testing.assert_allclose(behind, 10 ** (-0.4 * 1.4 * 50 / 100), rtol=1e-4)


@pytest.mark.slow
def test_a_survey_has_the_templates_light_curves_and_tells_of_them(tmp_path: Path) -> None:
    for kind in ("IIP", "IIL", "IIn", "Ib", "Ic"):
        written(tmp_path / "slow", f"{kind}.SED.gz", kind, 90.0)
        written(tmp_path / "fast", f"{kind}.SED.gz", kind, 8.0)
    durations = {}
    for name in ("slow", "fast"):
        survey = simulate_supernovae(
            tmp_path / f"survey-{name}", n=120, seed=1, templates=tmp_path / name, processes=1
        )
        assert survey.info.provenance["templates"] == dict.fromkeys(("IIL", "IIP", "IIn", "Ib", "Ic"), 1)
        arrays = survey.observation_arrays()
        others = np.flatnonzero(survey.objects["type"] != "Ia")
        assert len(others) > 10
        late = []
        for row in others:
            own = arrays.rows(int(row))
            days = (arrays.mjd[own] - survey.truth()["sim_peak_mjd"][row]) / (
                1 + survey.objects["redshift"][row]
            )
            flux = arrays.flux[own]
            if (days > 30).any() and (np.abs(days) < 8).any():
                late.append(flux[days > 30].mean() / flux[np.abs(days) < 8].mean())
        durations[name] = float(np.median(late))
    assert durations["slow"] > 0.3
    assert durations["fast"] < 0.2
    plain = simulate_supernovae(tmp_path / "plain", n=120, seed=1, processes=1)
    assert "templates" not in plain.info.provenance


def test_what_is_no_template_is_refused_by_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`templates` must be a folder of templates, but there is none"):
        simulate_supernovae(tmp_path / "s", n=3, templates=tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no file \*.SED"):
        simulate_supernovae(tmp_path / "s", n=3, templates=tmp_path / "empty")
    bad = {
        "no type": ("1 2 3\n", "SNTYPE: TYPE` must name one of IIP, .* has no such line"),
        "other type": ("# SNTYPE: Ia\n1 2 3\n", "found 'Ia'"),
        "words": ("# SNTYPE: Ib\n1 2 three\n", "every line must be three numbers"),
        "columns": ("# SNTYPE: Ib\n1 2\n1 3\n", "the table has shape"),
        "gaps": ("# SNTYPE: Ib\n0 4000 1\n0 5000 1\n1 4000 1\n", "3 lines of 2 days and 2 wavelengths"),
        "dark": ("# SNTYPE: Ib\n0 10 1\n0 20 1\n1 10 1\n1 20 1\n", "must have light between"),
    }
    for name, (text, message) in bad.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "x.SED").write_text(text)
        with pytest.raises(InputError, match=message):
            simulate_supernovae(tmp_path / "s", n=3, templates=folder)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.SED.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read as a template's text"):
        simulate_supernovae(tmp_path / "s", n=3, templates=tmp_path / "broken")
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_templates_of_snana_are_read(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    for file in sorted((shared_data / "sn_models").glob("SDSS-*.SED.gz")):
        shutil.copy(file, folder)
    found = template_surfaces(str(folder))
    assert {kind: len(one.variants) for kind, one in found.items()} == {"IIP": 5, "IIn": 2, "Ib": 1, "Ic": 5}
    assert all(np.isfinite(one.spectrum).all() and (one.spectrum >= 0).all() for one in found.values())
