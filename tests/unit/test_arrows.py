"""Imports run one way: no circle of modules, and no arrow from a room to one above it."""

import tomllib

import pytest

import arrows as drawing


@pytest.fixture(scope="module")
def drawn() -> drawing.Arrows:
    return drawing.arrows(drawing.modules("platform/rookery", "ensembles/rookery_ensembles"))


def test_no_modules_import_each_other_in_a_circle(drawn: drawing.Arrows) -> None:
    assert drawing.circle(drawn) is None


def test_a_room_imports_only_from_rooms_below_it(drawn: drawing.Arrows) -> None:
    linter = tomllib.loads((drawing.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (order,) = [
        [layer.removeprefix("rookery.") for layer in contract["layers"]]
        for contract in linter["contracts"]
        if "rookery.cli" in contract.get("layers", [])
    ]
    rooms = {path.stem for path in (drawing.ROOT / "platform" / "rookery").iterdir() if path.is_dir()}
    assert rooms - {"__pycache__", "search_spaces"} <= set(order)  # one layer a line, and none forgotten
    back = [
        f"{module} -> {target}"
        for module, targets in drawn.items()
        for target in targets
        if room_of(module, order) > room_of(target, order)
    ]
    assert back == []


def room_of(module: str, order: list[str]) -> int:
    """How far below the front door a module is; the few files beside the rooms serve all of them."""
    found = drawing.room(module)
    if found == "__main__":
        return -1
    return order.index(found) if module.startswith("rookery.") and found in order else len(order)


@pytest.mark.parametrize(
    ("drawn", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, None),
    ],
)
def test_a_circle_is_found(drawn: drawing.Arrows, found: list[str] | None) -> None:
    assert drawing.circle(drawn) == found
