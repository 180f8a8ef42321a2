from pathlib import Path

import pytest

from rookery.inference.priors import training_fractions
from rookery_ensembles import BundleMember, Classes, InputError, RedshiftBins, write_bundle


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"target": RedshiftBins((0.0, 0.2, 0.4))},
            "class fractions need class probabilities, but found redshift PDFs",
        ),
        ({"target": Classes(("Ia", "non-Ia"))}, "`class_fractions` is missing"),
    ],
)
def test_a_bundle_without_class_fractions_cannot_correct_them(tmp_path: Path, columns, message: str) -> None:
    member = tmp_path / "member"
    member.mkdir()
    for name in ("weights.safetensors", "config.yaml", "card.json"):
        (member / name).write_bytes(b"x")
    members = [BundleMember("a", member, 1.0)]
    bundle = write_bundle(tmp_path / "bundle", members=members, scores={}, provenance={}, **columns)
    with pytest.raises(InputError, match=message):
        training_fractions(bundle)
