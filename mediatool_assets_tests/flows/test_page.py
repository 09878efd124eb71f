"""Parts of pages: figures, charts and tables, whatever names they are given."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mediatool_assets.flows.page.charts import bars, lines
from mediatool_assets.flows.page.escaping import escape
from mediatool_assets.flows.page.figures import number, sizes
from mediatool_assets.flows.page.figures import size as as_text
from mediatool_assets.flows.page.formats import format_of
from mediatool_assets.flows.page.markdown import escaped
from mediatool_assets.flows.page.tables import Number, table

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


def test_charts_are_the_same_bytes_again() -> None:
    """No clock, no random name: a report of the same version is the same."""
    rows = [("users", {"added": 1, "removed": 0, "changed": 3})]
    assert bars(rows) == bars(rows)
    assert lines("Rows", ["a", "b"], [1, 2], number) == lines("Rows", ["a", "b"], [1, 2], number)


def test_charts_stand_alone_and_take_the_page_s_colours() -> None:
    """Nothing is named that lies outside, no two charts share an id, and names are not markup."""
    chart = bars([(NASTY, {"added": 5, "changed": 1})]) + lines("t", [NASTY, "b"], [1, 9], number)
    assert "<b id" not in chart
    assert ' id="' not in chart.replace(' id="x"', "")
    assert "http" not in chart and "url(" not in chart and "href" not in chart
    assert "#0" not in chart
    assert "var(--added)" in chart and "var(--text)" in chart
    assert "<title>&lt;b id=&quot;x&quot;&gt;$a$&lt;/b&gt;: 5 added</title>" in chart


@pytest.mark.parametrize("values", [[], [7]])
def test_one_version_is_no_line(values: list[int]) -> None:
    """Nothing is drawn where nothing can be seen."""
    assert lines("Rows", ["a"] * len(values), values, number) == ""


def test_a_chart_says_how_many_bars_it_leaves_out() -> None:
    """The largest are drawn, the rest are counted."""
    assert "and 5 more" in bars([(f"t{i}", {"added": i + 1}) for i in range(20)])


def test_names_of_any_script_or_none_are_drawn() -> None:
    """Without a warning: controls as escapes, letters that matplotlib's font lacks as they are."""
    drawn = bars([("tab\tbell\a", {"added": 2}), ("表 ক 🜚", {"removed": 1})])
    assert "tab\\u0009bell\\u0007" in drawn
    assert "表 ক 🜚" in drawn
    assert "\\u0007" in lines("rows", ["a\a", "b"], [1, 2], str)


def test_tables_sort_by_what_a_number_is() -> None:
    """The value stands beside its text, and what is not known sorts below all."""
    made = table(("Name", "Rows"), [(NASTY, Number(5, "5 rows")), ("x", Number(None, "–"))])
    assert "data-value='5'>5 rows" in made
    assert "data-value='-1e+308'>–" in made
    assert "<b id" not in made
    assert table(("Name",), []) == ""


@pytest.mark.parametrize("values", [[2_400_000, 2_400_900], [205_000_000, 205_300_000], [7, 7]])
def test_an_axis_tells_close_sizes_apart(values: list[int]) -> None:
    """As many decimals as it takes, and never less than one."""
    ticks = re.findall(r">([^<>]* k?M?B)</text>", lines("t", ["a", "b"], values, sizes(values)))
    assert len({*ticks}) == len(ticks) >= 1


STEERING = "name\x1b]0;owned\x07 \x9b2J\u202efdp.exe"


@pytest.mark.parametrize("made", [escape, escaped])
def test_nothing_steers_a_terminal_or_turns_a_line(made: Callable[[str], str]) -> None:
    """A page may be read by `less` or `cat`."""
    assert not set("\x1b\x07\x9b\u202e") & set(made(STEERING))
