"""The site of these pages: `make docs` builds it with Sphinx and MyST; a warning is an error.

The pages are plain Markdown that also reads well in the repository: none has syntax of Sphinx. So
what Sphinx needs beside them is added here: the contents of the sidebar, and the form of links to
pages that are not part of the site.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "mediatool_assets"
author = "mediatool_assets contributors"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
exclude_patterns = ["requirements.*"]
nitpicky = True

myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_theme_options = {"show_prev_next": False}

_KINDS = ("tutorial", "how-to", "reference", "explanation")
_PAGES = Path(__file__).parent
_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[\w./-]+\.md)(?:#[\w-]+)?\)")


def setup(app: Sphinx) -> None:
    """Tell Sphinx what to call."""
    app.connect("source-read", _prepare)


def _prepare(_app: Sphinx, page: str, text: list[str]) -> None:
    """Add the contents to the first page; make links to pages outside of docs/ downloads."""
    folder = (_PAGES / page).parent

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        inside = (folder / target).resolve().is_relative_to(_PAGES)
        return found.group() if inside else f"{{download}}`{words} <{target}>`"

    text[0] = _OUTSIDE.sub(link, text[0])
    if page == "index":
        text[0] += "".join(_contents(kind) for kind in _KINDS)


def _contents(kind: str) -> str:
    pages = sorted(path.stem for path in (_PAGES / kind).glob("*.md"))
    listed = "\n".join(f"{kind}/{page}" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {kind.capitalize()}\n\n{listed}\n```\n"
