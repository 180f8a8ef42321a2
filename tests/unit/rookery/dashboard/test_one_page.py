"""`rookery report`: one page, with everything inside, of real studies, campaigns and bundles."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from rookery import api
from rookery_ensembles import Classes, InputError, PredictionInfo, Predictions, write_predictions

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"
_LINK = re.compile(r"""(?:src|href)\s*=\s*["']?(?!#)""")


def page(what: Path, tmp_path: Path) -> str:
    out = api.report(what, tmp_path / "page.html")
    return out.read_text(encoding="utf-8")


def body(text: str) -> str:
    """Return the page without plotly's own code."""
    return text[text.index("<main>") : text.index("</main>")]


def test_a_study_has_its_best_trials_curves_and_failures(tmp_path: Path) -> None:
    text = page(FILES / "studies" / "classes", tmp_path)
    told = api.status(FILES / "studies" / "classes")
    assert isinstance(told, dict)
    shown = body(text)
    assert "<title>pelican on" in text
    assert f"{told['best']['value']:.5g}" in shown
    assert told["first_error"].split(":")[0] in shown
    assert "learning_rate" in shown
    assert 'id="plot-best"' in shown
    assert 'id="plot-curves"' in shown
    assert '"best so far"' in text, "the figures' data are inside"
    assert re.search(r"\d{4}-\d\d-\d\d", shown)


def test_a_campaign_has_its_table(tmp_path: Path) -> None:
    text = page(FILES / "campaign", tmp_path)
    shown = body(text)
    assert "9 of 9" in shown
    assert "half / plain" in shown
    assert "±" in shown
    assert "simulated data" in shown
    assert len(text) < 100_000, "without a figure it has no plotly"


def test_a_bundle_has_its_scores_and_weights(tmp_path: Path) -> None:
    shown = body(page(FILES / "studies" / "classes" / "ensemble", tmp_path))
    manifest = yaml.safe_load((FILES / "studies" / "classes" / "ensemble" / "ensemble.yaml").read_text())
    assert "selected calibrated" in shown
    for member in manifest["members"]:
        assert member["id"] in shown


def test_a_bundle_that_nobody_judged_says_so(tmp_path: Path) -> None:
    info = PredictionInfo(Classes(("Ia", "non-Ia")), member="x")
    for name in ("trees", "networks"):
        made = Predictions(info, np.array(["1", "2"]), None, np.full((2, 2), 0.5, np.float32))
        write_predictions(made, tmp_path / f"{name}.parquet")
    files = [tmp_path / "trees.parquet", tmp_path / "networks.parquet"]
    bundle = api.combine(files, out=tmp_path / "bundle", by="mean").bundle
    shown = body(page(bundle.path, tmp_path))
    assert "None: no object of known truth judged it." in shown
    assert "Validation scores" not in shown


@pytest.mark.parametrize("what", ["studies/classes", "campaign", "studies/classes/ensemble"])
def test_a_page_refers_to_nothing_outside(what: str, tmp_path: Path) -> None:
    text = page(FILES / what, tmp_path)
    assert _LINK.findall(body(text)) == []
    assert "<link" not in text
    assert re.findall(r"<script[^>]+src", text) == []


def test_names_with_html_in_them_are_shown_as_they_are(tmp_path: Path) -> None:
    study = Path(shutil.copytree(FILES / "studies" / "classes", tmp_path / "a <b>bold</b> study"))
    shown = body(page(study, tmp_path))
    assert "<b>bold" not in shown
    assert "&lt;b&gt;bold" in shown


def test_what_is_none_or_damaged_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no study, campaign or bundle: it has none of"):
        api.report(tmp_path, tmp_path / "page.html")
    with pytest.raises(InputError, match=r"ends in \.html, but this one ends in \.pdf"):
        api.report(FILES / "campaign", tmp_path / "page.pdf")
    campaign = Path(shutil.copytree(FILES / "campaign", tmp_path / "c"))
    (campaign / "table.json").write_text('{"lines": [3]}')
    with pytest.raises(InputError, match=r"table\.json"):
        api.report(campaign, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
