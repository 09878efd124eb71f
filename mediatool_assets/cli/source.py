"""``demo``, ``dev`` and ``seed``: the demonstration, the UI on this machine, generated data."""

from typing import Annotated

import typer

from mediatool_assets.cli.output import Json, echo, note, print_json
from mediatool_assets.cli.print_table import print_table
from mediatool_assets.cli.progress import working
from mediatool_assets.domain.errors import Misuse
from mediatool_assets.stores.environment import home, settings


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
    from mediatool_assets.cli import demonstration
    from mediatool_assets.cli.summary import exit_if_failed

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
    from mediatool_assets.cli import development

    url = development.run(port)
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
    from mediatool_assets.seed import seed as fill

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
