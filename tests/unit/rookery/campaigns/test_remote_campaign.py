"""A campaign at a URL, on the file system: what is put, what is brought, what is refused."""

from pathlib import Path

import pytest

from rookery.campaigns.plan import Folders
from rookery.campaigns.remote import bring, campaign_folders, local_campaign, published
from rookery_ensembles import InputError


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """Of a campaign whose driver stopped by an error."""
    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "cache"))
    made = campaign_folders(f"file://{tmp_path}/far/campaign")
    for name in ("campaign.yaml", "table.md", "failed/one.txt", "predictions/trees-12.parquet"):
        write(made, name, name)
    write(made, "ensembles/half/best/members/one/weights.safetensors", "weights")
    write(made, "ensembles/half/best/ensemble.yaml", "members")
    write(made, "ensembles/half/.best.partial-1/ensemble.yaml", "half written")
    with pytest.raises(RuntimeError), published(made):
        raise RuntimeError("stopped")
    return made


def write(folders: Folders, name: str, text: str) -> None:
    path = folders.out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_the_driver_made_is_put_also_when_it_stops(folders: Folders, tmp_path: Path) -> None:
    expected = {name for name in names(folders.out) if "partial" not in name}
    assert names(tmp_path / "far" / "campaign") == expected


def test_a_failure_that_was_mended_is_removed_and_a_bundle_made_anew_is_put(
    folders: Folders, tmp_path: Path
) -> None:
    (folders.failed / "one.txt").unlink()
    write(folders, "ensembles/half/best/members/two/weights.safetensors", "more")
    write(folders, "ensembles/half/best/ensemble.yaml", "other members")
    with published(folders):
        pass
    far = tmp_path / "far" / "campaign"
    assert not (far / "failed" / "one.txt").exists()
    assert (far / "ensembles/half/best/ensemble.yaml").read_text() == "other members"
    assert (far / "ensembles/half/best/members/two/weights.safetensors").read_text() == "more"


def test_another_machine_brings_what_is_there(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folders.remote is not None
    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "another-machine"))
    mirror = local_campaign(folders.remote.url)
    assert mirror is not None
    assert mirror != folders.out
    assert names(mirror) == {"campaign.yaml", "table.md", "failed/one.txt", "predictions/trees-12.parquet"}


def test_a_place_that_holds_something_else_is_refused_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"holds no campaign\.yaml.*thesis\.tex"):
        bring(campaign_folders(f"file://{tmp_path}/far"))
    assert names(tmp_path / "far") == {"thesis.tex"}


def test_the_copy_of_a_campaign_that_is_gone_is_removed(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "far" / "campaign" / "campaign.yaml").unlink()
    with pytest.raises(InputError, match="is not empty"):
        bring(folders)
    assert not folders.out.exists()
    assert folders.remote is not None
    assert local_campaign(folders.remote.url) is None
