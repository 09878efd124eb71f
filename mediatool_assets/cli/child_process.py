"""Starts commands that end together with the process that started them.

``python -m mediatool_assets.cli.child_process tether PID SIGNAL COMMAND...``: the command ends when
that process ends. If ``mediatool export`` is killed, its run must not continue and publish the
version. This works on Linux only; on other systems the command is run without it.

``python -m mediatool_assets.cli.child_process supervise SECONDS COMMAND...``, as the leader of a
process group: everything that the command started is ended when the command or this process is
ended. What is left of the group is interrupted, and killed after these seconds. Without it, the
code servers of ``dagster dev`` may go on running: an interrupted ``dagster dev`` waits for them
only for a limited time, and a killed one not at all.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>; survives exec
_PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>; orphans below this process become its children
_POLL_SECONDS = 0.1
_MODULE = "mediatool_assets.cli.child_process"


def tethered(command: list[str], stop: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command line that runs ``command``, and ends it when this process ends.

    The command then receives ``stop``, possibly several times: Linux sends it for every thread of
    this process that ends.
    """
    us = str(os.getpid())
    return [sys.executable, "-m", _MODULE, "tether", us, str(stop.value), *command]


def supervised(command: list[str], seconds: float) -> list[str]:
    """The command line that runs ``command`` and ends the rest of its process group afterwards.

    What does not end within these seconds after an interrupt is killed.
    """
    return [sys.executable, "-m", _MODULE, "supervise", str(seconds), *command]


def main() -> None:
    """Run one of the two commands of this module."""
    match sys.argv[1:]:
        case ["tether", parent, stop, *command]:
            _become(command, int(parent), int(stop))
        case ["supervise", seconds, *command]:
            _supervise(float(seconds), command)


def _become(command: list[str], parent: int, stop: int) -> None:
    """Tie this process to its parent and become the command."""
    # A shell's background jobs ignore SIGINT, their children inherit that, and Dagster then ignores
    # SIGTERM as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, stop)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended already")
    os.execv(command[0], command)  # noqa: S606  # a list of our own words, and no shell


def _supervise(seconds: float, command: list[str]) -> None:
    """Run the command to its end or ours, end what is left of the group, exit with its code."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _on_endings(_interrupt)
    code = 0
    with suppress(KeyboardInterrupt):
        code = subprocess.Popen(command).wait()
    _on_endings(signal.SIG_IGN)
    _end_group(seconds)
    sys.exit(code if code >= 0 else 128 - code)  # a signal, as shells tell it


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _on_endings(signal.SIG_IGN)  # Linux sends the signal for every thread that ends in the parent
    raise KeyboardInterrupt


def _on_endings(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, handler)


def _end_group(seconds: float) -> None:
    """Interrupt the others of this group; kill all of it, this process too, if one remains."""
    os.killpg(0, signal.SIGINT)
    deadline = time.monotonic() + seconds
    while _others():
        if time.monotonic() > deadline:
            os.killpg(0, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _others() -> bool:
    """Whether the group has another process; reaps the one that ended."""
    try:
        os.waitpid(-os.getpgrp(), os.WNOHANG)
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    main()
