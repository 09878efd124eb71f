"""Text as HTML shows it: no markup, and nothing that steers a terminal or turns a line around."""

import html

from mediatool_assets.domain.printable import visible_lines


def escape(text: str) -> str:
    """The text as HTML, in quotes too."""
    return html.escape(visible_lines(text))
