import re
from pathlib import Path

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.networks.pelican import PelicanConfiguration
from rookery.search.parameters import CategoricalParameter, FloatParameter, IntParameter
from rookery.search.space import SearchSpace, find_space, load_space
from rookery_ensembles.errors import InputError

optuna.logging.set_verbosity(optuna.logging.WARNING)
HEAD = "family: pelican\nobjective: {metric: validation_log_loss, direction: minimize}\nparameters:\n"
GOOD = """\
  features: {type: int, low: 8, high: 32, step: 8}
  learning_rate: {type: float, low: 1.0e-4, high: 1.0e-2, log: true}
  pooling: {type: categorical, choices: [mean_max, flatten]}
  epochs: 40
"""


def write(folder: Path, parameters: str = GOOD, head: str = HEAD) -> Path:
    path = folder / "space.yaml"
    path.write_text(head + parameters)
    return path


def asked(space: SearchSpace, n: int, **points: object) -> list[tuple[dict, dict]]:
    """Return the values chosen for `n` random trials, and what Optuna has kept of each."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    if points:
        study.enqueue_trial(points)
    trials = [study.ask() for _ in range(n)]
    return [(space.suggest(trial), trial.params) for trial in trials]


def assert_refused(path: Path, line: int, key: str, rule: str) -> None:
    """Assert that loading `path` fails with its name, `line`, `key` and `rule` (a regular expression)."""
    with pytest.raises(
        InputError, match=rf"^{re.escape(str(path))}, line {line}: `{re.escape(key)}`: {rule}"
    ):
        load_space(path)


@pytest.mark.parametrize(
    ("definition", "key", "rule"),
    [
        ("{type: int, low: 1, hihg: 4}", "hihg", "is not a known key"),
        (
            "{type: integer, low: 1, high: 4}",
            "type",
            "must be one of float, int, categorical, but found 'integer'",
        ),
        ("{low: 1, high: 4}", "", "must be one of float, int, categorical, but found None"),
        ("{type: int, low: 1}", "", "`high` is required"),
        ("{type: int, low: one, high: 4}", "low", ".*but found 'one'"),
        ("{type: int, low: 1.5, high: 4}", "low", ".*valid integer.*but found 1.5"),
        ("{type: int, low: 5, high: 4}", "", "`low <= high` must hold, but low=5, high=4"),
        ("{type: int, low: 1, high: 9, step: 0}", "step", ".*greater than 0, but found 0"),
        ("{type: int, low: 1, high: 9, step: 2, log: true}", "", "`step` and `log` exclude each other"),
        (
            "{type: int, low: 1, high: 4, step: 2}",
            "",
            "`high` must be `low` plus whole steps, but low=1, high=4",
        ),
        ("{type: float, low: 0, high: 1, step: 0.3}", "", "`high` must be `low` plus whole steps.*step=0.3"),
        ("{type: float, low: .nan, high: 1}", "low", ".*finite number, but found nan"),
        ("{type: float, low: 0, high: .inf}", "high", ".*finite number, but found inf"),
        ("{type: float, low: 0, high: 1, log: true}", "", "`low > 0` must hold on a log scale, but low=0.0"),
        (
            "{type: float, low: 1, high: 2, step: 0.1, log: true}",
            "",
            "`step` and `log` exclude.*step=0.1, log=true",
        ),
        (
            "{type: categorical, choices: [a, b, a]}",
            "choices",
            "choices must differ, but 'a' stands twice in",
        ),
        ("{type: categorical, choices: [true, 1]}", "choices", "choices must differ, but 1 stands twice in"),
        ("{type: categorical, choices: []}", "choices", r".*at least 1 item.*but found \[\]"),
        ("{type: categorical, choices: [[a]]}", "choices.0", r".*but found \['a'\]"),
        ("", "", "must be a plain value or a mapping with a `type`, but found None"),
        ("[1, 2]", "", r"must be a plain value or a mapping with a `type`, but found \[1, 2\]"),
    ],
)
def test_broken_range_is_refused_with_line_key_and_value(
    tmp_path: Path, definition: str, key: str, rule: str
) -> None:
    path = write(tmp_path, f"  epochs: 4\n  x: {definition}\n")
    assert_refused(path, 5, f"parameters.x.{key}".rstrip("."), rule)


def test_line_is_that_of_the_key_and_not_of_its_parameter(tmp_path: Path) -> None:
    path = write(tmp_path, "  x:\n    type: int\n    low: 1\n    high: four\n")
    assert_refused(path, 7, "parameters.x.high", ".*but found 'four'")


@pytest.mark.parametrize(
    ("parent", "when", "key", "rule"),
    [
        ("3", "{z: 3}", "when.z", "is no parameter; those are parent, x, other"),
        (
            "{type: categorical, choices: [a, b]}",
            "{parent: c}",
            "when.parent",
            r"`parent` is one of .*never 'c'",
        ),
        (
            "{type: categorical, choices: [a, b]}",
            "{parent: [a, c]}",
            "when.parent",
            "`parent` is .*never 'c'",
        ),
        (
            "{type: categorical, choices: [true]}",
            "{parent: 1}",
            "when.parent",
            r"`parent` is one of \[True\], so .*never 1",
        ),
        (
            "{type: int, low: 1, high: 4}",
            "{parent: 5}",
            "when.parent",
            r"`parent` is a whole number in \[1, 4\], .*never 5",
        ),
        (
            "{type: int, low: 1, high: 5, step: 2}",
            "{parent: 2}",
            "when.parent",
            ".*in steps of 2, so it is never 2",
        ),
        ("false", "{parent: true}", "when.parent", r"`parent` is False \(it is fixed\), so it is never True"),
        ("3", "{x: 2}", "when", r"depends on itself \(x <- x\)"),
    ],
)
def test_condition_that_can_never_hold_is_refused(
    tmp_path: Path, parent: str, when: str, key: str, rule: str
) -> None:
    path = write(
        tmp_path, f"  parent: {parent}\n  x: {{type: int, low: 1, high: 4, when: {when}}}\n  other: 1\n"
    )
    assert_refused(path, 5, f"parameters.x.{key}", rule)


CHAIN = """\
  a: {type: int, low: 1, high: 4, when: {b: 2}}
  b: {type: int, low: 1, high: 4, when: {c: 2}}
  c: {type: int, low: 1, high: 4, when: {%s: 2}}
"""


@pytest.mark.parametrize(
    ("last", "line", "key", "rule"),
    [
        ("a", 4, "parameters.a.when", r"depends on itself \(a <- b <- c <- a\)"),
        ("b", 5, "parameters.b.when", r"depends on itself \(b <- c <- b\)"),
        ("z", 6, "parameters.c.when.z", "is no parameter; those are a, b, c"),
    ],
)
def test_chain_of_conditions_must_end_at_a_parameter(
    tmp_path: Path, last: str, line: int, key: str, rule: str
) -> None:
    assert_refused(write(tmp_path, CHAIN % last), line, key, rule)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("rate", "1", "is no parameter; those are features, learning_rate, pooling, epochs"),
        ("features", "64", r"must be a whole number in \[8, 32\] in steps of 8, but found 64"),
        ("features", "12", ".*in steps of 8, but found 12"),
        ("features", "8.0", "must be a whole number.*but found 8.0"),
        ("features", "true", "must be a whole number.*but found True"),
        ("learning_rate", "1", r"must be a number in \[0.0001, 0.01\], but found 1"),
        ("learning_rate", "1e-3", "must be a number in .*but found '1e-3'"),  # a word in YAML 1.1
        ("pooling", "sum", "must be one of .*but found 'sum'"),
        ("pooling", "[flatten]", ".*but found"),
        ("epochs", "41", r"must be 40 \(it is fixed\), but found 41"),
    ],
)
def test_published_point_outside_the_space_is_refused(
    tmp_path: Path, name: str, value: str, rule: str
) -> None:
    point = f"published:\n  - {{features: 8}}\n  - pooling: flatten\n  - {name}: {value}\n"
    assert_refused(write(tmp_path, GOOD + point), 11, f"published.2.{name}", rule)


@pytest.mark.parametrize(
    ("last_lines", "key", "rule"),
    [
        ("publised: []", "publised", "is not a known key"),
        ("published: {features: 8}", "published", ".*valid list, but found"),
    ],
)
def test_broken_key_beside_the_parameters_is_refused(
    tmp_path: Path, last_lines: str, key: str, rule: str
) -> None:
    assert_refused(write(tmp_path, GOOD + last_lines), 8, key, rule)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be YAML that maps keys to values, but holds nothing"),
        ("- features\n", "must be YAML that maps keys to values, but holds a list"),
        ("family: [\n", "is not valid YAML"),
        (HEAD + "  features: 1\n  features: 2\n", r"line 5: key `parameters\.features` stands twice"),
        (HEAD, "line 3: `parameters`: must map at least one parameter's name to its range, but found None"),
        ("family: pelican\n", "must map at least one parameter's name to its range"),
        (
            "family: pelican\nparameters: 3\n",
            "line 2: `parameters`: must map at least one parameter.*found 3",
        ),
        ("family: pelican\nparameters: {epochs: 3}\n", "line 1: `objective` is required"),
        (
            HEAD.replace("minimize", "down") + "  epochs: 3\n",
            "line 2: `objective.direction`: .*'minimize' or 'maximize', but found 'down'",
        ),
        (
            HEAD.replace("log_loss", "auc") + "  epochs: 3\n",
            "line 2: `objective.metric`: .*'validation_log_loss', .*but found 'validation_auc'",
        ),
    ],
)
def test_file_that_is_no_search_space_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"space\.yaml.*{message}"):
        load_space(write(tmp_path, "", head=text))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read"):
        load_space(tmp_path / "absent.yaml")


def test_parameter_that_the_family_lacks_is_refused_with_those_it_has(tmp_path: Path) -> None:
    path = write(tmp_path, "  epochs: 3\n  learning_rat: {type: float, low: 0.1, high: 1}\n")
    rule = "`parameters.learning_rat`: is no hyperparameter of `pelican`; those are epochs, .*learning_rate, "
    with pytest.raises(InputError, match=rf"space\.yaml, line 5: {rule}"):
        load_space(path, PelicanConfiguration)
    assert load_space(write(tmp_path), PelicanConfiguration).family == "pelican"


def test_shipped_space_is_found_by_its_name_and_an_unknown_name_lists_those_that_ship(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = project_root / "search_spaces" / "pelican.yaml"
    assert [find_space(name) for name in ("pelican", "pelican.yaml", "search_spaces/pelican.yaml")] == [
        shipped
    ] * 3
    mine = write(tmp_path)
    assert find_space(mine) == mine
    with pytest.raises(InputError, match=r"pelikan: is no search space: .*one that ships \(.*pelican"):
        find_space("pelikan")
    with pytest.raises(InputError, match="is no search space"):
        find_space(tmp_path / "pelican.yaml")


CONDITIONAL = """\
  autoencoder_weight: {type: float, low: 0.01, high: 1, log: true, when: {autoencoder: true}}
  autoencoder: {type: categorical, choices: [true, false], when: {pooling: [flatten, mean]}}
  pooling: {type: categorical, choices: [flatten, mean, max]}
  epochs: 5
"""


def test_child_is_chosen_only_where_every_parent_was_and_has_a_value_it_asks_for(tmp_path: Path) -> None:
    space = load_space(write(tmp_path, CONDITIONAL))
    seen = set()
    for values, kept in asked(space, 40):
        has_switch = values["pooling"] != "max"
        assert ("autoencoder" in values) == has_switch
        assert ("autoencoder_weight" in values) == (has_switch and values["autoencoder"] is True)
        assert values == {**kept, "epochs": 5}
        seen.add((values["pooling"], values.get("autoencoder")))
    assert len(seen) == 5, "every branch must occur"


def test_published_point_is_what_the_trial_gets(tmp_path: Path) -> None:
    point = "published:\n  - {features: 16, pooling: flatten, epochs: 40, learning_rate: 0.001}\n"
    space = load_space(write(tmp_path, GOOD + point))
    ((values, kept),) = asked(space, 1, **space.searched(space.published[0]))
    assert values == space.published[0]
    assert "epochs" not in kept, "what is fixed is no business of Optuna's"


def test_fixed_parameter_is_neither_searched_nor_published(tmp_path: Path) -> None:
    point = "published:\n  - {features: 16, pooling: flatten}\n  - {features: 24}\n"
    space = load_space(write(tmp_path, GOOD + point))
    fixed = space.fix({"features": 7, "epochs": 2})
    assert fixed.published == [{"pooling": "flatten"}, {}]
    for values, kept in asked(fixed, 5):
        assert (values["features"], values["epochs"]) == (7, 2)
        assert set(kept) == {"learning_rate", "pooling"}
    assert space.published[0]["features"] == 16, "the original must not change"


def test_fixing_a_parent_switches_its_children(tmp_path: Path) -> None:
    space = load_space(write(tmp_path, CONDITIONAL))
    on, off = (space.fix({"pooling": "mean", "autoencoder": value}) for value in (True, False))
    assert all("autoencoder_weight" in values for values, _ in asked(on, 5))
    assert all("autoencoder_weight" not in values for values, _ in asked(off, 5))


def test_fixing_an_unknown_name_lists_the_parameters(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="`feature` is no parameter; those are features, learning_rate, pooling"
    ):
        load_space(write(tmp_path)).fix({"feature": 3})


@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_fixing_at_what_is_no_plain_value_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError, match=r"`features` must be fixed at a plain value, not at"):
        load_space(write(tmp_path)).fix({"features": value})


@pytest.mark.parametrize("last", ["a", "z"])
def test_space_of_an_edited_study_whose_conditions_lead_nowhere_does_not_hang(last: str) -> None:
    parameters = yaml.safe_load(CHAIN % last)
    document = yaml.safe_load(HEAD) | {"parameters": parameters}
    with pytest.raises(InputError, match="the conditions of a, b, c lead in a circle or to no parameter"):
        SearchSpace.model_validate(document).order()


def test_space_survives_being_stored_in_a_study_document(tmp_path: Path) -> None:
    point = "published:\n  - {pooling: mean, autoencoder: true, autoencoder_weight: 0.5}\n"
    space = load_space(write(tmp_path, CONDITIONAL + point))
    again = SearchSpace.model_validate(space.model_dump(mode="json"))
    assert again == space
    assert asked(again, 5) == asked(space, 5)


@st.composite
def parameters(draw: st.DrawFn) -> IntParameter | FloatParameter | CategoricalParameter:
    kind = draw(st.sampled_from(["int", "float", "log", "grid", "choice"]))
    low, steps = draw(st.integers(-20, 20)), draw(st.integers(0, 9))
    if kind == "int":
        step = draw(st.integers(1, 4))
        return IntParameter(type="int", low=low, high=low + steps * step, step=step)
    if kind == "choice":
        choices = draw(
            st.lists(st.booleans() | st.integers(2, 9) | st.sampled_from("abc"), min_size=1, unique=True)
        )
        return CategoricalParameter(type="categorical", choices=choices)
    if kind == "grid":
        step = draw(st.sampled_from([0.1, 0.25, 0.3]))
        return FloatParameter(type="float", low=low, high=round(low + steps * step, 6), step=step)
    start = abs(low) + 0.01 if kind == "log" else low
    return FloatParameter(type="float", low=start, high=start + steps, log=kind == "log")


@settings(max_examples=50, deadline=None)
@given(parameter=parameters(), seed=st.integers(0, 99))
def test_every_value_that_is_suggested_lies_in_the_range(parameter: object, seed: int) -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    value = parameter.suggest(trial, "x")
    assert parameter.contains(value)
    assert trial.params == {"x": value}
