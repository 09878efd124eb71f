"""The formats of a report in a file."""

from pathlib import Path
from typing import Literal

Format = Literal["json", "html", "markdown"]

_SUFFIXES: dict[str, Format] = {
    ".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown",
}  # fmt: skip


def format_of(path: Path) -> Format:
    """The format that a file's name asks for; JSON where it says nothing else."""
    return _SUFFIXES.get(path.suffix.lower(), "json")
