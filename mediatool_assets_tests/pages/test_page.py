"""Pages: figures, charts, tables and their structure, whatever names they are given."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mediatool_assets.pages import (
    BarChart,
    Calendar,
    CalendarDay,
    Card,
    Folded,
    Items,
    LineChart,
    Link,
    Number,
    Page,
    Section,
    bars,
    escape,
    escaped,
    format_of,
    grid,
    html,
    line,
    markdown,
    sizes,
)
from mediatool_assets.pages import bytes_text as as_text

NASTY = '<b id="x">$a$</b>'


@pytest.mark.parametrize(
    ("size", "says"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (-2_000_000, "-2.0 MB")],
)
def test_sizes_are_in_units_of_a_thousand(size: int, says: str) -> None:
    """As disks and bills count them."""
    assert as_text(size) == says
    assert as_text(None) == "–"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("a.HTML", "html"), ("a.htm", "html"), ("a.md", "markdown"), ("a.markdown", "markdown")],
)
def test_a_file_s_name_asks_for_a_format(name: str, wanted: str) -> None:
    """The same ones for every report; JSON for all that is none of them."""
    assert format_of(Path(name)) == wanted
    assert format_of(Path(f"{name}.txt")) == "json"


def test_names_in_charts_are_not_markup() -> None:
    """Neither in bars nor in lines, and no chart names anything outside of the page."""
    chart = bars(BarChart([(NASTY, {"added": 5, "changed": 1})]))
    chart += line(LineChart("t", [(NASTY, 1, NASTY), ("b", 9, "9")]))
    assert "<b id" not in chart
    assert "http" not in chart and "url(" not in chart and "href" not in chart
    assert "5 added, 1 changed" in chart
    assert "<title>&lt;b id=&quot;x&quot;&gt;$a$&lt;/b&gt;: " in chart


@pytest.mark.parametrize("values", [[], [7]])
def test_one_version_is_no_line(values: list[int]) -> None:
    """Nothing is drawn where nothing can be seen."""
    chart = LineChart("Rows", [("a", value, str(value)) for value in values])
    assert "<svg" not in html(Page("t", "passed", "h", sections=[Section("s", [chart])]))


def test_equal_values_are_a_flat_line() -> None:
    """Without a division by nothing."""
    assert line(LineChart("Rows", [("a", 7, "7"), ("b", 7, "7")])).count("95.0") == 4


def test_a_chart_says_how_many_bars_it_leaves_out() -> None:
    """The largest are drawn, the rest are counted; what has no count has no bar."""
    chart = bars(BarChart([(f"t{i}", {"added": i}) for i in range(21)]))
    assert "and 5 more" in chart
    assert chart.count("<li>") == 15


def test_tables_sort_by_what_a_number_is() -> None:
    """The value is beside its text, and unknown sorts below all."""
    table = grid(("Name", "Rows"), [(NASTY, Number(5, "5 rows")), ("x", Number(None, "–"))])
    made = html(Page("t", "passed", "h", sections=[Section(NASTY, [table])]))
    assert "data-value='5'>5 rows" in made
    assert "data-value='-1e+308'>–" in made
    assert "<b id" not in made
    assert not grid(("Name",), [])


@pytest.mark.parametrize("values", [[2_400_000, 2_400_900], [205_000_000, 205_300_000], [7, 7]])
def test_close_sizes_are_told_apart(values: list[int]) -> None:
    """As many decimals as it takes, and never less than one."""
    assert len({sizes(values)(value) for value in values}) == len({*values})


STEERING = "name\x1b]0;owned\x07 \x9b2J\u202efdp.exe"


@pytest.mark.parametrize("made", [escape, escaped])
def test_nothing_steers_a_terminal_or_turns_a_line(made: Callable[[str], str]) -> None:
    """A page may be read by `less` or `cat`."""
    assert not set("\x1b\x07\x9b\u202e") & set(made(STEERING))


def every_part(name: str) -> Page:
    """A page with everything that a page can have."""
    table = grid(("Name", "Page"), [(name, Link(name, name))])
    day = CalendarDay("2026-02-28", name, name, name)
    return Page(
        name,
        name,
        name,
        [name],
        [Card(name, name, name)],
        [
            Section("all", [table, BarChart([(name, {"missing": 1})]), Items([name])], name),
            Section("command", [Items([name], code=True)], detail="summary"),
            Section("folded", [Folded(name, name, [name, table])]),
            Section("none", [grid((name,), [])], otherwise="None."),
            Section("left out", [grid((name,), []), Items([])]),
            Section("days", [Calendar([day])], detail="full"),
        ],
        [(name, [Link(name, name, current=True)])],
    )


def test_every_part_is_escaped() -> None:
    """No text of any part becomes markup, in HTML and in Markdown."""
    assert "<b" not in re.sub(r"<(b|button|body)>", "", html(every_part(NASTY)))
    for text in markdown(every_part(NASTY)).splitlines():
        assert "<b" not in text.replace("\\<b", "") or text.startswith("    ")


def test_a_page_has_headings_labels_and_contents() -> None:
    """One title; a heading a section, which the contents link to; what scrolls has a name."""
    made = html(every_part("x"))
    assert made.count("<h1>") == 1
    anchors = re.findall(r"<h2 id='(\w+)'>", made)
    assert re.findall(r"<a href='#(\w+)'>", made) == anchors
    assert "left out" not in made and "None." in made
    assert made.count("role='region' tabindex='0' aria-label=") == made.count("<div class='scroll'")
    assert "<th scope='col'" in made and "<main>" in made and "aria-current='page'" in made


def test_only_the_page_has_what_is_of_full_detail() -> None:
    """Markdown has neither calendars nor what only the page shows."""
    page = every_part("x")
    assert "2026-02" in html(page)
    assert "## days" not in markdown(page)
