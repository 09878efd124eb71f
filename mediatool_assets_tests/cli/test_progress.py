"""Progress of a long command: its words, and where it is shown."""

import sys
from dataclasses import dataclass

import pytest

from mediatool_assets import cli as progress
from mediatool_assets.cli import SESSION, Meter, working

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        """The time that was set."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at any time."""
    return Clock()


def _halfway(clock: Clock) -> Meter:
    meter = Meter("restoring 20261124-022548 to media_tool_20261124_022548", clock)
    clock.now += 2
    meter("campaigns", 1_000, 29_000)
    clock.now += 10
    meter("campaigns", 12_000, 29_000)
    return meter


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (
            200,
            "[0:12] restoring 20261124-022548 to media_tool_20261124_022548: campaigns  41 %  "
            "12,000 of 29,000 rows  1,000 rows/s  0:17 left",
        ),
        (80, "[0:12] campaigns  41 %  12,000 of 29,000 rows  1,000 rows/s  0:17 left"),
        (60, "[0:12] campaigns  41 %  1,000 rows/s  0:17 left"),
        (40, "[0:12] campaigns  41 %  0:17 left"),
        (20, "[0:12] 41 %"),
        (5, "[0:1"),
    ],
)
def test_a_line_has_percentage_rate_and_time_left(clock: Clock, width: int, line: str) -> None:
    """On a narrow terminal what matters least goes first, and no line is broken."""
    assert _halfway(clock).line(width) == line


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        ("bytes", "[0:10] fetch: raw  50 %  500.0 of 1,000.0 MB  50.0 MB/s  0:10 left"),
        ("tables", "[0:10] fetch: raw  50 %  500,000,000 of 1,000,000,000 tables  "
         "50,000,000 tables/s  0:10 left"),
    ],
)  # fmt: skip
def test_a_unit_has_its_words(clock: Clock, unit: str, line: str) -> None:
    """Bytes are megabytes; anything else is counted."""
    meter = Meter("fetch", clock)
    clock.now += 10
    meter("raw", 500_000_000, 1_000_000_000, unit)
    assert meter.line() == line


def test_percentages_of_others_are_no_amounts(clock: Clock) -> None:
    """Of an export that AWS makes, its percentage is all that is known."""
    meter = Meter("exporting now", clock)
    clock.now += 60
    meter("rds_export", 40, 100, "percent")
    assert meter.line() == "[1:00] exporting now: rds_export  40 %  1:30 left"


def test_what_is_not_known_is_not_said(clock: Clock) -> None:
    """Without a total, and in the first second, nothing is invented."""
    meter = Meter("verifying", clock)
    assert meter.line() == "[0:00] verifying"
    meter("proof", 0, 0)
    clock.now += 3_661
    assert meter.line() == "[1:01:01] verifying: proof"
    meter("proof", 0, 0)
    meter("raw", 1, 2)
    clock.now += 0.5
    assert meter.line().endswith("raw  50 %  1 of 2 rows")


def test_each_phase_has_a_rate_of_its_own(clock: Clock) -> None:
    """A slow first table does not slow the second one's time left; -v has a line for each."""
    ended: list[str] = []
    meter = Meter("exporting", clock, ended.append)
    clock.now += 100
    meter("users", 10, 10)
    clock.now += 2
    meter("campaigns", 200, 400)
    assert (
        meter.line() == "[1:42] exporting: campaigns  50 %  200 of 400 rows  100 rows/s  0:02 left"
    )
    assert ended == ["exporting: users: 10 rows in 1:40"]


def test_a_terminal_shows_one_line_that_is_gone_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the progress is left on the screen."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with working("verifying"):
        pass
    err = capsys.readouterr().err
    assert "[0:00] verifying" in err
    assert err.endswith("\r\x1b[K")
    assert "\n" not in err


def test_a_pipe_gets_plain_lines_at_intervals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short commands print nothing; longer ones a line now and then, without any codes."""
    with working("verifying"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    with working("verifying") as told:
        told("raw", 1, 2)
        lines = ""
        while "raw" not in lines:
            lines += capsys.readouterr().err
    assert lines.splitlines()[-1].startswith("[0:0")
    assert "\x1b" not in lines


def test_quiet_shows_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """-q is for a terminal too."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(SESSION, "quiet", True)
    with working("verifying") as told:
        told("raw", 1, 2)
    assert capsys.readouterr().err == ""


def test_verbose_leaves_a_line_for_each_step(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """-v is for a pipe too."""
    monkeypatch.setattr(SESSION, "verbose", True)
    with working("verifying") as told:
        told("raw", 2, 2, "rows")
        told("dump", 1, 3)
    assert capsys.readouterr().err == "verifying: raw: 2 rows in 0:00\n"
