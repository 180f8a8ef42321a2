"""What no network of a space could be trained on is refused before Ray starts, with what to fix instead."""

from dataclasses import replace

import pytest

from rookery.networks.family import load_family
from rookery.search.creation import create_or_open_study
from rookery.search.space import find_space, load_space
from rookery.surveys import open_survey
from rookery_ensembles import RedshiftBins
from rookery_ensembles.errors import InputError

TARGET = RedshiftBins.equal(0.0, 0.4, 8)


@pytest.mark.parametrize(
    ("drop", "fixed", "rule"),
    [
        ("mwebv", {"image_size": 20}, r"need the covariate 'mwebv' \(`mwebv: True`\).*--set mwebv=false"),
        ("", {"image_size": 32}, r"need cutouts of 32 pixels.*but its have 20: --set image_size=20"),
    ],
)
def test_a_covariate_or_pixels_that_are_not_there(tiny_galaxies, tmp_path, drop, fixed, rule):
    path = find_space("photoz_cnn_small")
    family = load_family(load_space(path).family)
    space = load_space(path, family.configuration).fix(fixed, family.configuration)
    survey = open_survey(tiny_galaxies.path)
    survey = replace(survey, objects=survey.objects.drop(columns=[drop] if drop else []))
    with pytest.raises(InputError, match=rule):
        create_or_open_study(tmp_path / "s", space, survey, "half", target=TARGET)
    assert not (tmp_path / "s").exists()
