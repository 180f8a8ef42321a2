"""A page with a picture of the house, drawn from what its rooms import of each other."""

import ast
import math
import tomllib
from collections import Counter
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import grimp

PAGE, PICTURE = "house.md", "figures/house.svg"
_ROW, _LEFT, _BOX, _WIDTH = 30, 10, 560, 980
_HEAD = """# The house
Every room of the platform, from the front door down, and an arc for what it imports: thicker where more
modules do. A room imports only from rooms below it (`make lint` holds it to that), and everything may use
`rookery_ensembles`, which imports nothing of ours. The picture is made from the imports, with the site.

![Rooms of the platform and what they import](figures/house.svg)

{measured}

| room | what is in it | modules | imports from |
|---|---|---|---|
"""


def rooms(root: Path) -> list[str]:
    """Return the rooms from the front door down, as the import contracts name them."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if "rookery.cli" in one.get("layers", ()))
    return [*(name for name in layers if name != "rookery.rail"), "rookery_ensembles"]


def counted(names: list[str]) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Return how many modules of a room import of another, and how many each room has."""
    graph = grimp.build_graph("rookery", "rookery_ensembles", include_external_packages=False)

    def room(module: str) -> str | None:
        return next((name for name in names if module == name or module.startswith(f"{name}.")), None)

    arcs: Counter[tuple[str, str]] = Counter()
    sizes: Counter[str] = Counter()
    for module in graph.modules:
        if (own := room(module)) is None:
            continue
        sizes[own] += 1
        others = {room(each) for each in graph.find_modules_directly_imported_by(module)} - {own, None}
        arcs.update((own, other) for other in others if other is not None)
    return arcs, sizes


def measured(root: Path) -> str:
    """Return how large the house is, in a sentence: modules, lines, public names, the longest file."""
    folders = (root / "platform" / "rookery", root / "ensembles" / "rookery_ensembles")
    texts = {file: file.read_text(encoding="utf-8") for folder in folders for file in folder.rglob("*.py")}
    lines = {file: text.count("\n") for file, text in texts.items()}
    tops = [node for text in texts.values() for node in ast.parse(text).body]
    public = [n for n in tops if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    longest = max(lines, key=lambda file: lines[file])
    return (
        f"{len(lines)} modules, {sum(lines.values()):,} lines, {len(public):,} public functions and classes; "
        f"the longest file, `{longest.relative_to(root)}`, has {lines[longest]} lines."
    )


def words(name: str) -> str:
    """Return the first sentence of a room's docstring."""
    text = (import_module(name).__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(text.split())


def picture(names: list[str], arcs: Counter[tuple[str, str]], sizes: Counter[str]) -> str:
    """Return the picture: a box for each room, below each other, and arcs at their right."""
    height = _ROW * len(names) + 20
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">'
    ]
    drawn.append(f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>')
    place = {name: 10 + _ROW * number for number, name in enumerate(names)}
    for (own, other), number in sorted(arcs.items(), key=lambda arc: -arc[1]):
        first, last = place[own] + _ROW / 2, place[other] + _ROW / 2
        x, bend = _LEFT + _BOX, _LEFT + _BOX + 20 + 0.75 * abs(last - first)
        colour = "#b9c3cf" if other == "rookery_ensembles" else "#2a6ab3"
        width = 0.6 + math.log2(number)
        path = f"M{x} {first} C{bend:.0f} {first} {bend:.0f} {last} {x} {last}"
        title = f"<title>{number} modules of {own} import {other}</title>"
        look = f'fill="none" stroke="{colour}" opacity=".55" stroke-width="{width:.1f}"'
        drawn.append(f'<path d="{path}" {look}>{title}</path>')
    for name in names:
        y, said = place[name], words(name).rstrip(".")
        short = said if len(said) < 64 else said[:62].rsplit(" ", 1)[0] + " …"
        box = f'x="{_LEFT}" y="{y + 2}" width="{_BOX}" height="{_ROW - 4}" rx="5"'
        drawn.append(f'<rect {box} fill="#f1f4f8" stroke="#9fb2c8"/>')
        label = name.removeprefix("rookery.")
        drawn.append(
            f'<text x="{_LEFT + 10}" y="{y + 19}" font-size="13" font-weight="600">{escape(label)}</text>'
        )
        drawn.append(
            f'<text x="{_LEFT + 140}" y="{y + 19}" font-size="11" fill="#5a626e">{escape(short)}</text>'
        )
    return "\n".join([*drawn, "</svg>"]) + "\n"


def write(app: Any) -> None:
    """Write page and picture before Sphinx reads."""
    folder = Path(app.srcdir)
    names = rooms(folder.parent)
    arcs, sizes = counted(names)
    lines = []
    for name in names:
        below = [other.removeprefix("rookery.") for other in names if arcs[name, other]]
        lines.append(
            f"| `{name}` | {words(name)} | {sizes[name]} | {', '.join(below) or '–'} |".replace("``", "`")
        )
    texts = {
        PAGE: _HEAD.format(measured=measured(folder.parent)) + "\n".join(lines) + "\n",
        PICTURE: picture(names, arcs, sizes),
    }
    for file, text in texts.items():
        if not (folder / file).is_file() or (folder / file).read_text(encoding="utf-8") != text:
            (folder / file).write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
