"""``export``, ``demo`` and ``dev``: whatever needs Dagster, which runs in processes of its own."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

import typer

from mediatool_assets.cli.environment import home, settings
from mediatool_assets.cli.output import Json, note, print_json
from mediatool_assets.domain.errors import Misuse


def export(
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="The partition; a live source has today's."),
    ] = None,
    source: Annotated[
        Literal["postgres"], typer.Option(help="Where from: `postgres` is the live database.")
    ] = "postgres",
    purpose: Annotated[
        Literal["daily_backup", "testing"],
        typer.Option(help="What it is for; a bucket as declared drops `testing` after 7 days."),
    ] = "testing",
    notes: Annotated[str, typer.Option(metavar="TEXT", help="Why it was made.")] = "",
    json: Json = False,
) -> None:
    """Make one version, end to end, as a Dagster run.

    Raw archive, transformed archive, MongoDB database, dump, metadata, registry. Nothing counts
    before the metadata is written; Ctrl-C cancels the run and leaves no half of an archive.

    Examples:

        mediatool export --notes "before the migration"
        mediatool export --purpose daily_backup --json
    """
    del source  # its one value is what the job exports
    partition = _day(day) if day else datetime.now(UTC).date()
    config = settings("postgres_url", "mongodb_url")
    from mediatool_assets.cli.launch import launch
    from mediatool_assets.cli.summary import version_made
    from mediatool_assets.stores.s3 import S3Objects

    asked = {"purpose": purpose, "notes": notes}
    run = launch("on_demand_export", partition.isoformat(), asked, home())
    made = version_made(run, S3Objects.of(config))
    if json:
        print_json(made)
    else:
        typer.echo(made)


def demo(
    scale: Annotated[
        float, typer.Option(min=0.0001, max=10.0, help="1 is 848,937 rows and the history on top.")
    ] = 0.02,
    json: Json = False,
) -> None:
    """Do everything once on real servers of this machine: seed, export, edit, export again.

    Starts the local servers, fills the source database, makes today's version through Dagster,
    edits the source as a day of work would, and makes a second version on demand. It can be run
    again: that makes two more versions.

    Examples:

        mediatool demo
        mediatool demo --scale 0.1 --json
    """
    from mediatool_assets.cli import demonstration

    made = demonstration.run(home(), scale)
    if json:
        print_json(made)
    else:
        typer.echo(demonstration.describe(made))


def dev(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The UI's port; else 3000, or any free one."),
    ] = None,
) -> None:
    """Start the local servers, then Dagster's UI and daemon, until Ctrl-C.

    The servers stay up afterwards: `mediatool down` stops them.

    Examples:

        mediatool dev
        mediatool dev --port 8080
    """
    from mediatool_assets.cli import development

    url = development.run(port)
    note(f"{url} is down; the servers are still up, `mediatool down` stops them")


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise Misuse(f"--date {text!r} is not a date; write YYYY-MM-DD") from error
