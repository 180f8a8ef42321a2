import io
import logging
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from rookery.surveys import ingest_snana, open_split, open_survey, split_survey
from rookery_ensembles.errors import InputError

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
SPCC = DATA / "spcc" / "spcc_open.tar.xz"
FOUNDATION = DATA / "real_snia" / "Foundation_DJ17"
ALLOWED = {
    "object_id", "type", "redshift", "source_file", "ra", "dec", "mwebv", "host_photo_z", "host_photo_z_err",
}  # fmt: skip


def light_curve(snid: str, flux: str = "10.0", kind: str = "Ia") -> bytes:
    text = f"""\
SNID: {snid}
FILTERS: gr
SIM_COMMENT: SN Type = {kind} , MODEL = m
SIM_PEAKMJD: 56010.5
NOBS: 2
VARLIST: MJD FLT FLUXCAL FLUXCALERR
OBS: 56011 r {flux} 1.0
OBS: 56003 g 2.0 1.0
END:
"""
    return text.encode()


def make_tar(path: Path, members: dict[str, bytes]) -> Path:
    mode = {".xz": "w:xz", ".gz": "w:gz", ".tar": "w"}[path.suffix]
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def make_large_tar(path: Path) -> Path:
    """Make an archive whose members do not compress away, so that damage has a middle to hit."""
    noise = np.random.default_rng(0).normal(size=(40, 200))
    comments = ["# " + " ".join(f"{x:.9f}" for x in row) + "\n" for row in noise]
    return make_tar(path, {f"SN{i}.DAT": comments[i].encode() + light_curve(str(i)) for i in range(40)})


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    for number in range(4):
        (folder / f"SN{number}.DAT").write_bytes(light_curve(str(number), kind="Ia" if number % 2 else "II"))
    return folder


def test_other_files_are_ignored_and_counted(release, tmp_path, caplog):
    (release / "all.list").write_text("SN0.DAT\nSN1.DAT\n")
    (release / "x.README").write_text("Simulated.\n")
    (release / ".hidden.DAT").write_text("SNID: 9\n")
    with caplog.at_level(logging.DEBUG):
        report = ingest_snana(release, tmp_path / "out")
    assert (report.n_read, report.n_skipped, report.n_ignored, report.errors) == (4, 0, 2, [])
    assert "all.list: has no SNID, VARLIST or OBS: ignored" in caplog.text
    provenance = report.survey.info.provenance
    assert (provenance["source"], provenance["files_read"], provenance["files_ignored"]) == ("release", 4, 2)


def test_broken_file_stops_the_ingest_and_nothing_is_written(release, tmp_path):
    (release / "SN2.DAT").write_bytes(light_curve("2", flux="nan"))
    with pytest.raises(InputError, match=r"SN2\.DAT, line 7: FLUXCAL must be finite, but is nan"):
        ingest_snana(release, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == [release]


def test_broken_files_are_skipped_counted_logged_and_recorded_when_asked(release, tmp_path, caplog):
    (release / "SN2.DAT").write_bytes(light_curve("2", flux="nan"))
    (release / "SN3.DAT").write_bytes(light_curve("3")[:-30])
    (release / "SN4.DAT").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        report = ingest_snana(release, tmp_path / "out", on_error="skip")
    assert (report.n_read, report.n_skipped) == (2, 3)
    assert open_survey(tmp_path / "out").objects["object_id"].tolist() == ["0", "1"]
    for name, problem in (("SN2", "must be finite"), ("SN3", "is truncated"), ("SN4", "is empty")):
        assert any(f"{name}.DAT" in message and problem in message for message in report.errors)
        assert f"{name}.DAT" in caplog.text
    provenance = report.survey.info.provenance
    assert provenance["files_skipped"] == 3
    assert provenance["skipped"] == report.errors


def test_repeated_snid_names_both_files(release, tmp_path):
    (release / "SN9.DAT").write_bytes(light_curve("1"))
    with pytest.raises(
        InputError, match=r"SN9\.DAT: SNID must be unique, but '1' is also that of .*SN1\.DAT"
    ):
        ingest_snana(release, tmp_path / "out")
    report = ingest_snana(release, tmp_path / "out", on_error="skip")
    assert (report.n_read, report.n_skipped) == (4, 1)


def test_source_without_light_curves_is_refused(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "README").write_text("nothing here")
    with pytest.raises(InputError, match=r"must hold a readable SNANA light curve, but has 1 other files$"):
        ingest_snana(folder, tmp_path / "out")
    (folder / "a.DAT").write_text("SNID: 1\n")
    with pytest.raises(InputError, match=r"and 1 broken, the first being .*a\.DAT, line 1: is truncated"):
        ingest_snana(folder, tmp_path / "out", on_error="skip")


def test_missing_source_and_foreign_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="absent: must be a folder or a tar archive, but does not exist"):
        ingest_snana(tmp_path / "absent", tmp_path / "out")
    (tmp_path / "x.tar").write_text("no archive")
    with pytest.raises(
        InputError, match=r"x\.tar: must be a folder or an intact tar archive \(.tar, .*but is neither"
    ):
        ingest_snana(tmp_path / "x.tar", tmp_path / "out")


def test_unknown_error_policy_is_refused(release, tmp_path):
    with pytest.raises(InputError, match="on_error: must be 'stop' or 'skip' or 'skip-row', but is 'ignore'"):
        ingest_snana(release, tmp_path / "out", on_error="ignore")


def test_existing_survey_is_refused_before_reading(release, tmp_path):
    ingest_snana(release, tmp_path / "out")
    with pytest.raises(InputError, match="out: must not exist yet"):
        ingest_snana(tmp_path / "absent", tmp_path / "out")


def test_stray_members_of_an_archive_are_ignored(tmp_path):
    members = {
        "a/": b"",
        "a/SN1.DAT": light_curve("1"),
        "a/stray/": b"",
        "a/stray/deep/SN2.DAT": light_curve("2", kind="II"),
        "a/._SN1.DAT": b"\x00\x05\x16\x07",
        "__MACOSX/a/SN1.DAT": light_curve("8"),
        "../outside.DAT": light_curve("3"),
    }
    report = ingest_snana(make_tar(tmp_path / "x.tar", members), tmp_path / "out")
    assert report.survey.objects["object_id"].tolist() == ["1", "2", "3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x.tar"], "nothing is unpacked"


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz"])
@pytest.mark.parametrize("fraction", [0.35, 0.6, 0.9])
def test_truncated_archive_is_reported_with_its_name(tmp_path, suffix, fraction):
    path = make_large_tar(tmp_path / f"x{suffix}")
    os.truncate(path, int(path.stat().st_size * fraction))
    for policy in ("stop", "skip"):
        with pytest.raises(InputError, match=rf"x{suffix}: .*truncated"):
            ingest_snana(path, tmp_path / "out", on_error=policy)
    assert not (tmp_path / "out").exists()


def test_plain_archive_cut_between_two_members_is_noticed(tmp_path):
    path = make_tar(tmp_path / "x.tar", {f"SN{i}.DAT": light_curve(str(i)) for i in range(4)})
    with tarfile.open(path) as archive:
        third = archive.getmembers()[2].offset
    os.truncate(path, third)
    with pytest.raises(InputError, match=r"x\.tar: is truncated: a tar archive must close with empty blocks"):
        ingest_snana(path, tmp_path / "out")


def test_altered_bytes_of_an_archive_are_reported_with_its_name(tmp_path):
    path = make_large_tar(tmp_path / "x.tar.xz")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(byte ^ 0xFF for byte in content[middle : middle + 8])
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.tar\.xz: archive is truncated or damaged"):
        ingest_snana(path, tmp_path / "out")


def test_bands_are_ordered_by_wavelength(release, tmp_path):
    text = (release / "SN0.DAT").read_text()
    text = text.replace("FILTERS: gr", "FILTERS: zrgQ").replace(" r ", " DES-Q ")
    (release / "SN0.DAT").write_text(text)
    assert ingest_snana(release, tmp_path / "out").survey.bands == ("g", "r", "z", "Q")


@pytest.mark.skipif(not FOUNDATION.is_dir(), reason="shared/data/real_snia is not here")
def test_real_foundation_light_curves_are_read(tmp_path):
    report = ingest_snana(FOUNDATION, tmp_path / "foundation")
    survey = open_survey(tmp_path / "foundation")
    # NVAR disagrees with VARLIST, rows are sorted by band, and lists and notes lie among the files.
    assert (report.n_read, report.n_ignored) == (242, 6)
    assert len(survey.observation_arrays()) == 7775
    assert survey.bands == ("g", "r", "i", "z")
    assert set(survey.objects["type"]) == {"Ia"}
    assert survey.objects["redshift"].between(0.004, 0.12).all()
    assert set(survey.objects.columns) <= ALLOWED
    assert set(survey.covariates) == {"ra", "dec", "mwebv"}


@pytest.mark.skipif(not SPCC.is_file(), reason="shared/data/spcc is not here")
def test_real_challenge_files_keep_truth_from_covariates(tmp_path):
    wanted = 150
    with tarfile.open(SPCC, "r|xz") as archive, tarfile.open(tmp_path / "part.tar", "w") as part:
        for taken, member in enumerate(archive):
            if taken == wanted:
                break
            part.addfile(member, archive.extractfile(member) if member.isfile() else None)
    survey = ingest_snana(tmp_path / "part.tar", tmp_path / "out").survey
    assert 100 < len(survey) < wanted
    assert set(survey.objects.columns) == ALLOWED
    assert set(survey.covariates) == ALLOWED - {"object_id", "type", "redshift", "source_file"}
    truth = survey.truth()
    np.testing.assert_array_equal(truth["sim_redshift"], survey.objects["redshift"])
    assert {"sim_peakmjd", "search_peakmjd", "sntype", "redshift_final"} <= set(truth.columns)
    for name in survey.covariates:  # nor does a covariate repeat a truth column under another name
        values = survey.objects[name].to_numpy()
        numbers = truth.select_dtypes("number").drop(columns=["sim_ra", "sim_decl"])
        copies = [key for key in numbers if np.array_equal(values, numbers[key])]
        assert not copies, f"{name} repeats {copies}"
    names = tmp_path / "some.list"
    names.write_text("\n".join(survey.objects["source_file"][:60]) + "\n")
    split_survey(survey, "named", train_ids=names)
    split = open_split(survey, "named")
    assert len(split.indices("train")) + len(split.indices("validation")) == 60
