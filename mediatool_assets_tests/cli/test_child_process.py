"""A child that must not outlive the command that started it."""

import signal
import subprocess
import sys

import psutil
import pytest

from mediatool_assets.cli.child_process import tethered
from mediatool_assets.cli.launch import stop

pytestmark = pytest.mark.usefixtures("as_any_other_process")

_SLEEPER = "import sys, time; print('up', flush=True); time.sleep(60)"
_PARENT = """
import subprocess, sys
from mediatool_assets.cli.child_process import tethered
child = subprocess.Popen(tethered([sys.executable, "-c", sys.argv[1]]), process_group=0)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGTERM])
def test_child_ends_with_a_killed_parent(killer: signal.Signals) -> None:
    """Whatever kills the parent, its tethered child is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, _SLEEPER], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert parent.stdout.readline() == "up\n"
        parent.send_signal(killer)
        parent.wait()
    _, alive = psutil.wait_procs([child], timeout=30)
    assert alive == []


def test_interrupts_reach_the_child_of_a_background_job() -> None:
    """Where a shell had the command ignore SIGINT, its tethered child does not."""
    ignoring = ["/bin/sh", "-c", 'trap "" INT; "$@"', "sh", sys.executable, "-c", _PARENT, _SLEEPER]
    with subprocess.Popen(ignoring, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        child = psutil.Process(int(shell.stdout.readline()))
        assert shell.stdout.readline() == "up\n"
        child.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs([child], timeout=30)
    assert alive == []


def test_orphan_does_not_start() -> None:
    """A child whose parent has gone already does nothing."""
    command = tethered([sys.executable, "-c", "print('ran')"])
    command[4] = "1"  # not this process
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "ended already" in done.stderr


def test_stop_interrupts_once_and_waits() -> None:
    """The child gets one interrupt, and the time to clean up."""
    clean = (
        "import time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5)\n    print('cleaned', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", clean], stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        stop(process)
        assert process.returncode == 0
        assert process.stdout.read() == "cleaned\n"
