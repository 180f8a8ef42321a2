"""A study at a URL, on the file system: what is put, what is fetched, what is refused."""

import pytest

from rookery.search.storage.remote_folder import RemoteFolder, is_url, local_study
from rookery_ensembles import InputError


@pytest.fixture
def remote(tmp_path, monkeypatch):
    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "cache"))
    return RemoteFolder(f"file://{tmp_path}/far/study")


def elsewhere(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "another-machine"))
    return RemoteFolder(remote.url)


def test_a_url_is_told_from_a_folder():
    assert is_url("s3://bucket/study")
    assert is_url("s3:/bucket/study")  # as a Path would have it
    assert not is_url("runs/study")
    assert not is_url("/runs/s3:/study")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/study", "must be s3://..., gs://..., file://..."),
        ("s3://", "must be s3://"),
        ("s3://key:secret@bucket/study", "no credentials"),
        ("s3://bucket/study?endpoint_override=x", "no options"),
    ],
)
def test_a_url_of_another_kind_is_refused(url, message):
    with pytest.raises(InputError, match=message) as told:
        RemoteFolder(url)
    assert "secret" not in str(told.value)


def test_a_member_without_card_is_not_finished(remote, tmp_path, monkeypatch):
    folder = remote.mirror / "members" / "0001"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "card.json").write_text("{}")
    remote.put("members/0001/weights.safetensors", b"weights")
    there = elsewhere(remote, tmp_path, monkeypatch)
    assert not there.fetch_member("0001")
    remote.publish_member("0001")
    there.fetch_members()
    names = sorted(path.name for path in (there.mirror / "members" / "0001").iterdir())
    assert names == ["card.json", "weights.safetensors"]


def test_a_checkpoint_is_fetched_unless_the_one_here_is_younger(remote, tmp_path, monkeypatch):
    local = remote.mirror / "running" / "0001.safetensors"
    local.parent.mkdir(parents=True)
    local.write_bytes(b"epoch 1")
    remote.publish_checkpoint("0001")
    local.write_bytes(b"epoch 2")
    remote.publish_checkpoint("0001")  # too soon after the last one
    there = elsewhere(remote, tmp_path, monkeypatch)
    there.fetch_checkpoint("0001")
    assert (there.mirror / "running" / "0001.safetensors").read_bytes() == b"epoch 1"
    remote.fetch_checkpoint("0001")
    assert local.read_bytes() == b"epoch 2"
    remote.publish_checkpoint("0001", now=True)
    assert remote.read("running/0001.safetensors") == b"epoch 2"


def test_epochs_go_and_come_with_the_checkpoint(remote, tmp_path, monkeypatch):
    for member in ("0001", "0002"):
        for suffix in (".safetensors", ".epochs.jsonl"):
            local = remote.mirror / "running" / f"{member}{suffix}"
            local.parent.mkdir(parents=True, exist_ok=True)
            local.write_bytes(member.encode())
        remote.publish_checkpoint(member)  # a pack's are put one after the other
    there = elsewhere(remote, tmp_path, monkeypatch)
    there.fetch_epochs()
    found = {path.name: path.read_bytes() for path in (there.mirror / "running").iterdir()}
    assert found == {"0001.epochs.jsonl": b"0001", "0002.epochs.jsonl": b"0002"}
    (remote.mirror / "members" / "0001").mkdir(parents=True)
    (remote.mirror / "members" / "0001" / "card.json").write_bytes(b"{}")
    remote.publish_member("0001")
    assert remote.names("running") == ["0002.epochs.jsonl", "0002.safetensors"]


def test_a_checkpoint_that_cannot_be_put_stays_here_with_a_warning(remote, tmp_path, caplog):
    local = remote.mirror / "running" / "0001.safetensors"
    local.parent.mkdir(parents=True)
    local.write_bytes(b"epoch 1")
    remote.put("running", b"a file where a folder should be")
    remote.publish_checkpoint("0001")
    assert "the checkpoint stays on this machine for now" in caplog.text
    assert local.read_bytes() == b"epoch 1"


def test_the_copy_of_another_study_at_the_same_place_is_cleared(remote):
    remote.put("study.yaml", b"first")
    assert remote.fetch_document()
    (remote.mirror / "members" / "0001").mkdir(parents=True)
    remote.put("study.yaml", b"second")
    assert remote.fetch_document()
    assert not (remote.mirror / "members").exists()
    remote.remove("study.yaml")
    assert not remote.fetch_document()
    assert not remote.mirror.exists()


def test_a_url_without_a_study_is_one_error(remote):
    with pytest.raises(InputError, match=r"is no study: it has no study\.yaml"):
        local_study(remote.url)


def test_a_study_at_a_url_needs_a_database(remote, tiny_survey, monkeypatch):
    from rookery import api

    monkeypatch.delenv("ROOKERY_STORAGE", raising=False)
    with pytest.raises(InputError, match="SQLite cannot lie on object storage; give --storage"):
        api.search("pelican", survey=tiny_survey.path, split="half", study=remote.url, trials=1)
    with pytest.raises(InputError, match="--workers-per-network 2: needs a study folder that every node"):
        api.search(
            "pelican",
            survey=tiny_survey.path,
            split="half",
            study=remote.url,
            trials=1,
            workers_per_network=2,
        )
