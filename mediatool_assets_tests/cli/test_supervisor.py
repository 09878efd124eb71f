"""A command and all that it started end together, whatever ends the command or who started it."""

import signal
import subprocess
import sys

import psutil
import pytest

pytestmark = pytest.mark.usefixtures("as_any_other_process")

_FAMILY = """
import signal, subprocess, sys, time
ending, *rest = sys.argv[1:]
if rest:
    command = [sys.executable, "-c", rest[0], ending]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    print(child.stdout.readline(), end="", flush=True)
if ending == "ignore":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
print("up", flush=True)
if ending == "exit" and rest:
    sys.exit(7)
time.sleep(600)
"""
_PARENT = """
import subprocess, sys
from mediatool_assets.cli.child_process import supervised, tethered
family = [sys.executable, "-c", sys.argv[3], sys.argv[2], sys.argv[3]]
child = subprocess.Popen(tethered(supervised(family, float(sys.argv[1]))), process_group=0)
sys.exit(child.wait())
"""


def _started(seconds: str, ending: str) -> subprocess.Popen[str]:
    """A process that has a supervisor, which has a child with a child of its own; all are up."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
    command = [sys.executable, "-c", _PARENT, seconds, ending, _FAMILY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["up\n"] * 2
    return process


@pytest.mark.parametrize(
    ("ending", "seconds"), [("interrupt", "600"), ("ignore", "0.2")], ids=["heeded", "ignored"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_all_end_with_who_started_them(number: signal.Signals, ending: str, seconds: str) -> None:
    """Interrupted; what ignores that is killed after the seconds."""
    with _started(seconds, ending) as process:
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) == 3
        process.send_signal(number)
        _, left = psutil.wait_procs(family, 120)
    assert left == []


def test_what_a_command_leaves_ends_with_it() -> None:
    """Its orphans are interrupted, and its exit code is the supervisor's."""
    with _started("600", "exit") as process:
        assert process.wait(120) == 7


def test_a_killed_command_is_told_as_shells_tell_it() -> None:
    """Its child does not survive it."""
    with _started("600", "interrupt") as process:
        family = psutil.Process(process.pid).children(recursive=True)
        supervisor, command, _ = family
        assert supervisor.pid == command.ppid()
        command.kill()
        assert process.wait(120) == 128 + signal.SIGKILL
        assert psutil.wait_procs(family, 120)[1] == []
