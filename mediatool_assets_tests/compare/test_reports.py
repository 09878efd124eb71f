"""The reports for people: complete, escaped, and free of any network."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.compare.report import render
from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.metrics import (
    ChartPoint,
    DailyMetrics,
    TableMetrics,
    Threshold,
    VersionMetrics,
    compared_with,
)
from mediatool_assets.core.outcomes import Figure
from mediatool_assets.integrity.plan import Defect, Integrity, Line
from mediatool_assets.integrity.report import page as integrity_page
from mediatool_assets.pages import Format, html
from mediatool_assets.reports.report import page as metrics_page
from mediatool_assets_tests.compared import of_tables
from mediatool_assets_tests.raw_archives import table

NASTY = '<script>alert("1")</script>|`_x_`'


@pytest.fixture
def nasty(tmp_path: Path) -> Comparison:
    """A comparison of which every name wants to break out."""
    before = table(NASTY, **{"id": "integer", f"c{NASTY}": "integer", "dropped": "text"})
    after = table(NASTY, **{"id": "integer", f"c{NASTY}": "integer"})
    row = {"id": 1, f"c{NASTY}": 5}
    only = table("only", id="integer")
    return of_tables(
        tmp_path,
        {before: [row | {"dropped": "x"}, {**row, "id": 2, "dropped": None}], only: []},
        {after: [row | {f"c{NASTY}": 6}]},
    )


class _Reader(HTMLParser):
    """Collects tags, their attributes and the text outside of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(v) for k, v in attrs if k in ("src", "href", "action", "srcset")]
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["script"]:
            self.text += data


def test_html_is_well_formed_and_escaped(nasty: Comparison) -> None:
    """No name becomes markup; every tag is closed; the table and its column are readable."""
    page = render(nasty, "html").decode()
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.tags.count("script") == 1
    assert NASTY in reader.text
    assert {"ul", "details", "table"} <= {*reader.tags}


HISTORY = (
    ChartPoint("20250621-020000", 1, 1, 900, 90),
    ChartPoint("20250622-020000", 2, 2, 950, 95),
)


def _comparison(found: Comparison) -> str:
    return render(found, "html").decode()


def _metrics(found: Comparison) -> str:
    """The day of that comparison."""
    before = VersionMetrics("20250621-020000", {}, {NASTY: TableMetrics(2, 9)}, {NASTY: 1})
    after = msgspec.structs.replace(before, version="20250622-020000")
    return html(
        metrics_page(
            DailyMetrics(
                version=after.version,
                partition="2025-06-22",
                verdict="failed",
                notes=(NASTY,),
                current=after,
                previous=compared_with(before, after, (), found),
                week_before=None,
                thresholds=(Threshold(NASTY, "failed", NASTY, {}),),
                history=HISTORY,
            )
        )
    )


def _integrity(_: Comparison) -> str:
    """A version with a row missing."""
    defect = Defect("missing", "mongodb", NASTY, {NASTY: msgspec.Raw(b"1")})
    rows: dict[str, Figure] = {"surplus": 0, "missing": 1, "differs": 0}
    line = Line("values", NASTY, NASTY, NASTY, "failed", NASTY, rows, 0.1, (defect,))
    return html(
        integrity_page(
            Integrity("20250622-020000", "now", 1.0, "failed", None, {}, {}, (line,), HISTORY)
        )
    )


@pytest.mark.parametrize("wanted", ["comparison", "metrics", "integrity"])
def test_html_needs_no_network(nasty: Comparison, wanted: str) -> None:
    """It names no address but that of SVG's own kind, and forbids the browser any."""
    reports = {"comparison": _comparison, "metrics": _metrics, "integrity": _integrity}
    page = reports[wanted](nasty)
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert all(link.startswith("#") for link in reader.links)
    assert "class='bars'" in page and NASTY in reader.text
    assert not re.search(r"https?://|@import|url\(", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


@pytest.mark.parametrize("wanted", ["html", "markdown"])
def test_reports_tell_everything(nasty: Comparison, wanted: Format) -> None:
    """Verdict, what was not compared, schema changes, and the changed value."""
    text = render(nasty, wanted).decode()
    for part in ("different", "Not compared", "only", "breaking", "dropped", "there is no such"):
        assert part in text


def test_markdown_escapes_what_would_be_markup(nasty: Comparison) -> None:
    """Table cells keep their number whatever a name holds."""
    lines = render(nasty, "markdown").decode().splitlines()
    tables = [line for line in lines if line.startswith("| ")]
    assert not any("<script>" in line for line in tables)
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            bars = [len(re.findall(r"(?<!\\)\|", text)) for text in (above, line)]
            assert bars[0] == bars[1]


def test_same_is_said_plainly(tmp_path: Path) -> None:
    """Two equal versions make a short report in every format."""
    users = table("users", id="integer")
    found = of_tables(tmp_path, {users: [{"id": 1}]}, {users: [{"id": 1}]})
    assert "All 1 tables have the same rows" in render(found, "markdown").decode()
    assert "class='bars'" not in render(found, "html").decode()
