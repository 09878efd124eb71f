"""Escapes text for HTML: no markup, no control characters."""

import html

from mediatool_assets.domain.printable import visible_lines


def escape(text: str) -> str:
    """The text as HTML, in quotes too."""
    return html.escape(visible_lines(text))
