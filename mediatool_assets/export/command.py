"""``export``: makes versions, each in a Dagster run in a separate process."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mediatool_assets.cli import completion
from mediatool_assets.cli.output import Json, echo, print_json
from mediatool_assets.domain.errors import Misuse, NotFound
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.notes import checked_notes
from mediatool_assets.domain.version import Version
from mediatool_assets.stores.environment import first_day, home, maker_settings

if TYPE_CHECKING:
    from mediatool_assets.cli.launch import SuccessfulRun
    from mediatool_assets.domain.settings import Settings
    from mediatool_assets.flows.export.origin import Asked
    from mediatool_assets.stores.s3 import S3Objects


def export(
    day: Annotated[
        str | None,
        typer.Option(
            "--date", metavar="DATE", help="A day, or a range of days FROM..TO. Default: today."
        ),
    ] = None,
    source: Annotated[
        Literal["postgres", "rds", "archive"] | None,
        typer.Option(
            help="What the rows are read from. Default: the live database for today; an archive or "
            "RDS for past days. `mediatool --source NAME export` names one of several databases."
        ),
    ] = None,
    purpose: Annotated[
        Literal["daily_backup", "testing"] | None,
        typer.Option(
            help="The bucket's rules delete `testing` versions after 7 days. Default: `testing` "
            "for a version of now, `daily_backup` for past days."
        ),
    ] = None,
    notes: Annotated[
        str, typer.Option(metavar="TEXT", help="Free text, for instance why it was made.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Also re-run days that already have a complete version.")
    ] = False,
    finish: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Finish a version that was stopped after its raw archive.",
            autocompletion=completion.versions,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make one version, end to end, as a Dagster run; or one version for each day of a range.

    The run makes the raw archive, the transformed archive, the databases of MEDIATOOL_TARGETS, the
    dump of the MongoDB database, the metadata and the registry. The version is complete when its
    metadata is written. Ctrl-C cancels the run; no partial archive remains. If the version is made
    but fails a check, the checks are listed and the exit code is 1.

    Today is exported from the live database. A past day is made from its raw archive if it has one
    (only the missing parts are made), else from an RDS snapshot export of that day in the bucket,
    else from an RDS snapshot; without any of them, no run is started. In a range, a day that fails
    does not stop the others: all are listed, and the exit code is 1. `--finish` makes the missing
    parts of a version from its raw archive, even if its day has other versions.

    Examples:

        mediatool export --notes "before the migration"
        mediatool export --purpose daily_backup --json
        mediatool export --date 2026-11-01..2026-11-07
        mediatool export --finish 20261107-020000
    """
    checked_notes(notes)
    today = datetime.now(UTC).date()
    first, last = _days(day, today, first_day()) if day else (today, today)
    is_range = day is not None and ".." in day
    if again and not is_range:
        raise Misuse("--again needs a range of days; write --date FROM..TO")
    if finish and (day or source or purpose or notes):
        raise Misuse("--finish continues a version with its own options; remove the other options")
    live = not finish and (source == "postgres" or (source is None and first == last == today))
    config = maker_settings(*(["postgres_url"] if live else []))
    from mediatool_assets.cli.checking import explained_at_first
    from mediatool_assets.cli.launch import launch
    from mediatool_assets.stores.s3 import S3Objects

    objects = S3Objects.of(config, is_maker=True)
    if finish:
        _report(
            launch("on_demand_export", None, {}, home(), _begun(objects, finish)), objects, json
        )
        return
    refuse = partial(_refuse_without_source, config, objects, source or "auto", today)
    kind = purpose or ("daily_backup" if is_range else "auto")
    asked = {"purpose": kind, "notes": notes, "source": source or "auto"}
    if is_range:
        _backfill(objects, first, last, asked, again=again, json=json, refuse=refuse)
        return
    refuse(first)
    with explained_at_first(config.local_registry):
        run = launch("on_demand_export", first.isoformat() if day else None, asked, home())
    _report(run, objects, json)


def _begun(objects: "S3Objects", text: str) -> Version:
    """The unfinished version of that name; raises NotFound if it has no raw archive."""
    from mediatool_assets.flows.versions.names import named_version

    version = named_version(objects, text)
    if objects.head(archive_key("raw", version)) is None:
        raise NotFound(
            f"version {version} has no raw archive, so it cannot be finished; "
            "`mediatool export` makes a new version"
        )
    return version


def _refuse_without_source(
    config: "Settings", objects: "S3Objects", asked: "Asked", today: date, day: date
) -> None:
    """Raise PastDay, NotFound or BadSettings if the day has no source.

    Without this check, the run would fail, and Dagster would show all of its assets as failed.
    """
    from mediatool_assets.flows.export.origin import SourceCandidates
    from mediatool_assets.stores.postgres import PostgresSource
    from mediatool_assets.stores.rds import RdsInstance

    if day == today:
        return
    live = PostgresSource.of(config) if config.postgres_url else None
    places, partition = SourceCandidates.of(config, objects, live, today), day.isoformat()
    if places.lacks_export(partition, asked):
        if config.can_export_rds_snapshots:
            return  # AWS can export the day's snapshot
        if asked == "rds" and not places.has_exports(partition):
            RdsInstance.of(config)  # raises BadSettings naming the missing settings
    places.origin(partition, asked)


def _report(run: "SuccessfulRun", objects: "S3Objects", json: bool) -> None:
    """Print what the run made; exits with 1 if a check failed."""
    from mediatool_assets.cli.summary import exit_if_failed, version_made

    made = version_made(run, objects)
    if json:
        print_json(made)
    else:
        echo(made)
    exit_if_failed(made.failed_checks)


def _backfill(
    objects: "S3Objects",
    first: date,
    last: date,
    asked: dict[str, str],
    *,
    again: bool,
    json: bool,
    refuse: Callable[[date], None],
) -> None:
    from mediatool_assets.cli.backfill import backfill, days

    made = backfill(objects, days(first, last), asked, home(), again=again, refuse=refuse)
    if json:
        print_json(made)
    else:
        for one in made:
            echo(one)
    if any(one.outcome == "failed" or one.failed_checks for one in made):
        raise typer.Exit(1)


def _days(text: str, today: date, earliest: date) -> tuple[date, date]:
    """The first and last day of ``D`` or ``FROM..TO``, at most today; raises Misuse."""
    first, dots, last = text.partition("..")
    days = _day(first), _day(last if dots else first)
    if days[0] > days[1]:
        raise Misuse(f"--date {text!r} ends before it begins; write FROM..TO")
    if days[0] < earliest or days[1] > today:
        raise Misuse(f"--date {text!r} is not between {earliest} and today, {today} (UTC)")
    return days


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise Misuse(f"--date {text!r} is not a date; write YYYY-MM-DD, or FROM..TO") from error
