"""Fail when the repository's layout would break Python. Run as `python -P tests/layout_guard.py`.

A package or module named `platform` on `sys.path` shadows the standard library's: torch, ray, pandas
and pytest then die, so pytest itself could not tell. This script therefore imports nothing but what
cannot be shadowed, and CI runs it first.
"""

import sys
from pathlib import Path

ROOMS = ("platform", "ensembles")
PACKAGES = {"platform": "rookery", "ensembles": "rookery_ensembles"}
TOP_LEVEL = {
    "pyproject.toml", "platform", "search_spaces", "ensembles", "tests", "cluster.yaml", "README.md",
    "CONTRIBUTING.md", "Makefile", "docs", "benchmarks", ".ci", "LICENSE", "constraints.txt", ".gitignore",
    "CHANGELOG.md", "CITATION.cff", "SECURITY.md",
}  # fmt: skip


def problems(root: Path, tracked: set[str]) -> list[str]:
    """Return what breaks the layout: `tracked` are the top-level names that belong to the project."""
    found = [f"{name}: is no top-level name of this project" for name in sorted(tracked - TOP_LEVEL)]
    for room in ROOMS:
        if (root / room / "__init__.py").exists():
            found.append(f"{room}/__init__.py: a room must not be a package; it would shadow modules")
        modules = [p.name for p in (root / room).glob("*") if p.name not in (PACKAGES[room], "__pycache__")]
        found += [f"{room}/{name}: a room holds nothing but {PACKAGES[room]}/" for name in sorted(modules)]
    shadows = [p for p in root.rglob("platform*") if _shadows(p.relative_to(root))]
    found += [f"{p.relative_to(root)}: would shadow the standard library's `platform`" for p in shadows]
    for package in ("platform/rookery", "ensembles/rookery_ensembles"):
        if not (root / package / "__init__.py").is_file():
            found.append(f"{package}/__init__.py: is missing")
    return found


def _shadows(path: Path) -> bool:
    if any(part.startswith(".") or part == "node_modules" for part in path.parts):
        return False
    is_module = path.name == "platform.py"
    is_package = path.name == "platform" and len(path.parts) > 1
    return is_module or is_package


def main() -> int:
    """Check this repository."""
    root = Path(__file__).resolve().parents[1]
    found = problems(root, set())
    for line in found:
        print(f"layout: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
