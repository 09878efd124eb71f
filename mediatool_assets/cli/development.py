"""Runs Dagster's UI and daemon on this machine until it is interrupted."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from mediatool_assets.cli.child_process import tethered
from mediatool_assets.cli.launch import RunFailed, stop
from mediatool_assets.cli.output import echo
from mediatool_assets.domain.errors import Refused
from mediatool_assets.stores.environment import (
    has_own_servers,
    home,
    local_settings,
    maker_settings,
    sources,
)

WORKSPACE = """\
load_from:
  - python_module:
      module_name: mediatool_assets.definitions
      location_name: mediatool_assets
"""
_USUAL_PORT = 3000  # Dagster's own default
_GRACE_SECONDS = "20"  # below that of ``stop``; a run aborts its uploads within 2 s
_START_SECONDS = 180.0  # the first start on 2 slow cores took 38 s


def run(port: int | None) -> str:
    """Start what is needed, print the UI's address, wait for Ctrl-C, and return the address.

    Raises Refused if the port is taken, RunFailed if Dagster ends by itself.
    """
    own: dict[str, str] = {}
    if has_own_servers():
        if not sources():  # of which the UI shows all
            maker_settings("postgres_url")
    else:
        from mediatool_assets.stores.local import up

        up(home(), new_keys=True)
        own = keyed(os.environ, local_settings().home)
    port = _free_port(port)
    url = f"http://127.0.0.1:{port}"
    supervised = [sys.executable, "-m", "mediatool_assets.cli.supervisor", _GRACE_SECONDS]
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace(home()))]
    for ending in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: wait until everything has ended
        signal.signal(ending, signal.default_int_handler)
    process = subprocess.Popen(
        tethered([*supervised, *command, "-h", "127.0.0.1", "-p", str(port)]),
        env=os.environ | own | linked(os.environ, url),
        stdout=sys.stderr.fileno(),
        process_group=0,
    )
    try:
        _wait_until_up(process, url)
        echo(url)
        process.wait()
    except KeyboardInterrupt:
        return url
    finally:
        stop(process)
    raise _ended(process)


def linked(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """The variable with the UI's URL for links in alerts: the one that is set, else ``url``."""
    own = environ.get("MEDIATOOL_DAGSTER_URL", "").strip()
    return {"MEDIATOOL_DAGSTER_URL": own or url}


def keyed(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The variable with the home's masking key, unless one is set, so that all assets work."""
    from mediatool_assets.stores.masking_key import kept_key

    name = "MEDIATOOL_MASKING_KEY"
    if environ.get(name, "").strip():
        return {}
    return {name: kept_key(home).path.read_text().strip()}


def workspace(home: Path) -> Path:
    """The workspace file that Dagster loads, with the location name of the command line's runs.

    It is the checkout's file, or a generated one in ``home`` if only the package is installed.
    """
    checkout = Path(__file__).parents[2] / "workspace.yaml"
    if checkout.is_file():
        return checkout
    own = home / "dagster" / "workspace.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(WORKSPACE)
    return own


def _wait_until_up(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):  # noqa: S310  # our own http URL
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    raise _ended(process)


def _ended(process: subprocess.Popen[bytes]) -> RunFailed:
    code = "and did not answer in time" if process.poll() is None else f"with {process.returncode}"
    return RunFailed(f"`dagster dev` ended with {code}; its last lines above say why", 4)


def _free_port(wanted: int | None) -> int:
    """The requested port, or Dagster's default one, or any free one."""
    for port in (wanted,) if wanted else (_USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Refused(f"port {wanted} is taken; leave --port out, or name another one")
