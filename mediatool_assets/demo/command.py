"""``up``, ``down`` and ``status``: the local PostgreSQL, MongoDB and S3."""

from pathlib import Path
from typing import TYPE_CHECKING

from mediatool_assets.cli.output import Json, echo, note, print_json
from mediatool_assets.cli.print_table import print_table
from mediatool_assets.cli.progress import working
from mediatool_assets.domain.urls import Url
from mediatool_assets.native.library import codec, why_not_native
from mediatool_assets.stores.environment import home

if TYPE_CHECKING:
    from mediatool_assets.stores.local import ServerStatus

_URLS = {
    "postgres": "MEDIATOOL_POSTGRES_URL",
    "mongodb": "MEDIATOOL_MONGODB_URL",
    "s3": "MEDIATOOL_S3_ENDPOINT_URL",
}


def up(json: Json = False) -> None:
    """Start the local servers that are not running, and wait until all of them answer.

    Their data is under `.mediatool` (or MEDIATOOL_HOME) and is kept. Each server uses a free port
    of 127.0.0.1. URLs are printed without passwords; these are in the file `environment.json` in
    the same folder, which only you can read.

    Examples:

        mediatool up
        mediatool up --json
    """
    from mediatool_assets.stores import local

    with working("starting PostgreSQL, MongoDB and S3"):
        stack = local.up(home(), new_keys=True)
    _print_servers(stack.home, stack.servers, stack.environment, json)


def down(json: Json = False) -> None:
    """Stop the local servers; their data is kept for the next `mediatool up`.

    Servers of your own are never stopped.

    Examples:

        mediatool down
        mediatool down --json
    """
    from mediatool_assets.stores import local

    with working("stopping the local servers"):
        stopped = local.down(home())
    if json:
        print_json({"home": str(home()), "stopped": stopped})
    else:
        echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def status(json: Json = False) -> None:
    """Show which local servers run, where, and where their logs are.

    Also shows whether rows are converted by the compiled codec or by Python, and why.

    Passwords are not printed.

    Examples:

        mediatool status
        mediatool status --json
    """
    from mediatool_assets.stores import local

    _print_servers(home(), local.status(home()), local.local_environment(home()) or {}, json)
    if not json:
        why = why_not_native()
        echo(f"rows are converted by {f'Python: {why}' if why else 'the compiled codec'}")


def _print_servers(
    place: Path, servers: tuple["ServerStatus", ...], environment: dict[str, str], json: bool
) -> None:
    """Print the servers' state; URLs without passwords."""
    urls = {
        name: str(Url(environment[variable]))
        for name, variable in _URLS.items()
        if variable in environment
    }
    secrets = place / "environment.json"
    if json:
        print_json(
            {
                "home": str(place),
                "up": all(server.running for server in servers),
                "urls": urls,
                "bucket": environment.get("MEDIATOOL_S3_BUCKET"),
                "secrets": str(secrets) if environment else None,
                "row_codec": codec(),
                "servers": [
                    {
                        "name": server.name,
                        "running": server.running,
                        "pid": server.pid,
                        "address": server.address,
                        "log": str(server.log),
                    }
                    for server in servers
                ],
            }
        )
        return
    from mediatool_assets.cli.summary import near

    rows = [
        (
            s.name,
            f"up, process {s.pid}" if s.running else "down",
            urls.get(s.name, "-"),
            near(s.log),
        )
        for s in servers
    ]
    print_table(("SERVER", "STATE", "URL", "LOG"), rows)
    if environment:
        echo(f"passwords and keys: {near(secrets)}")
    else:
        note("`mediatool up` starts them")
