"""The formats of a report in a file."""

from pathlib import Path
from typing import Literal

from mediatool_assets.domain.page import Page
from mediatool_assets.flows.reports.html import html
from mediatool_assets.flows.reports.markdown import markdown

Format = Literal["json", "html", "markdown"]

_SUFFIXES: dict[str, Format] = {
    ".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown",
}  # fmt: skip


def format_of(path: Path) -> Format:
    """The format for a file's extension; JSON by default."""
    return _SUFFIXES.get(path.suffix.lower(), "json")


def rendered(wanted: Format, json: bytes, page: Page) -> bytes:
    """A report in the wanted format, from its JSON and its page."""
    match wanted:
        case "json":
            return json
        case "html":
            return html(page).encode()
        case "markdown":
            return markdown(page).encode()
