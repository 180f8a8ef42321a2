"""Campaign files: what they say, what they mean, and one clear line for each mistake."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from rookery import api
from rookery.campaigns.document import Bins
from rookery.campaigns.load import find_campaign, load_campaign
from rookery.campaigns.plan import Folders, Price, describe_plan
from rookery.campaigns.prepare import check_options, prepare, split_name
from rookery.campaigns.scores import edges_of, slug
from rookery.surveys import open_survey
from rookery_ensembles.errors import InputError

GOOD = """\
name: small
surveys:
  sky: {simulate: supernovae, n: 200, seed: 1}
  other: {path: elsewhere}
defaults:
  family: pelican
  members: 2
  seed: 5
  configuration: {epochs: 2, features: 8}
experiments:
  half:
    survey: sky
    split: {train_fraction: 0.5}
  few:
    survey: sky
    split: {train_fraction: 0.5, max_train: 40}
    max_test: 50
    members: 1
    configuration: {epochs: 3, features: 4}
rows:
  - {name: baseline, baseline: binned-trees}
  - {name: plain, configuration: {features: 16}}
  - {name: + autoencoder, add: {autoencoder: true}}
  - {name: + dropout, add: {dropout: 0.5}, members: 3}
  - {name: wide, from: plain, add: {features: 32}}
  - {name: all, ensemble_of: [plain, wide]}
table: {columns: [accuracy, auc]}
published:
  name: them
  source: a paper
  rows:
    - {experiment: few, training_size: 40, test_size: 50, metrics: {accuracy: 0.9}}
"""


def write(folder: Path, text: str = GOOD) -> Path:
    path = folder / "campaign.yaml"
    path.write_text(text)
    return path


def test_a_row_adds_to_the_row_above_or_to_the_one_it_names(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path))
    half, few = campaign.document.experiments["half"], campaign.document.experiments["few"]
    found = {row.name: campaign.configuration(half, row) for row in campaign.document.rows if row.is_network}
    assert found == {
        "plain": {"epochs": 2, "features": 16},
        "+ autoencoder": {"epochs": 2, "features": 16, "autoencoder": True},
        "+ dropout": {"epochs": 2, "features": 16, "autoencoder": True, "dropout": 0.5},
        "wide": {"epochs": 2, "features": 32},
    }
    plain = campaign.row("plain")
    assert campaign.configuration(few, plain) == {"epochs": 3, "features": 16}, "a row beats its experiment"
    assert campaign.seeds(half, plain) == [5, 6]
    assert campaign.seeds(few, plain) == [5]
    assert campaign.seeds(few, campaign.row("+ dropout")) == [5, 6, 7], "a row's own number counts most"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[plain, wide]}", "[plain, wide], covariates: [mwebv]}", 26, "`rows.5.covariates`: are for what"),
        ("[plain, wide]}", "[plain, wide], calibration: local}", 26, "`rows.5.calibration`: must be one of"),
        ("{features: 16}}", "{features: 16}, groups: mwebv}", 22, "`rows.1`: `groups` goes with"),
        ("members: 2", "membres: 2", 7, "`defaults.membres`: is not a known key"),
        ("family: pelican", "family: pelikan", 6, "`defaults.family`: .*`pelikan` is no family"),
        ("epochs: 2,", "epoch: 2,", 9, "`defaults.configuration.epoch`: is not a known key"),
        ("epochs: 3,", "epochs: 0,", 19, "`experiments.few.configuration.epochs`: .*but found 0"),
        ("dropout: 0.5", "dropout: 2", 24, "`rows.3.add.dropout`: .*but found 2"),
        ("    survey: sky\n    split: {train_fraction: 0.5}", "    survey: sea\n    split: half", 12,
         r"`experiments.half.survey`: must be a survey \(sky, other\), but found 'sea'"),
        ("wide]", "wise]", 26, r"`rows.5.ensemble_of.1`: must be a row that trains networks .*found 'wise'"),
        ("from: plain", "from: plan", 25, r"`rows.4.from`: `plan` is no row that trains networks"),
        ("from: plain", "from: wide", 25, r"`rows.4.from`: starts from itself \(wide <- wide\)"),
        ("configuration: {features: 16}}", "from: wide, add: {}}", 22,
         r"`rows.1.from`: starts from itself \(plain <- wide <- plain\)"),
        ("configuration: {features: 16}}", "add: {features: 16}}", 22, "`rows.1.add`: .*needs a network row"),
        ("wide]", "wide], by: best", 26, r"`rows.5.by`: .*'auto', 'mean', 'greedy'.*but found 'best'"),
        ("from: plain", "from: plain, by: auto", 25, "`rows.4`: `by` goes with `ensemble_of` alone"),
        ("name: wide", "name: plain", 25, "`rows.4.name`: every row needs its own, but found 'plain'"),
        ("baseline: binned-trees}", "baseline: x, add: {}}", 21, "`rows.0`: needs exactly one of"),
        ("[accuracy, auc]", "[accuracy, auk]", 27, "`table.columns`: must be metrics .*but found 'auk'"),
        ("experiment: few", "experiment: fwe", 32, r"`published.rows.0.experiment`: must be an experiment"),
        ("accuracy: 0.9", "acuracy: 0.9", 32, "`published.rows.0.metrics`: must be metrics .*'acuracy'"),
        ("path: elsewhere", "path: elsewhere, n: 3", 4, "`surveys.other`: a survey given by its path"),
        ("path: elsewhere", "", 4, "`surveys.other`: needs exactly one of path, simulate, ingest and merge"),
        ("members: 1", "rows: [all, plain]", 18, "`experiments.few.rows`: `all` needs the rows wide too"),
        ("members: 1", "test_survey: other", 18, "`experiments.few.test_survey`: baselines predict"),
        ("ensemble_of: [plain", "average_of: [plane", 26,
         r"`rows.5.average_of.0`: must be a row that trains networks or a baseline .*found 'plane'"),
        ("[accuracy, auc]", "[accuracy, auc], differences: [[plain, wise]]", 27,
         r"`table.differences.0.1`: must be a row .*but found 'wise'"),
        ("[accuracy, auc]", "[accuracy, auc], between: [[half, fwe]]", 27,
         r"`table.between.0.1`: must be an experiment \(half, few\), but found 'fwe'"),
        ("[accuracy, auc]", "[accuracy, auc], bins: {column: redshift}", 27,
         "`table.bins`: needs one of `edges` and `parts`"),
        ("[accuracy, auc]", "[accuracy, auc], replicates: 5", 27,
         "`table`: `replicates` must be at least 20"),
        ("name: all,", "name: all, without_widest: 0.2,", 26,
         "`rows.5.without_widest`: is about PDFs of redshift"),
        ("name: all,", "name: all, correct_priors: 3,", 26,
         "`rows.5.correct_priors`: .*found 3"),
        ("seed: 5", "seed: 5\n  compile: always\n  workers_per_network: 2", 5,
         "`defaults`: `compile` always needs networks that one process trains"),
        ("members: 1", "test_split: x", 14, "`experiments.few`: `test_split` goes with `test_survey` alone"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(InputError, match=rf"campaign\.yaml, line {line}: {message}"):
        load_campaign(write(tmp_path, GOOD.replace(old, new, 1)))


def test_bins_in_parts_have_equally_many_objects_and_the_brightest_and_faintest() -> None:
    values = np.array([19.0, 21.0, 20.0, np.nan, 24.0, 22.0, 23.0])
    edges = edges_of(Bins(column="mag_i", parts=3), values)
    assert np.histogram(values[np.isfinite(values)], edges)[0].tolist() == [2, 2, 2]
    assert edges[0] == 19.0
    assert edges[-1] > 24.0
    assert edges_of(Bins(column="mag_i", edges=(0.0, 1.0)), values) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n: 200", "m: 200", "`surveys.sky.m`: is not a known key; those are n, seed"),
        (
            "path: elsewhere",
            "merge: [sky, sky], prefix: true",
            "`surveys.other.prefix`: is not a known key; those are origins, prefix_ids",
        ),
        (
            "path: elsewhere",
            "merge: [sky, sky], split: {max: 3}",
            "`surveys.other.split.max`: is not a known",
        ),
        ("path: elsewhere", "merge: [sky, sea]", "`surveys.other.merge.1`: must be a survey .*'sea'"),
        (
            "path: elsewhere",
            "merge: [sky, other]",
            r"`surveys.other.merge.1`: must be a survey above \(sky\)",
        ),
        ("n: 200, ", "", "`surveys.sky`: `n` is required"),
        ("simulate: supernovae", "simulate: quasars", "`surveys.sky.simulate`: must be one of .*supernovae"),
        ("max_train: 40", "max_trian: 40", "`experiments.few.split.max_trian`: .*those are train_ids, "),
        (
            "baseline: binned-trees}",
            "baseline: binned-trees, options: {trees: 1}}",
            "`rows.0.options.trees`: is not",
        ),
    ],
)
def test_a_typo_among_the_arguments_of_a_verb_stops_before_anything_starts(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"campaign\.yaml, line \d+: {message}"):
        api.campaign(path, out=tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists()


def test_a_dry_run_counts_networks_once_and_makes_nothing(tmp_path: Path) -> None:
    # half: 4 rows of 2, but 3 for + dropout; few: 1 each, but 3.
    result = api.campaign(write(tmp_path), out=tmp_path / "out", dry_run=True, seconds_per_network=3600)
    assert "15 networks (15 different" in result.plan
    assert "15 device-hours at 3.6e+03 s a network (as given)" in result.plan
    shared = GOOD.replace("features: 4}", "features: 8}").replace("epochs: 3", "epochs: 2")
    shared = shared.replace(", max_train: 40", "")
    plan = api.campaign(write(tmp_path, shared), out=tmp_path / "out", dry_run=True).plan
    assert "15 networks (9 different" in plan, "the two experiments train the same networks now"
    assert "state the seconds of a network" in plan
    assert not (tmp_path / "out").exists()


def test_a_cost_that_the_file_states_is_taken_with_its_source(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "cost: {seconds_per_network: 60, source: a paper}\n")
    plan = api.campaign(path, out=tmp_path / "out", dry_run=True, processes=5).plan
    assert "0.25 device-hours at 60 s a network (stated by the file: a paper), 0.05 h with 5 at once" in plan


def test_values_and_surveys_of_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    settings = {"defaults.members": 1, "surveys.sky.n": 90, "rows": [{"name": "a", "configuration": {}}]}
    campaign = load_campaign(
        write(tmp_path, GOOD.replace("  members: 2\n", "")),
        settings=settings,
        survey_paths={"other": tmp_path},
    )
    assert campaign.document.surveys["sky"].options == {"n": 90, "seed": 1}
    assert campaign.document.surveys["other"].path == str(tmp_path)
    assert [row.name for row in campaign.document.rows] == ["a"]
    with pytest.raises(InputError, match=r"has no survey 'seas' .*its surveys are sky, other"):
        load_campaign(write(tmp_path), survey_paths={"seas": tmp_path})
    with pytest.raises(InputError, match=r"`default.members` cannot be set: there is no mapping `default`"):
        load_campaign(write(tmp_path), settings={"default.members": 1})


def test_a_shipped_campaign_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = project_root / "search_spaces" / "campaigns" / "tiny.yaml"
    assert [find_campaign(name) for name in ("tiny", "tiny.yaml", "campaigns/tiny.yaml")] == [shipped] * 3
    with pytest.raises(InputError, match=r"tinny: is no campaign: .*one that ships \(.*tiny"):
        find_campaign("tinny")


SHIPPED = sorted((Path(__file__).parents[4] / "search_spaces" / "campaigns").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_shipped_campaign_is_sound_and_named_as_its_file(path: Path) -> None:
    campaign = load_campaign(path)
    check_options(campaign)
    assert campaign.document.name == path.stem


def test_published_figures_are_those_of_the_reference(project_root: Path) -> None:
    import pandas as pd
    import yaml

    reference = project_root.parent / "shared" / "reference" / "published_supernovae.csv"
    if not reference.is_file():
        pytest.skip(f"the published figures are absent: there is no {reference}")
    table = pd.read_csv(reference, comment="#")
    sdss = table[table["survey"] == "sdss_ii"]
    rows = yaml.safe_load(find_campaign("pelican2019_sdss_small").read_text())["published"]["rows"]
    keys = ["training_size", "test_size", "accuracy", "auc"]
    assert [[{**row, **row["metrics"]}[key] for key in keys] for row in rows] == sdss[keys].values.tolist()
    table = table[table["survey"].str.startswith("lsst")]
    names = {"accuracy": "accuracy", "auc": "auc", "recall_at_precision_0.95": "recall_ia_precision_95",
             "recall_at_precision_0.98": "recall_ia_precision_98"}  # fmt: skip
    for file in ("pelican2019_lsst", "pelican2019_lsst_small"):
        document = yaml.safe_load(find_campaign(file).read_text())
        rows = document["published"]["rows"]
        assert len(rows) == len(table) == 7
        for row, (_, wanted) in zip(rows, table.iterrows(), strict=True):
            assert row["experiment"][:3] == wanted["survey"][-3:]
            assert (row["training_size"], row["test_size"]) == (wanted["training_size"], wanted["test_size"])
            for ours, theirs in names.items():
                assert row["metrics"][ours] == wanted[theirs]
                assert row["baseline"][ours] == wanted[f"baseline_{theirs}"]


def test_a_split_is_named_by_its_arguments_and_the_content_of_their_files(tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("a\n")
    before = split_name({"train_ids": str(ids), "seed": 1})
    assert before == split_name({"seed": 1, "train_ids": str(ids)})
    ids.write_text("b\n")
    assert split_name({"train_ids": str(ids), "seed": 1}) != before


def test_a_row_may_be_of_another_family_with_its_own_defaults(tmp_path: Path) -> None:
    text = """
name: two families
surveys: {sky: {simulate: galaxies, n: 100, seed: 1}}
defaults: {family: photoz_cnn, configuration: {image_size: 32, epochs: 3}}
experiments: {half: {survey: sky, split: {train_fraction: 0.5}, configuration: {blocks: 2}}}
rows:
  - {name: images, configuration: {width: 0.25}}
  - {name: catalogue, family: photoz_mlp, configuration: {epochs: 7}}
  - {name: + E(B-V), add: {mwebv: true}}
  - {name: both, ensemble_of: [images, catalogue]}
"""
    campaign = load_campaign(write(tmp_path, text))
    half = campaign.document.experiments["half"]
    found = {
        row.name: (campaign.family_of(row).name, campaign.configuration(half, row))
        for row in campaign.document.rows
        if row.is_network
    }
    assert found == {
        "images": ("photoz_cnn", {"image_size": 32, "epochs": 3, "blocks": 2, "width": 0.25}),
        "catalogue": ("photoz_mlp", {"epochs": 7}),
        "+ E(B-V)": ("photoz_mlp", {"epochs": 7, "mwebv": True}),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("family: photoz_mlp, baseline: binned-trees", r"`rows.4`: `family` goes with `configuration` alone"),
        ("family: pelicna, configuration: {}", r"`rows.4.family`: .*pelicna"),
        (
            "family: photoz_mlp, configuration: {}",
            r"`rows.4.family`: must predict class_probability as `pelican` does, but `photoz_mlp` predicts",
        ),
    ],
)
def test_a_family_of_a_row_that_does_not_fit_is_an_error_of_the_file(
    tmp_path: Path, row: str, message: str
) -> None:
    text = GOOD.replace("name: wide, from: plain, add: {features: 32}", f"name: wide, {row}")
    with pytest.raises(InputError, match=message):
        load_campaign(write(tmp_path, text))


def test_a_row_is_a_folder_by_letters_and_digits() -> None:
    assert [slug(name) for name in ("+ KL", "PELICAN", "a/b", "?")] == ["kl", "pelican", "a-b", "row"]


@pytest.mark.parametrize(
    ("name", "networks", "different", "parts"),
    [
        ("pasquet2019", 180, 180, "train_2_percent: 5 folds x 1 rows x 6 members = 30 networks"),
        ("pelican2019", 154, 140, "spcc: 2 rows x 7 members = 14 networks"),
    ],
)
def test_campaigns_of_the_papers_have_as_many_networks(
    tmp_path: Path, name: str, networks: int, different: int, parts: str
) -> None:
    campaign = load_campaign(find_campaign(name))
    plan = describe_plan(campaign, Folders(tmp_path), 3600.0, 10, Price(2.5, "EUR"))
    assert f"{networks} networks ({different} different, each trained once)" in plan
    assert parts in plan
    assert f"{different} device-hours at 3.6e+03 s a network (as given), {different / 10:g} h with 10" in plan
    assert f"{2.5 * different:.2f} EUR at 2.5 EUR a device-hour" in plan


@pytest.mark.slow
def test_surveys_are_merged_with_the_split_that_goes_along(tmp_path: Path) -> None:
    split = "{train_fraction: 0.5, seed: 1}"
    text = GOOD.replace("n: 200", "n: 60").replace(
        "path: elsewhere", f"merge: [sky, far], origins: [sky, far], prefix_ids: true, split: {split}"
    )
    text = text.replace("  other:", "  far: {simulate: supernovae, n: 30, seed: 2}\n  other:")
    document = yaml.safe_load(text)
    document["experiments"] = {"to far": {"survey": "other", "split": yaml.safe_load(split)}}
    document.pop("published", None)
    campaign = load_campaign(write(tmp_path, yaml.safe_dump(document, sort_keys=False)))
    check_options(campaign)
    data = prepare(campaign, tmp_path / "surveys", lambda text: None)["to far"]
    survey, split_of_sky = data.survey, open_survey(tmp_path / "surveys" / "sky")
    assert set(survey.objects["origin"]) == {"sky", "far"}
    assert set(survey.objects["origin"].iloc[data.split.indices("test")]) == {"far"}
    assert len(data.test_id) == 30
    labelled = data.count("train") + data.count("validation")
    assert labelled == len(survey) - 30 == pytest.approx(len(split_of_sky) / 2, abs=2)
    again = prepare(campaign, tmp_path / "surveys", pytest.fail)["to far"]
    assert again.survey.checksum == survey.checksum
