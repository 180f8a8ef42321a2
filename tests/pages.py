"""The blocks of code of the documentation, wherever they stand."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCED = re.compile(r"^```([\w{}-]*)\n(.*?)^```", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """A block of code."""

    page: Path
    line: int
    language: str
    """Empty for what is typed in a shell."""
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """What is typed, a command each, without remarks."""
        joined = self.text.replace("\\\n", " ")
        lines = (re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in joined.splitlines())
        return [" ".join(line.split()) for line in lines if line]


def pages(root: Path) -> list[Path]:
    """Return README, CONTRIBUTING and every page of the site."""
    made = {"_build", "_extensions", "results"}
    every = sorted((root / "docs").rglob("*.md"))
    found = [one for one in every if not made & set(one.relative_to(root).parts) and one.name != "verbs.md"]
    return [root / "README.md", root / "CONTRIBUTING.md", *found]


def notebooks(root: Path) -> list[Path]:
    """Return every notebook of the site."""
    return sorted((root / "docs" / "tutorials").glob("*.ipynb"))


def cells(notebook: Path) -> list[dict[str, Any]]:
    """Return a notebook's cells of code."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of code of a page; directives of Sphinx are none."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCED.finditer(text):
        if not found[1].startswith("{"):
            yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
