"""A comparison as bytes: JSON for programs, Markdown and HTML for people."""

from mediatool_assets.domain import comparison as comparisons
from mediatool_assets.domain.comparison import Comparison
from mediatool_assets.flows.compare.html import html
from mediatool_assets.flows.compare.markdown import markdown
from mediatool_assets.flows.page.formats import Format


def render(comparison: Comparison, wanted: Format) -> bytes:
    """The report in the wanted format."""
    match wanted:
        case "json":
            return comparisons.encode(comparison)
        case "html":
            return html(comparison).encode()
        case "markdown":
            return markdown(comparison).encode()
