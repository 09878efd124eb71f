"""Runs a command, and ends everything that it started when the command or this process is ended.

``python -m mediatool_assets.cli.supervisor SECONDS COMMAND...`` as the leader of a process group.
What is left of the group is interrupted, and killed after these seconds. Without a supervisor, the
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

_PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>; orphans below this process become its children
_POLL_SECONDS = 0.1


def main() -> None:
    """Run the command to its end or ours, end what is left of the group, exit with its code."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _on_endings(_interrupt)
    seconds, *command = sys.argv[1:]
    code = 0
    with suppress(KeyboardInterrupt):
        code = subprocess.Popen(command).wait()
    _on_endings(signal.SIG_IGN)
    _end_group(float(seconds))
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
