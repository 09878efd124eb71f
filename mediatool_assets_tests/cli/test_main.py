"""Wrong input for every command: its exit code, and a line or two that name the next step."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mediatool_assets.cli import SESSION
from mediatool_assets.core.errors import Unreachable
from mediatool_assets.main import COMMANDS, DEFECT, main
from mediatool_assets.versions import command as versions
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")

NAMES = tuple(command.__name__ for command in COMMANDS)


@pytest.mark.parametrize("command", NAMES)
def test_help_teaches_with_an_example(
    mediatool: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """--help of every command shows how it is called, on stdout, each example on its own line."""
    monkeypatch.setenv("COLUMNS", "110")
    result = mediatool(command, "--help")
    assert result.code == 0
    assert "Example" in result.out
    assert f"mediatool {command}" in result.out.split("Example", 1)[1]
    assert result.err == ""
    lines = [line.strip() for line in result.out.splitlines()]
    for example in _examples(command):
        assert example in lines


def _examples(command: str) -> list[str]:
    """The examples of a command's docstring; none of them is longer than a line of 100."""
    function = next(each for each in COMMANDS if each.__name__ == command)
    text = (function.__doc__ or "").split("Examples:", 1)[1]
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_help_names_every_command(mediatool: Run) -> None:
    """--help, and no words at all, list every command."""
    for words in ((), ("--help",), ("-h",)):
        result = mediatool(*words)
        assert result.code == 0
        for command in NAMES:
            assert f" {command} " in result.out


@pytest.mark.parametrize("command", NAMES)
def test_unknown_option_is_wrong_usage(mediatool: Run, nowhere: Path, command: str) -> None:
    """An option that no command knows is refused by name before anything is done."""
    result = mediatool(command, "--no-such-option")
    assert result.code == 2
    assert "--no-such-option" in result.err
    assert f"`mediatool {command} --help`" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["exprt"], "export"),
        (["show"], "VERSION"),
        (["fetch"], "VERSION"),
        (["show", "yesterday"], "'yesterday' is not a version"),
        (["show", "20250230-000000"], "'20250230-000000' is not a version"),
        (["show", "2025/06/21"], "YYYYMMDD-HHMMSS"),
        (["fetch", "20250621"], "'20250621' is not a version"),
        (["fetch", "20250621-143000", "--kind", "parquet"], "'parquet' is not one of"),
        (["fetch", "20250621-143000", "--output", "a-file"], "a-file"),
        (["versions", "--from", "June"], "--from 'June'"),
        (["versions", "--to", "2025-06-31"], "--to '2025-06-31'"),
        (["versions", "--purpose", "fun"], "'fun' is not one of"),
        (["export", "--date", "21.6.2025"], "--date '21.6.2025'"),
        (["export", "--source", "oracle"], "'oracle' is not one of 'postgres', 'rds'"),
        (["export", "--purpose", "fun"], "'fun' is not one of"),
        (["export", "--notes", "x" * 4097], "4,097 bytes, more than 4,096"),
        (["seed", "--scale", "0"], "--scale"),
        (["seed", "--scale", "much"], "--scale"),
        (["seed", "--day", "-1"], "--day"),
        (["demo", "--scale", "-0.02"], "--scale"),
        (["dev", "--port", "70000"], "--port"),
        (["latest", "20250621-143000"], "20250621-143000"),
        (["bench", "--scale", "0"], "--scale"),
        (["bench", "--rounds", "0"], "--rounds"),
        (["prune", "--keep-daily", "-1"], "--keep-daily"),
        (["prune", "--keep-testing-days", "0"], "--keep-testing-days"),
        (["verify", "20250621-143000", "--sample", "much"], "--sample"),
        (["restore", "20250621-143000", "--to", "oracle"], "'oracle' is not one of"),
        (["model", "guess"], "guess"),
        (["model", "infer", "--sample", "-1"], "--sample"),
        (["model", "check", "--against", "x"], "--against"),
        (["bucket", "aply"], "apply"),
        (["bucket", "plan", "--document", "poem"], "'poem' is not one of"),
        (["bucket", "check", "--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_input_is_named(mediatool: Run, nowhere: Path, words: list[str], named: str) -> None:
    """Wrong words exit 2, with one line that names what is wrong."""
    (nowhere / "a-file").touch()
    result = mediatool(*words)
    assert result.code == 2
    assert named in result.err
    assert len(result.lines) == 1
    assert result.out == ""


def test_two_problems_are_told_together(mediatool: Run, nowhere: Path) -> None:
    """Both wrong dates are named in one answer."""
    result = mediatool("versions", "--from", "June", "--to", "July")
    assert result.code == 2
    assert "--from 'June'" in result.err
    assert "--to 'July'" in result.err


def test_days_in_the_wrong_order_are_told(mediatool: Run, nowhere: Path) -> None:
    """A range that ends before it begins is wrong usage, not an empty list."""
    result = mediatool("versions", "--from", "2025-06-02", "--to", "2025-06-01")
    assert result.code == 2
    assert "swap them" in result.err


@pytest.mark.parametrize(
    "words",
    [
        ["versions"],
        ["latest"],
        ["show", "20250621-143000"],
        ["fetch", "20250621-143000"],
        ["export"],
        ["seed"],
    ],
)
def test_no_servers_is_a_setting_that_is_missing(
    mediatool: Run, nowhere: Path, words: list[str]
) -> None:
    """With nothing set and nothing up, the answer says what starts or names the servers."""
    result = mediatool(*words)
    assert result.code == 2
    assert "`mediatool up`" in result.err
    assert "MEDIATOOL_POSTGRES_URL" in result.err


@pytest.mark.parametrize(
    "words",
    [
        ["versions"],
        ["latest"],
        ["show", "20250621-143000"],
        ["fetch", "20250621-143000"],
        ["seed"],
    ],
)
def test_unreachable_server_is_named_without_its_password(
    mediatool: Run, unreachable: None, words: list[str]
) -> None:
    """A server that does not answer is exit code 4, and no secret is in the message."""
    result = mediatool(*words)
    assert result.code == 4
    assert "127.0.0.1" in result.err
    assert "hunter2" not in result.err
    assert len(result.lines) <= 2


def test_all_wrong_settings_are_told_together(
    mediatool: Run, unreachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong and missing settings are one list, and wrong URLs are not repeated."""
    monkeypatch.setenv("MEDIATOOL_POSTGRES_URL", "mysql://someone:hunter2@127.0.0.1/x")
    monkeypatch.setenv("MEDIATOOL_WORKERS", "none")
    monkeypatch.delenv("MEDIATOOL_MONGODB_URL")
    result = mediatool("export")
    assert result.code == 2
    for name in ("MEDIATOOL_POSTGRES_URL", "MEDIATOOL_WORKERS", "MEDIATOOL_MONGODB_URL"):
        assert name in result.err
    assert "hunter2" not in result.err


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Make ``latest`` end with an error."""

    def breaks(error: Exception) -> None:
        def fail() -> None:
            raise error

        monkeypatch.setattr(versions, "_objects", fail)

    return breaks


def test_defect_shows_no_traceback(mediatool: Run, broken: Callable[[Exception], None]) -> None:
    """An error that nobody foresaw is one line with an exit code of its own."""
    broken(ZeroDivisionError("division by zero at mongodb://someone:sec@ret@host/"))
    result = mediatool("latest")
    assert result.code == DEFECT
    assert "ZeroDivisionError" in result.err
    assert "Traceback" not in result.err
    assert "someone:***@host" in result.err
    assert len(result.lines) == 1


@pytest.mark.parametrize("words", [("--debug", "latest"), ("latest", "--debug")])
def test_debug_shows_the_traceback(
    mediatool: Run, broken: Callable[[Exception], None], words: tuple[str, ...]
) -> None:
    """--debug, before or behind the command, adds the traceback, with every password masked."""
    broken(ZeroDivisionError("mongodb://someone:hunter2@host/"))
    result = mediatool(*words)
    assert result.code == DEFECT
    assert "Traceback (most recent call last)" in result.err
    assert "hunter2" not in result.err


def test_every_cause_is_told(mediatool: Run, broken: Callable[[Exception], None]) -> None:
    """Where several servers failed at once, each is named."""
    error = Unreachable("PostgreSQL does not answer; start it")
    error.add_note("MongoDB does not answer; start it")
    broken(error)
    result = mediatool("latest")
    assert result.code == 4
    assert len(result.lines) == 2
    assert "MongoDB" in result.lines[1]


def test_full_disk_is_named(mediatool: Run, broken: Callable[[Exception], None]) -> None:
    """An error of the operating system names the file."""
    broken(OSError(28, "No space left on device", "/backups/x.tar.gz"))
    result = mediatool("latest")
    assert result.code == 2
    assert "/backups/x.tar.gz: No space left on device" in result.err


@pytest.mark.parametrize("words", [("-q", "latest"), ("latest", "-q"), ("latest", "--quiet")])
def test_what_every_command_takes_stands_before_or_behind_it(
    mediatool: Run, broken: Callable[[Exception], None], words: tuple[str, ...]
) -> None:
    """-q means the same on both sides."""
    broken(Unreachable("nothing answers; start it"))
    assert mediatool(*words).code == 4
    assert SESSION.quiet


def test_a_source_with_a_backslash_is_named(
    mediatool: Run, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong name ends with a message, whatever is in it."""
    monkeypatch.setenv("MEDIATOOL_SOURCE", "")  # is restored after the test
    result = mediatool("latest", "--source", "a\\1")
    assert (result.code, "Traceback" in result.err) == (2, False)
    assert "a\\1" in result.err


@pytest.mark.parametrize("words", [("--source", "shop", "latest"), ("latest", "--source", "shop")])
def test_advice_names_the_source_that_was_asked_for(
    mediatool: Run,
    broken: Callable[[Exception], None],
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that a message names can be pasted: it is about the same source."""
    monkeypatch.setenv("MEDIATOOL_SOURCE", "library")  # is restored after the test
    broken(Unreachable("the mediatool server is away; run `mediatool up`, then `mediatool check`"))
    err = mediatool(*words).err
    assert err.count("`mediatool --source shop ") == 2
    assert "the mediatool server" in err
    assert SESSION.advice("mediatool check") == "mediatool --source shop check"
    assert "--source" not in mediatool("latest").err


@pytest.mark.parametrize(
    ("words", "kind"), [(("latest", "--json"), "Unreachable"), (("show", "--json"), "Misuse")]
)
def test_errors_are_json_where_json_is_asked_for(
    mediatool: Run, broken: Callable[[Exception], None], words: tuple[str, ...], kind: str
) -> None:
    """One line on stderr for a program to read, with the exit code; stdout is empty."""
    broken(Unreachable("postgresql://someone:hunter2@host does not answer; start it"))
    result = mediatool(*words)
    error = json.loads(result.err)
    assert (error["error"], error["exit_code"], result.out) == (kind, result.code, "")
    assert "hunter2" not in result.err
    assert error["message"]


def test_version_is_the_package_s(mediatool: Run) -> None:
    """--version prints the installed version."""
    result = mediatool("--version")
    assert (result.code, result.out.count("."), result.err) == (0, 2, "")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mediatool la", ["latest"]),
        ("mediatool fetch --ki", ["--kind"]),
        ("mediatool fetch --kind ", ["raw", "transformed", "dump"]),
    ],
)
def test_shell_completes(line: str, offered: list[str]) -> None:
    """Commands, options and their values are offered to the shell."""
    done = subprocess.run(
        [Path(sys.executable).with_name("mediatool")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {
            "_MEDIATOOL_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        },
    )
    assert done.stdout.split() == offered


def test_main_returns_the_exit_code() -> None:
    """The console script's exit status is what main returns."""
    assert main(["latest", "too", "many"]) == 2


_SLOW = ("boto3", "psycopg", "pymongo", "duckdb", "pyarrow", "postgast", "rich.console", "dagster")


def test_looking_at_versions_loads_no_driver(unreachable: None) -> None:
    """What answers in less than a second imports neither databases nor parsers."""
    program = """
import sys
from mediatool_assets.main import main
for words in (["versions"], ["latest"], ["show", "20250621-143000"]):
    assert main(words) == 4, words
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()).isdisjoint(_SLOW)
