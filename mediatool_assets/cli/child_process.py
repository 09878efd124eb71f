"""Starts a command that ends when the process that started it ends.

``python -m mediatool_assets.cli.child_process PID SIGNAL COMMAND...``. If ``mediatool export`` is
killed, its run must not continue and publish the version. This works on Linux only; on other
systems the command is run without it.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>; survives exec


def tethered(command: list[str], stop: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command line that runs ``command``, and ends it when this process ends.

    The command then receives ``stop``, possibly several times: Linux sends it for every thread of
    this process that ends.
    """
    module = "mediatool_assets.cli.child_process"
    return [sys.executable, "-m", module, str(os.getpid()), str(stop.value), *command]


def main() -> None:
    """Tie this process to its parent and become the command."""
    parent, stop, *command = sys.argv[1:]
    # A shell's background jobs ignore SIGINT, their children inherit that, and Dagster then ignores
    # SIGTERM as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(stop))
    if os.getppid() != int(parent):
        sys.exit("the process that started this one has ended already")
    os.execv(command[0], command)  # noqa: S606  # a list of our own words, and no shell


if __name__ == "__main__":
    main()
