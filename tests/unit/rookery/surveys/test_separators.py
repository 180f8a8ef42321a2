"""Tables of Europe's spreadsheets: semicolons, tabulators, decimal commas."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import api
from rookery_ensembles import InputError

CATALOGUE = "name,zspec,mag_g,mag_err_g\na1,0.125,17.5,0.02\na2,0.25,18.25,0.03\n"
LIGHT_CURVES = (
    "id,mjd,band,flux,flux_err\na1,53000.5,g,1.5,0.25\na1,53001.5,r,2.5,0.25\na2,53000.5,g,3.5,0.5\n"
)
WRITTEN = {
    "commas": lambda text: text,
    "tabulators": lambda text: text.replace(",", "\t"),
    "semicolons": lambda text: text.replace(",", ";"),
    "decimal commas": lambda text: text.replace(",", ";").replace(".", ","),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_catalogue_is_read_however_its_fields_are_parted(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "sky.csv"
    file.write_text(WRITTEN[kind](CATALOGUE))
    columns = {"object_id": "name", "redshift": "zspec", "mag_{band}": "mag_{band}"}
    columns["mag_err_{band}"] = "mag_err_{band}"
    survey = api.ingest_catalogue(file, tmp_path / "sky", columns=columns).survey
    assert survey.objects["object_id"].tolist() == ["a1", "a2"]
    assert survey.objects["redshift"].tolist() == [0.125, 0.25]
    np.testing.assert_allclose(survey.objects["mag_g"], [17.5, 18.25])


@pytest.mark.parametrize("kind", WRITTEN)
def test_light_curves_are_read_however_their_fields_are_parted(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "curves.csv"
    file.write_text(WRITTEN[kind](LIGHT_CURVES))
    columns = {"object_id": "id", "mjd": "mjd", "band": "band", "flux": "flux", "flux_err": "flux_err"}
    api.ingest_table(file, tmp_path / "sky", columns=columns, zero_point=27.5)
    read = pd.read_parquet(tmp_path / "sky" / "observations.parquet")
    assert sorted(read["flux"].tolist()) == [1.5, 2.5, 3.5]
    assert sorted(read["mjd"].tolist()) == [53000.5, 53000.5, 53001.5]


def test_a_column_that_is_not_there_is_told_the_one_most_like_it(tmp_path: Path) -> None:
    file = tmp_path / "sky.csv"
    file.write_text(CATALOGUE)
    with pytest.raises(InputError, match="did you mean 'zspec'"):
        api.ingest_catalogue(file, tmp_path / "sky", columns={"object_id": "name", "redshift": "z_spec"})
