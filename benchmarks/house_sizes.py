"""How large the house is: house_sizes.py CHECKOUT... prints one column for each checkout."""

import argparse
import ast
from pathlib import Path

PACKAGES = ("platform/rookery", "ensembles/rookery_ensembles")


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function, its docstring apart."""
    said = node.body[0] if ast.get_docstring(node) is not None else None
    words = 0 if said is None else (said.end_lineno or 0) - said.lineno + 1
    return (node.end_lineno or 0) - node.lineno + 1 - words


def room(module: str) -> str:
    """Return the room of a module: ``rookery.search`` of ``rookery.search.study``."""
    first, *rest = module.split(".")
    return first if first == "rookery_ensembles" or not rest else f"{first}.{rest[0]}"


def sizes(checkout: Path) -> dict[str, str]:
    """Return what is counted in a checkout, by its name."""
    files = {
        file: file.relative_to(checkout) for name in PACKAGES for file in (checkout / name).rglob("*.py")
    }
    if not files:
        raise SystemExit(f"{checkout}: there is no package of Rookery here ({', '.join(PACKAGES)})")
    lines, public, arrows = {}, 0, set()
    functions: dict[str, int] = {}
    for file, short in files.items():
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines[str(short)] = text.count("\n")
        tops = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        public += sum(not node.name.startswith("_") for node in tops)
        own = room(".".join(short.with_suffix("").parts[1:]))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions[f"{short}: {node.name}"] = length(node)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rookery"):
                arrows |= {(own, room(f"{node.module}.{name.name}")) for name in node.names}
    longest, widest = (
        max(lines, key=lambda name: lines[name]),
        max(functions, key=lambda name: functions[name]),
    )
    return {
        "files": f"{len(files):,}",
        "lines": f"{sum(lines.values()):,}",
        "public functions and classes": f"{public:,}",
        "arrows between rooms": f"{sum(a != b for a, b in arrows):,}",
        "longest file": f"{lines[longest]} ({longest})",
        "longest function": f"{functions[widest]} ({widest})",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", nargs="+", type=Path, metavar="CHECKOUT")
    found = {checkout: sizes(checkout) for checkout in parser.parse_args().checkouts}
    print(f"| | {' | '.join(str(checkout) for checkout in found)} |\n|---|{'---|' * len(found)}")
    for name in next(iter(found.values())):
        print(f"| {name} | {' | '.join(each[name] for each in found.values())} |")


if __name__ == "__main__":
    main()
