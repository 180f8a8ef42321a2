import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from rookery import api
from rookery.dashboard.explanations import Explanations
from rookery.explanation.attributions import attribute
from rookery.explanation.ensemble import MOST_FEATURES, Sum
from rookery.explanation.objects import choose, groups
from rookery.explanation.overlap import overlap
from rookery.explanation.subject import Subject
from rookery.inference.write_ensemble import write_ensemble
from rookery.networks.inside import seen_by_last_layer, stage_outputs
from rookery.networks.precision import LastLinear
from rookery.surveys import Survey
from rookery.surveys.equal_bins import EqualBins
from rookery.training.candidate import open_candidate
from rookery.training.card import read_card
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import Classes, InputError

WEIGHTS = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 0.25]])
"""Of two classes and three bands: the log-odds of the second are -x0 + 3 x1 - 0.25 x2."""


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Identity())
        self.last = LastLinear(3, 2, bias=False)
        self.last.weight = nn.Parameter(torch.tensor(WEIGHTS, dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x))


def linear_subject(images: bool = False) -> Subject:
    network = Linear()
    if images:  # each band is the sum over its pixels
        predict: Callable[..., Any] = lambda net, inputs: net(inputs["flux"].sum((2, 3))).softmax(1)  # noqa: E731
        values = torch.linspace(-0.01, 0.02, 4 * 3 * 20 * 20).reshape(4, 3, 20, 20)
    else:
        predict = lambda net, inputs: net(inputs["flux"] * inputs["mask"]).softmax(1)  # noqa: E731
        values = torch.tensor([[0.5, 0.2, 1.0], [1.0, 0.0, -1.0], [-0.3, 0.1, 2.0], [0.4, 0.5, 0.6]])
    inputs = {"flux": values, "mask": (values != 0).float()}
    family = SimpleNamespace(predict=predict)
    card = SimpleNamespace(target=Classes(("Ia", "non-Ia")), bands=("g", "r", "i"))
    member: Any = SimpleNamespace(card=card, family=family, network=network)
    objects = pd.DataFrame({"object_id": list("abcd"), "type": ["Ia", "II", None, "Ia"], "redshift": np.nan})
    info = SimpleNamespace(kind="light_curves", image=None)
    survey = Survey(Path("s"), info, objects)  # type: ignore[arg-type]
    with torch.inference_mode():
        probability = predict(network, inputs).numpy()
    return Subject(member, None, survey, inputs, probability, np.zeros((4, 2), np.float32))


def test_attributions_of_a_linear_network_are_its_weights_times_its_inputs() -> None:
    subject = linear_subject()
    x = subject.inputs["flux"].numpy().astype(np.float64)
    found = attribute(subject, np.arange(4), np.ones(4, dtype=np.int64))
    wanted = (WEIGHTS[1] - WEIGHTS[0]) * x
    np.testing.assert_allclose(found.answer, wanted.sum(1), rtol=1e-5)
    known = x != 0
    from_mean = (WEIGHTS[1] - WEIGHTS[0]) * (x - x.sum(0) / known.sum(0)) * known
    np.testing.assert_allclose(found.gradients, from_mean, atol=1e-5)
    np.testing.assert_allclose(found.remainder, 0, atol=1e-5)
    np.testing.assert_allclose(found.by_band, wanted, atol=1e-5)
    np.testing.assert_allclose(found.occlusion, wanted, atol=1e-5)


def test_attributions_of_pixels_add_up_and_patches_hide_all_bands() -> None:
    subject = linear_subject(images=True)
    x = subject.inputs["flux"].numpy().astype(np.float64)
    found = attribute(subject, np.arange(2), np.ones(2, dtype=np.int64))
    weighted = (WEIGHTS[1] - WEIGHTS[0])[:, None, None] * x[:2]
    inside = np.abs(weighted.sum((1, 2, 3))) < 12  # beyond, probabilities are cut at a millionth
    assert inside.all()
    np.testing.assert_allclose(found.gradients, weighted, atol=1e-4)
    np.testing.assert_allclose(found.by_band, weighted.sum((2, 3)), atol=1e-3)
    patch = weighted[:, :, :2, :2].sum((1, 2, 3))  # 20 pixels a side are ten patches of two
    np.testing.assert_allclose(
        found.occlusion[:, :, :2, :2], patch[:, None, None, None] + np.zeros((1, 3, 2, 2)), atol=1e-3
    )


def test_attributions_of_an_ensemble_are_the_means_of_its_networks_by_weight() -> None:
    one = attribute(linear_subject(images=True), np.arange(2), np.ones(2, dtype=np.int64))
    other = replace(one, **{name: 3 * getattr(one, name) for name in vars(one) if name != "rows"})
    smaller = replace(other, gradients=other.gradients[..., :4], occlusion=other.occlusion[..., :4])
    found = Sum()
    for share, each in ((0.5, one), (0.25, other), (0.25, smaller)):
        found.add(share, each)
    mean = found.mean()
    assert found.alike == 0.75, "the last one has images of another shape"
    np.testing.assert_allclose(mean.answer, 2 * one.answer)
    np.testing.assert_allclose(mean.by_band, 2 * one.by_band, rtol=1e-5)
    for name in ("gradients", "occlusion", "remainder"):
        wanted = (0.5 + 3 * 0.25) / 0.75 * getattr(one, name)
        np.testing.assert_allclose(getattr(mean, name), wanted, rtol=1e-5, atol=1e-7)


def test_a_sample_like_another_has_an_auc_of_a_half_and_one_far_away_of_one() -> None:
    features = np.random.default_rng(0).normal(size=(600, 5))
    first = np.arange(600) < 300
    same = overlap(features, first, ~first, ("a", "b"))
    assert same is not None
    assert abs(same.auc - 0.5) < 3 * same.error
    apart = overlap(features + 9 * first[:, None], first, ~first, ("a", "b"))
    assert apart is not None
    assert apart.auc > 0.999
    assert overlap(features, np.arange(600) < 24, ~first, ("a", "b")) is None


def test_objects_are_chosen_by_rule_or_by_name() -> None:
    subject = linear_subject()
    grouped = groups(subject)
    assert {name: rows.tolist() for name, rows in grouped.items()} == {"Ia": [0, 3], "non-Ia": [1]}
    chosen = choose(subject, (), grouped)
    assert len({one.row for one in chosen}) == len(chosen) > 1
    assert [(one.row, one.rule) for one in choose(subject, ("c", "a", "c"), grouped)] == [
        (2, "asked for"), (0, "asked for"),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"^s: `objects`: 'e' is none of its 4 objects"):
        choose(subject, ("e",), grouped)


def test_a_network_without_one_last_layer_has_no_features() -> None:
    network = nn.Sequential(LastLinear(3, 3), LastLinear(3, 2))
    with pytest.raises(InputError, match="Sequential has 2 layers of the kind `LastLinear`"):
        seen_by_last_layer(network, lambda: network(torch.zeros(1, 3)))


def test_stages_are_the_parts_of_sequences() -> None:
    network = nn.Sequential()
    network.body = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))  # type: ignore[assignment]
    network.head = nn.Linear(4, 2)  # type: ignore[assignment]
    found = stage_outputs(network.eval(), lambda: network(torch.ones(1, 3)))
    assert {name: tuple(values.shape) for name, values in found.items()} == {
        "body.0": (1, 4), "body.1.0": (1, 4), "head": (1, 2),
    }  # fmt: skip


@pytest.fixture(scope="module")
def members(
    tiny_survey: Survey,
    tiny_galaxies: Survey,
    make_job: Callable[..., TrainingJob],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Path, Survey]]:
    """A network of every family that ships, and the survey that it learned from."""
    folder = tmp_path_factory.mktemp("members")
    galaxies = {
        "survey": str(tiny_galaxies.path),
        "survey_checksum": tiny_galaxies.checksum,
        "class_names": None,
        "redshift_bins": EqualBins(low=0, high=0.4, number=12),
    }
    small = {
        "photoz_mlp": {"width": 16, "hidden_layers": 2},
        "photoz_cnn": {"image_size": 16, "width": 0.1, "units": 32},
    }
    jobs = {"pelican": (make_job(configuration={"epochs": 3}), tiny_survey)}
    for family, values in small.items():
        job = make_job(family=family, **galaxies)
        jobs[family] = (
            job.model_copy(update={"configuration": {"epochs": 2, "batch_size": 16, **values}}),
            tiny_galaxies,
        )
    found = {}
    for family, (job, survey) in jobs.items():
        train_member(job, folder / family, folder / "running", lambda *_: None, device="cpu")
        found[family] = folder / family, survey
    return found


@pytest.mark.slow
@pytest.mark.parametrize("family", ["pelican", "photoz_cnn", "photoz_mlp"])
def test_a_network_is_explained(family: str, members: dict[str, Any], tmp_path: Path) -> None:
    folder, survey = members[family]
    page = api.explain(
        folder, survey.path, tmp_path / "out", split="half", mapped=60, averaged=4, device="cpu",
    )  # fmt: skip
    told = json.loads((page.parent / "metrics.json").read_text())
    assert all((page.parent / name).is_file() for name in told["files"])
    table = pq.read_table(page.parent / "features.parquet")
    assert len(table) == len(survey)
    assert table.column("features").type.list_size == told["features"]
    assert set(table.column("role").to_pylist()) == {"train", "test"} | set(table.column("role").to_pylist())
    assert np.isfinite(table.column("pca_1").to_numpy()).all()
    assert np.isfinite(table.column("tsne_1").to_numpy()).sum() == 60
    assert {one["among"] for one in told["overlap"]} >= {"all"}
    assert all(0 <= one["auc"] <= 1 for one in told["overlap"])
    rows = pq.read_table(page.parent / "attributions.parquet").to_pylist()
    assert {row["method"] for row in rows} == {"integrated_gradients", "occlusion", "occlusion_of_bands"}
    assert all(len(row["values"]) == np.prod(row["shape"]) for row in rows)
    assert any(np.abs(row["values"]).max() > 0 for row in rows)
    html = page.read_text()
    assert html.count('<img src="data:image/png;base64,') == 2 * len(told["objects"]) + len(told["by_band"])
    assert 'src="http' not in html
    thinned = {one["part"]: one["median"] for one in told["thinned"] if one["objects"] == "all"}
    assert bool(thinned) is (family == "pelican")
    if thinned:
        assert thinned[0.1] > thinned[0.9]
    one = told["objects"][0]["object_id"]
    (seen,) = Explanations([tmp_path]).all().values()
    assert (seen.survey, one in seen.objects) == (survey.checksum, True)
    assert seen.weights == {read_card(folder).weights}
    fewer = {"mapped": 30, "averaged": 1, "device": "cpu", "overwrite": True}
    api.explain(folder, survey.path, tmp_path / "out", objects=[one], **fewer)
    again = json.loads((page.parent / "metrics.json").read_text())
    assert [(each["object_id"], each["rule"]) for each in again["objects"]] == [(one, "asked for")]


@pytest.mark.slow
def test_a_whole_ensemble_is_explained(
    members: dict[str, Any], make_job: Callable[..., TrainingJob], tmp_path: Path
) -> None:
    """Two networks, one of which sees light curves with half as many columns."""
    folder, survey = members["pelican"]
    job = make_job(member="0001", configuration={"epochs": 1, "days_per_column": 16, "features": 5})
    train_member(job, tmp_path / "0001", tmp_path / "running", lambda *_: None, device="cpu")
    candidates = [open_candidate(path, path.name) for path in (folder, tmp_path / "0001")]
    bundle, _ = write_ensemble(candidates, tmp_path / "bundle", domain=None, provenance={}, by="mean")
    page = api.explain(bundle.path, survey.path, tmp_path / "out", mapped=30, averaged=2, device="cpu")
    told = json.loads((page.parent / "metrics.json").read_text())
    assert set(told["members"].values()) == {0.5}
    assert (told["features"], told["averaged_by_place"]) == (8 + 5, 0.5)
    assert told["features"] < MOST_FEATURES
    words = " ".join(page.read_text().split())
    assert "means over 2 networks, by weight (by date and pixel, over 50% of the weight)" in words
    first, shown = str(told["member"]), [told["objects"][0]["object_id"]]
    api.explain(
        bundle.path, survey.path, tmp_path / "one", member=first, objects=shown, averaged=1, device="cpu"
    )
    both = [pq.read_table(path / "features.parquet")["features"] for path in (page.parent, tmp_path / "one")]
    whole, alone = (np.array(features.to_pylist()) for features in both)
    np.testing.assert_allclose(whole[:, : alone.shape[1]], alone, rtol=1e-5)


@pytest.mark.slow
def test_what_cannot_be_explained_is_one_error(
    members: dict[str, Any], tiny_galaxies: Survey, tmp_path: Path
) -> None:
    folder, survey = members["pelican"]
    out = tmp_path / "out"
    with pytest.raises(InputError, match="`objects`: 'nobody' is none of its 200 objects"):
        api.explain(folder, survey.path, out, objects=["nobody"])
    with pytest.raises(InputError, match="`member` names one of a bundle's, but this is a member itself"):
        api.explain(folder, survey.path, out, member="0001")
    with pytest.raises(InputError, match="is neither an ensemble bundle nor a member"):
        api.explain(tmp_path, survey.path, out)
    with pytest.raises(
        InputError, match="`pelican` needs a survey of light_curves, but this one holds images"
    ):
        api.explain(folder, tiny_galaxies.path, out)
    (out / "mine").mkdir(parents=True)
    (out / "mine" / "file").write_text("kept")
    with pytest.raises(InputError, match="has none: choose another name"):
        api.explain(folder, survey.path, out, overwrite=True)
