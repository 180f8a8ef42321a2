"""The model card of a bundle says what the bundle is, in Markdown that names cannot break."""

from pathlib import Path

import numpy as np
import pytest

from rookery_ensembles import (
    BundleMember,
    Classes,
    ConformalSets,
    InputError,
    RedshiftBins,
    TemperatureCalibration,
    load_bundle,
    write_bundle,
)
from rookery_ensembles.conformal import coverage_spread
from rookery_ensembles.domain import Domain
from rookery_ensembles.files import sha256
from rookery_ensembles.model_card import FILE


def made(tmp_path: Path, make_member, **changes) -> str:
    arguments = {
        "members": [BundleMember("0003-f0", make_member(tmp_path, "0003-f0"), 1.0)],
        "target": Classes(("Ia", "non-Ia")),
        "calibration": TemperatureCalibration(2.0),
        "scores": {"selected": {"log_loss": 0.25, "auc": float("nan")}},
        "provenance": {
            "study": "x | y\n# <script>",
            "by": "em",
            "version": "9.9",
            "networks": {"0003-f0": {"trial": 3, "fold": 0, "configuration": "abc", "survey": "fed"}},
            "calibrated_on": {"objects": 77, "sha256": "0" * 64},
        },
    }
    bundle = write_bundle(tmp_path / "bundle", **{**arguments, **changes})
    return (bundle.path / FILE).read_text()


def test_the_chain_from_a_member_to_its_scores_is_told(make_member, tmp_path: Path) -> None:
    card = made(tmp_path, make_member, bands=["g", "r"])
    bundle = load_bundle(tmp_path / "bundle")
    digest = sha256(bundle.member_folders()[0] / "weights.safetensors")
    assert f"| 0003-f0 | 1.0000 | 3 | 0 | abc | fed | `{digest}` |" in card
    assert bundle.digest in card
    assert "77 validation objects" in card
    assert "| selected |  | 0.25 |" in card
    for told in ("temperature 2", "bands g, r", "chosen by `em`", "Made by Rookery 9.9", "Ia, non-Ia"):
        assert told in card


def test_what_a_bundle_tells_cannot_break_the_card(make_member, tmp_path: Path) -> None:
    card = made(tmp_path, make_member)
    assert "- study: x \\| y # &lt;script&gt;\n" in card
    assert card.count("\n# ") == 0


def test_what_limits_of_so_many_objects_cover_is_told(make_member, tmp_path: Path) -> None:
    limits = ConformalSets((0.68, 0.95), {"all": (0.3, 0.6)}, {"all": 500})
    card = made(tmp_path, make_member, conformal=limits)
    low, high = coverage_spread(500, 0.95)
    assert "Conformal limits at 68 % and 95 %, from 500 objects. Such limits cover 63.9 to 72.1 %" in card
    assert f"and {100 * low:.1f} to {100 * high:.1f} % of new objects" in card


def test_the_domain_and_the_lack_of_one_are_told(make_member, tmp_path: Path) -> None:
    domain = Domain.of({"mag_r": np.linspace(18, 22, 50)}, {"r": np.zeros(50, bool)})
    card = made(tmp_path / "a", make_member, target=RedshiftBins.equal(0, 0.4, 8), calibration=None,
                domain=domain, provenance={}, scores={})  # fmt: skip
    low, high = domain.ranges["mag_r"]
    assert f"| mag_r | {low:.5g} | {high:.5g} |" in card
    assert "8 redshift bins from 0 to 0.4" in card
    assert "does not tell what its training objects were like" in made(tmp_path / "b", make_member)


def test_a_card_may_be_gone_or_written_anew_but_is_no_link(make_member, tmp_path: Path) -> None:
    made(tmp_path, make_member)
    file = tmp_path / "bundle" / FILE
    file.write_text("mine")
    load_bundle(tmp_path / "bundle")
    file.unlink()
    load_bundle(tmp_path / "bundle")
    file.symlink_to(tmp_path)
    with pytest.raises(InputError, match="must not hold links"):
        load_bundle(tmp_path / "bundle")
