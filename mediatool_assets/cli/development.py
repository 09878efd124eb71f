"""Runs Dagster's UI and daemon on this machine until it is interrupted."""

import os
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
from mediatool_assets.stores.environment import has_own_servers, home, local_settings, settings

WORKSPACE = """\
load_from:
  - python_module:
      module_name: mediatool_assets.definitions
      location_name: mediatool_assets
"""
_USUAL_PORT = 3000  # Dagster's own default
_START_SECONDS = 180.0  # the first start on 2 slow cores took 38 s


def run(port: int | None) -> str:
    """Start what is needed, print the UI's address, wait for Ctrl-C, and return the address.

    Raises Refused where the port is taken, RunFailed where Dagster ends by itself.
    """
    own: dict[str, str] = {}
    if has_own_servers():
        settings("postgres_url", "mongodb_url")
    else:
        from mediatool_assets.stores.local import up

        up(home(), new_keys=True)
        own = keyed(os.environ, local_settings().home)
    port = _free_port(port)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace(home()))]
    process = subprocess.Popen(
        tethered([*command, "-h", "127.0.0.1", "-p", str(port)]),
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
    """The setting by which alerts link to the UI at ``url``, unless it says where the UI is."""
    own = environ.get("MEDIATOOL_DAGSTER_URL", "").strip()
    return {"MEDIATOOL_DAGSTER_URL": own or url}


def keyed(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The masking key of the local servers' home, unless one is set: every asset can be made."""
    from mediatool_assets.stores.masking_key import kept_key

    name = "MEDIATOOL_MASKING_KEY"
    if environ.get(name, "").strip():
        return {}
    return {name: kept_key(home).path.read_text().strip()}


def workspace(home: Path) -> Path:
    """What Dagster loads, by the name under which the command line's runs are: the checkout's file,
    or one like it in ``home`` where the package is installed alone.
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
    return RunFailed(f"`dagster dev` ended {code}; its last lines above say why", 4)


def _free_port(wanted: int | None) -> int:
    """The port that was asked for, or Dagster's usual one, or else any that is free."""
    for port in (wanted,) if wanted else (_USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Refused(f"port {wanted} is taken; leave --port out, or name another one")
