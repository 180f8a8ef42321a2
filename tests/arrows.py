"""The arrows between modules, drawn from their imports: those at the top of a file and those in functions."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Arrows = dict[str, set[str]]


def modules(*packages: str) -> dict[str, Path]:
    """Return the files of packages (``platform/rookery``) by module."""
    found = {}
    for package in packages:
        folder = ROOT / package
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield module and name of every import; the name is None where the module itself is meant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)


def arrows(files: Mapping[str, Path]) -> Arrows:
    """Return by module which of the others it imports."""
    found: Arrows = {}
    for module, file in files.items():
        targets = (
            f"{source}.{name}" if f"{source}.{name}" in files else source
            for source, name in imported(ast.parse(file.read_text(encoding="utf-8")))
        )
        found[module] = {target for target in targets if target in files} - {module}
    return found


def circle(drawn: Arrows) -> list[str] | None:
    """Return modules that import each other in a circle, the first again at the end; None for no circle."""
    done: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str] | None:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return None
        for target in sorted(drawn[module]):
            if found := follow(target, [*path, module]):
                return found
        done.add(module)
        return None

    return next((found for module in sorted(drawn) if (found := follow(module, []))), None)


def room(module: str) -> str:
    """Return the room of a module: ``search`` of ``rookery.search.study``."""
    return ([*module.split("."), ""])[1]
