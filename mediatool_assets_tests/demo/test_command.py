"""``up``, ``down`` and ``status`` as a person meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mediatool_assets.stores import local_servers, local_stack
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@pytest.fixture
def at_home(nowhere: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The running local servers, which nothing but MEDIATOOL_HOME names."""
    monkeypatch.setenv("MEDIATOOL_HOME", str(stack.home))
    return stack


def test_status_without_servers_says_what_starts_them(mediatool: Run, nowhere: Path) -> None:
    """Nothing runs here: that is an answer, not an error."""
    document = json.loads(mediatool("status", "--json").out)
    assert document["up"] is False
    assert document["urls"] == {}
    assert {server["name"] for server in document["servers"]} == {"postgres", "mongodb", "s3"}
    assert mediatool("status").out.count(" down ") == 3


def test_down_without_servers_does_nothing(mediatool: Run, nowhere: Path) -> None:
    """Stopping what does not run is done."""
    result = mediatool("down", "--json")
    assert result.code == 0
    assert json.loads(result.out)["stopped"] == []
    assert list(nowhere.iterdir()) == []


def test_up_without_libcurl_names_its_package(
    mediatool: Run, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the loader says in place of mongod's start ends in one line, with the command."""
    program = nowhere / "mongod"
    says = f"{program}: error while loading shared libraries: libcurl.so.4: cannot open it"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setattr(local_servers, "mongod_binary", lambda: program)
    monkeypatch.setattr(
        local_stack, "KINDS", [k for k in local_stack.KINDS if k.folder == "mongodb"]
    )
    result = mediatool("up")
    assert result.code == 2
    assert result.lines == [
        "mediatool: mongod needs libcurl.so.4, which this machine lacks: `apt-get install libcurl4`"
    ]


def test_up_finds_the_running_servers(mediatool: Run, at_home: Stack) -> None:
    """A second up starts nothing, and prints where everything is."""
    document = json.loads(mediatool("up", "--json").out)
    assert document["up"] is True
    assert set(document["urls"]) == {"postgres", "mongodb", "s3"}
    assert {s["pid"] for s in document["servers"]} == {s.pid for s in at_home.servers}
    assert json.loads(mediatool("status", "--json").out) == document


@pytest.mark.parametrize("command", ["up", "status"])
def test_no_secret_is_printed(mediatool: Run, at_home: Stack, command: str) -> None:
    """URLs have their passwords masked; the file that holds them is named."""
    secrets = [
        value
        for name, value in json.loads((at_home.home / "credentials.json").read_text()).items()
        if name != "s3_access_key"
    ]
    for words in ((command,), (command, "--json")):
        result = mediatool(*words)
        assert str(at_home.home / "environment.json") in result.out
        assert not [secret for secret in secrets if secret in result.out + result.err]


def test_commands_use_the_servers_that_are_up(mediatool: Run, at_home: Stack) -> None:
    """With no server set, the local ones' bucket is read."""
    assert mediatool("versions", "--json").code == 0


def test_a_home_that_is_a_file_is_refused(
    mediatool: Run, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MEDIATOOL_HOME must be a folder, and the answer says so."""
    (nowhere / "taken").touch()
    monkeypatch.setenv("MEDIATOOL_HOME", "taken")
    result = mediatool("up")
    assert result.code == 2
    assert "MEDIATOOL_HOME" in result.err


def test_the_program_keeps_its_streams_apart(at_home: Stack) -> None:
    """As a program: JSON alone on stdout, nothing on stderr that is no terminal, exit code 0."""
    done = subprocess.run(
        [sys.executable, "-m", "mediatool_assets.main", "status", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["up"] is True
    assert done.stderr == ""


def test_the_program_s_errors_are_for_stderr(nowhere: Path) -> None:
    """As a program: the exit code and one line on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "mediatool_assets.main", "latest"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_help_loads_nothing_heavy() -> None:
    """--help imports no driver, no Dagster and no data library, and so is quick."""
    code = (
        "import sys; from mediatool_assets.main import main; main(['--help'])\n"
        "heavy = 'boto3 dagster pymongo psycopg duckdb pandas pyarrow numpy'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
