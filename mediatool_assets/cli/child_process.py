"""Starts a command that ends when the process that started it ends.

``python -m mediatool_assets.cli.child_process PID SIGNAL COMMAND...``: a killed ``mediatool
export`` must not leave a run behind that goes on and publishes its version after all. Linux only;
elsewhere the command is simply run.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>; survives exec


def tethered(command: list[str], stop: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command that runs ``command`` tied to the life of this process.

    When this process ends, the other gets ``stop``, and may get it several times: Linux sends it
    for every thread that ends here.
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
