"""The project's own documents, cut into the blocks of code that tests hold them to."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fenced:
    """One fenced block of a page: its language and its text."""

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0]}"


def blocks(language: str, page: Path | None = None) -> list[Fenced]:
    """The blocks of that language, of one page or of all."""
    return [
        Fenced(path.name, found.group(1), dedent(found.group(2)))
        for path in (PAGES if page is None else (page,))
        for found in _BLOCK.finditer(path.read_text(encoding="utf-8"))
        if found.group(1) == language
    ]
