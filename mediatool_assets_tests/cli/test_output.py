"""Tables on terminals of any width."""

import re
import sys

import pytest

from mediatool_assets.cli.output import print_table

HEADINGS = ("VERSION", "DATABASE", "ROWS", "NOTES")
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
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    print_table(HEADINGS, [ROW], droppable=("DATABASE", "NOTES", "ROWS"))
    head, line = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert head.split() == shown
    assert line.split()[0] == ROW[0]
    assert len(line) <= max(width, len(ROW[0]))
