"""A comparison as bytes: JSON for programs, Markdown and HTML for people."""

from pathlib import Path
from typing import Literal

from mediatool_assets.domain import comparison as comparisons
from mediatool_assets.domain.comparison import Comparison
from mediatool_assets.flows.compare.html import html
from mediatool_assets.flows.compare.markdown import markdown

Format = Literal["json", "html", "markdown"]

_SUFFIXES: dict[str, Format] = {
    ".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown",
}  # fmt: skip


def format_of(path: Path) -> Format:
    """The format that a file's name asks for; JSON where it says nothing else."""
    return _SUFFIXES.get(path.suffix.lower(), "json")


def render(comparison: Comparison, wanted: Format) -> bytes:
    """The report in the wanted format."""
    match wanted:
        case "json":
            return comparisons.encode(comparison)
        case "html":
            return html(comparison).encode()
        case "markdown":
            return markdown(comparison).encode()
