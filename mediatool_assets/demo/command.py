"""``demo``, ``dev`` and ``seed``: the demonstration, the UI on this machine, generated data.

``up``, ``down`` and ``status``: the local PostgreSQL, MongoDB and S3.

``bench``: the benchmark of a checkout, with separate servers.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import Json, echo, note, print_json, print_table, working
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.texts import Url
from mediatool_assets.native import codec, why_not_native
from mediatool_assets.stores.environment import home, settings

if TYPE_CHECKING:
    from mediatool_assets.stores.local_stack import ServerStatus


def demo(
    scale: Annotated[
        float, typer.Option(min=0.0001, max=10.0, help="1 is 848,937 rows, and the history tables.")
    ] = 0.02,
    days: Annotated[
        int, typer.Option(min=1, max=60, help="Number of days; the last one is today.")
    ] = 3,
    json: Json = False,
) -> None:
    """Run everything once on real servers on this machine: seed, export, edit, export again.

    Starts the local servers, fills the source database and edits it like days of work. For each
    past day it puts an RDS snapshot export into the bucket, in AWS's layout, and makes the version
    of that day from it. Then it makes today's version from the live database and, after more edits,
    another one on demand. Dagster makes all of them, and each is verified to its last byte. If you
    run the demo again, it makes two more versions of today.

    Examples:

        mediatool demo
        mediatool demo --scale 0.1 --json
    """
    from mediatool_assets.demo import demonstration
    from mediatool_assets.export.command import exit_if_failed

    made = demonstration.run(home(), scale, days)
    if json:
        print_json(made)
    else:
        echo(demonstration.describe(made))
    red = [check for one in made.made for check in one.failed_checks]
    unsound = [f"{v}: verify: {found}" for v, found in made.verdicts.items() if found != "passed"]
    exit_if_failed(red + unsound)


def dev(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port of the UI. Default: 3000, or any free port."),
    ] = None,
) -> None:
    """Start the local servers, then Dagster's UI and daemon, until Ctrl-C.

    The servers stay up afterwards: `mediatool down` stops them. Of several sources it shows all, or
    that of `--source`.

    Examples:

        mediatool dev
        mediatool dev --port 8080
    """
    from mediatool_assets.demo import demonstration

    url = demonstration.develop(port)
    note(f"{url} is stopped; the servers still run, `mediatool down` stops them")


def seed(
    scale: Annotated[
        float, typer.Option(min=0.0001, max=100.0, help="1 is the published export's size.")
    ] = 0.02,
    full: Annotated[
        bool, typer.Option("--full", help="Fill the daily metric and history tables too.")
    ] = False,
    day: Annotated[
        int, typer.Option(min=0, max=3650, help="The same data, this many days of edits later.")
    ] = 0,
    json: Json = False,
) -> None:
    """Fill the source database with generated media-tool data: real types and difficult values.

    Scale 1 is the published export, 848,937 rows in 24 tables. The same scale and day give the
    same rows, every time.

    Examples:

        mediatool seed
        mediatool seed --scale 1 --full
        mediatool seed --scale 1 --full --day 1
    """
    config = settings("postgres_url")
    if "," in config.postgres_schema:
        raise Misuse(f"MEDIATOOL_POSTGRES_SCHEMA names {config.postgres_schema}; name one")
    from mediatool_assets.demo.seeding import seed as fill

    with working(f"filling {config.postgres_schema}, scale {scale:g}, day {day}"):
        seeded = fill(
            config.required_url("postgres_url"),
            scale=scale,
            full=full,
            day=day,
            schema=config.postgres_schema,
        )
    if json:
        print_json(seeded)
        return
    print_table(("TABLE", "ROWS"), sorted(seeded.tables.items()))
    filled = sum(rows > 0 for rows in seeded.tables.values())
    echo(f"{seeded.rows:,} rows in {filled} of {len(seeded.tables)} tables")


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
    from mediatool_assets.stores import local_stack

    with working("starting PostgreSQL, MongoDB and S3"):
        stack = local_stack.up(home(), new_keys=True)
    _print_servers(stack.home, stack.servers, stack.environment, json)


def down(json: Json = False) -> None:
    """Stop the local servers; their data is kept for the next `mediatool up`.

    Servers of your own are never stopped.

    Examples:

        mediatool down
        mediatool down --json
    """
    from mediatool_assets.stores import local_stack

    with working("stopping the local servers"):
        stopped = local_stack.down(home())
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
    from mediatool_assets.stores import local_stack

    _print_servers(
        home(), local_stack.status(home()), local_stack.local_environment(home()) or {}, json
    )
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
    from mediatool_assets.export.command import near

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


_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "run.py"


def bench(
    scale: Annotated[float, typer.Option(min=0.001, help="1 is 848,937 rows, 924 MB.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Number of measurements of each stage.")] = 3,
    alone: Annotated[
        bool, typer.Option("--alone", help="Do not measure the native tools.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Also measure this other checkout of the project."),
    ] = None,
    postgres: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="With --against: the programs of another PostgreSQL for both.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure every stage and the native tools, on separate servers.

    With `--against`, the stages of two checkouts are measured in turn. Run `make install` in the
    other one first. The local PostgreSQL has no LZ4; `--postgres` measures with one that does.

    Results are written to `benchmarks/results/` of the checkout.

    Examples:

        mediatool bench --scale 0.1 --rounds 1
        mediatool bench --alone --scale 10 --rounds 1 --json
        mediatool bench --against ../before --scale 1
        mediatool bench --against ../before --postgres /usr/lib/postgresql/17/bin
    """
    if not _SCRIPT.exists():
        raise Misuse(f"{_SCRIPT} does not exist; run the benchmark from a checkout of the sources")
    options = ["--scale", str(scale), "--rounds", str(rounds)]
    options += ["--alone"] * alone + ["--json"] * json
    if against is not None:
        options += ["--against", str(against)]
    if postgres is not None:
        if against is None:
            raise Misuse("--postgres needs --against; add --against PATH")
        options += ["--postgres", str(postgres)]
    ended = subprocess.run([sys.executable, str(_SCRIPT), *options], check=False)
    raise typer.Exit(ended.returncode)
