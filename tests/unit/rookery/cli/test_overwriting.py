"""One rule for every verb that writes: what exists is refused before any work, or replaced when asked."""

from pathlib import Path

import pytest

from rookery.cli.build import spelled
from rookery.cli.main import app
from rookery.cli.values import option_names
from rookery.clusters.files import cluster_file
from rookery.signature import arguments
from rookery.surveys import open_split, open_survey
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import EXISTS
from rules_of_verbs import CONTINUED, LEAVES, is_output

READ = {
    *("against", "bundle", "catalogue", "columns_file", "file", "files", "first", "manifest", "metadata"),
    *("model_path", "name", "objects", "partial", "path", "paths", "predictions", "second", "space"),
    *("start_from", "study", "survey", "surveys", "target", "templates", "test", "train_ids"),
    *("truth", "warm_start", "what"),
}
"""Arguments that are paths to read. One that is not among them is an output, and keeps the rule."""


WRITING = [
    (" ".join(words), argument.name)
    for words, verb in LEAVES.items()
    for argument in arguments(verb.function)
    if is_output(argument)
]


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_path_is_read_continued_or_an_output_with_the_option(words: tuple[str, ...]) -> None:
    taken = {argument.name: argument for argument in arguments(LEAVES[words].function)}
    paths = {argument.name for argument, how in spelled(LEAVES[words].function) if how.is_path}
    outputs = {name for name in paths if is_output(taken[name])}
    continued = {name for name in paths if (words[0], name) in CONTINUED}
    assert paths - outputs - continued <= READ
    if outputs:
        assert taken["overwrite"].default in (False, None)  # None of an option of a typed dictionary
        assert taken["overwrite"].words.startswith("Replace")


def command_line(words: tuple[str, ...], output: str, there: Path) -> list[str]:
    """Return a verb with what it requires: inputs that do not exist, and an output that does."""
    typed = list(words)
    for argument, how in spelled(LEAVES[words].function):
        if argument.name == output:
            value = str(there)
        elif argument.required:
            value = {int: "3", float: "3"}.get(how.typed, "nowhere" if how.is_path else "local")
        else:
            continue
        typed += [value] if argument.positional else [option_names(argument.name)[0], value]
    return typed


def name_of(words: tuple[str, ...], output: str) -> str:
    """Return a name that the verb takes for its output: a file's where it may write one."""
    endings = {"report": ".html", "compare": ".json", "figure": ".png", "cluster": ".yaml"}
    files = ("predict", "apply", "export", "baseline", "correct-priors")
    default = ".parquet" if words[0] in files else ""
    return "there" + endings.get(output, endings.get(words[0], default))


@pytest.mark.parametrize(
    ("verb", "output"), WRITING, ids=lambda value: "-".join(value) if isinstance(value, tuple) else value
)
def test_an_output_that_exists_is_refused_before_any_input_is_read(
    verb: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tuple(verb.split())
    monkeypatch.chdir(tmp_path)
    there = Path(name_of(words, output))
    there.write_text("made before")
    with pytest.raises(InputError) as refused:
        app(command_line(words, output, there))
    assert str(refused.value) == f"{there}: {EXISTS}"
    assert there.read_text() == "made before"


@pytest.mark.parametrize(
    ("verb", "output"), WRITING, ids=lambda value: "-".join(value) if isinstance(value, tuple) else value
)
def test_a_run_that_fails_leaves_what_it_was_to_overwrite(
    verb: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of folders: a file, or a folder of something else, is not overwritten at all."""
    words = tuple(verb.split())
    if words[0] in ("cluster", "new", "simulate"):
        pytest.skip("nothing that it reads can be missing")
    monkeypatch.chdir(tmp_path)
    there = Path(name_of(words, output))
    there.write_text("made before")
    with pytest.raises((InputError, SystemExit)) as refused:
        app([*command_line(words, output, there), "--overwrite"])
    assert EXISTS not in str(refused.value)
    assert there.read_text() == "made before"
    if there.suffix:
        return
    there.unlink()
    there.mkdir()
    (there / "thesis.tex").touch()
    with pytest.raises(InputError, match="has none: choose another name"):
        app([*command_line(words, output, there), "--overwrite"])
    assert (there / "thesis.tex").exists()


def light_curves(path: Path, objects: int) -> None:
    types = ("SN Ia", "II P")
    rows = [f"{one},{56000 + day},r,9,1,{types[one % 2]}" for one in range(objects) for day in range(3)]
    path.write_text("\n".join(["object_id,mjd,band,flux,flux_err,type", *rows]))


def test_what_exists_is_replaced_in_one_step_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Surveys, of which one is merged into itself, a split, and files."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> None:
        with pytest.raises(SystemExit) as stop:
            app(line.split())
        assert not stop.value.code

    for objects in (4, 6):
        light_curves(tmp_path / "t.csv", objects)
        run("ingest table t.csv s --overwrite")
    assert len(open_survey("s")) == 6
    for fraction in (0.5, 1):
        run(f"split s half --train-fraction {fraction} --validation-fraction 0 --overwrite")
    assert open_split(open_survey("s"), "half").role.tolist() == ["train"] * 6
    light_curves(tmp_path / "u.csv", 2)
    run("ingest table u.csv u")
    run("merge s u s --origin a --origin b --prefix-ids --overwrite")
    assert len(open_survey("s")) == 8
    for kind in ("slurm", "local"):
        run(f"cluster write {kind} --out cluster.yaml --overwrite")
    assert (tmp_path / "cluster.yaml").read_text() == cluster_file("local").read_text()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cluster.yaml", "s", "t.csv", "u", "u.csv"]
