"""``seed``: fills the source database with generated media-tool data."""

from typing import Annotated

import typer

from mediatool_assets.cli.output import Json, echo, print_json
from mediatool_assets.cli.print_table import print_table
from mediatool_assets.cli.progress import working
from mediatool_assets.domain.errors import Misuse
from mediatool_assets.stores.environment import settings


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
