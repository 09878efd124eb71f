"""Tables on terminals of any width, and in pipes."""

import re
import sys

import pytest

from mediatool_assets.cli import print_table
from mediatool_assets.versions import command as versions
from mediatool_assets.versions.flow import Listed

pytestmark = pytest.mark.usefixtures("as_any_other_process")

HEADINGS = ("VERSION", "DATABASE", "ROWS", "NOTES")
LISTED = Listed(
    "20261124-022548",
    "mediatool_20261124-022548",
    None,
    "2026-11-24T02:31:00Z",
    "daily_backup",
    "before the migration of the shop to its new database",
    pinned=True,
    promoted=True,
    rows=848_937,
    size_bytes=123_456_789,
    verdict="passed",
    verified="2026-11-24T04:00:00Z",
    sample=5.0,
)
ROW = ("20261124-022548", "mediatool_20261124-022548", 58_894, "before the migration of the shop")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, ["VERSION", "DATABASE", "ROWS", "NOTES"]),
        (60, ["VERSION", "ROWS", "NOTES"]),
        (30, ["VERSION", "ROWS"]),
        (16, ["VERSION"]),
        (8, ["VERSION"]),
    ],
)
def test_columns_go_by_importance_and_the_first_is_whole(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    shown: list[str],
) -> None:
    """On a narrow terminal there are fewer columns, and a version is never shortened."""
    _terminal(monkeypatch, width)
    print_table(HEADINGS, [ROW], droppable=("DATABASE", "NOTES", "ROWS"))
    head, line = _lines(capsys)
    assert head.split() == shown
    assert line.split()[0] == ROW[0]
    assert len(line) <= max(width, len(ROW[0]))


@pytest.mark.parametrize("width", [15, 40, 60, 80, 120, 200])
def test_a_list_of_versions_fits_and_shortens_no_id(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Whatever else has to go, the version stands whole at the beginning of its line."""
    _terminal(monkeypatch, width)
    versions._print_versions([LISTED] * 2)
    for line in _lines(capsys)[1:]:
        assert line.split()[0] == LISTED.version
        assert len(line) <= width
        assert "…" not in line.partition("before")[0]  # nothing but the notes is cut


def test_a_wrapped_text_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that is too wide goes on below, in its own column."""
    _terminal(monkeypatch, 40)
    print_table(
        ("", "FOUND"),
        [("wrong", "the bucket refuses every write without encryption")],
        wrapped=True,
    )
    lines = _lines(capsys)
    assert max(map(len, lines)) <= 40
    assert (
        " ".join(" ".join(lines[1:]).split())
        == "wrong the bucket refuses every write without encryption"
    )


def test_a_pipe_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal every column is there, whole."""
    text = "x" * 2000
    print_table(HEADINGS, [(*ROW[:3], text)], droppable=("DATABASE",))
    assert text in capsys.readouterr().out


def _terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
