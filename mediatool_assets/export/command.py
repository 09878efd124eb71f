"""``export``: makes versions, each in a Dagster run in a separate process.

Makes the days of a range one after the other, each in its own run.

The result of a run, as the command line prints it.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from mediatool_assets.cli import Json, echo, note, print_json
from mediatool_assets.cli.launch import SuccessfulRun, launch
from mediatool_assets.core.errors import MediatoolError, Misuse, NotFound
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key, checked_notes, metadata_key
from mediatool_assets.stores.environment import first_day, home, maker_settings
from mediatool_assets.versions import arguments

if TYPE_CHECKING:
    from mediatool_assets.export.flow import Asked
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
            autocompletion=arguments.versions,
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
    from mediatool_assets.check import explained_at_first
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
    from mediatool_assets.versions.catalog import named_version

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
    from mediatool_assets.export.flow import SourceCandidates
    from mediatool_assets.stores.postgres_source import PostgresSource
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


class DayMade(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one day; ``exit_code`` is that of the error if it failed.

    ``failed_checks`` are the findings of failed checks of a day that was made.
    """

    date: str
    outcome: Literal["made", "there", "failed"]
    version: str | None = None
    error: str | None = None
    exit_code: int = 0
    failed_checks: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.outcome:
            case "made":
                lines = [f"{self.date}: {self.version} is made"]
                return "\n".join([*lines, *(f"  failed: {c}" for c in self.failed_checks)])
            case "there":
                return f"{self.date}: {self.version} existed already"
            case _:
                return f"{self.date}: failed: {self.error}"


def days(first: date, last: date) -> tuple[date, ...]:
    """Every day from the first to the last, both included, in order."""
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def backfill(
    objects: "S3Objects",
    wanted: Iterable[date],
    asked: Mapping[str, str],
    home: Path,
    *,
    again: bool,
    refuse: Callable[[date], None],
) -> tuple[DayMade, ...]:
    """Make each day that has no complete version, or with ``again`` every day, in order.

    ``refuse`` raises if a day has no source, so that no run is started for it.
    """
    made, every = [], list(wanted)
    for number, day in enumerate(every, 1):
        there = [] if again else _complete(objects, day)
        if there:
            one = DayMade(day.isoformat(), "there", str(there[-1]))
        else:
            task = f"exporting {day}, day {number} of {len(every)}"
            one = _make(day, asked, home, refuse, task)
        note(str(one))
        made.append(one)
    return tuple(made)


def _make(
    day: date, asked: Mapping[str, str], home: Path, refuse: Callable[[date], None], task: str
) -> DayMade:
    try:
        refuse(day)
        run = launch("on_demand_export", day.isoformat(), asked, home, task=task)
    except MediatoolError as error:
        return DayMade(day.isoformat(), "failed", error=str(error), exit_code=error.exit_code)
    return DayMade(day.isoformat(), "made", str(run.version), failed_checks=run.failed_checks)


def _complete(objects: "S3Objects", day: date) -> list[Version]:
    from mediatool_assets.versions import catalog

    return list(catalog.versions(objects, day, day))


class VersionMade(msgspec.Struct, frozen=True):
    """One version and the run that made it; ``str`` gives the text for display.

    ``failed_checks`` lists failed checks as ``asset: check: finding``. ``homes`` counts the rows
    that became documents, were embedded, and so on; their sum is ``rows``.
    """

    version: str
    partition: str
    run_id: str
    purpose: str
    notes: str
    database: str
    postgres_database: str | None
    rows: int
    tables: int
    documents: int
    collections: int
    homes: dict[str, int]
    metadata: str
    warnings: tuple[str, ...]
    failed_checks: tuple[str, ...] = ()

    def __str__(self) -> str:
        others = "".join(
            f" + {count:,} {home.replace('_', ' ')}"
            for home, count in self.homes.items()
            if count and home != "documents"
        )
        lines = [
            f"{self.version}: {self.rows:,} rows of {self.tables} tables = "
            f"{self.homes.get('documents', 0):,} documents{others}; "
            f"{self.collections} collections"
        ]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join([*lines, *(f"  failed: {check}" for check in self.failed_checks)])


def version_made(run: SuccessfulRun, objects: "S3Objects") -> VersionMade:
    """The content of the run's version, from its metadata in the bucket; raises NotFound."""
    from mediatool_assets.versions import catalog

    metadata = catalog.read(objects, run.version)
    exports = metadata.exports
    return VersionMade(
        version=metadata.timestamp,
        partition=metadata.export_date,
        run_id=run.run_id,
        purpose=metadata.purpose,
        notes=metadata.notes,
        database=metadata.databases_created.mongodb or "",
        postgres_database=metadata.databases_created.postgres,
        rows=exports.raw.record_count,
        tables=exports.raw.tables_exported,
        documents=sum(exports.transformed.documents.values()),
        collections=len(exports.transformed.collections),
        homes=exports.transformed.homes,
        metadata=objects.uri(metadata_key(metadata.version)),
        warnings=metadata.warnings,
        failed_checks=run.failed_checks,
    )


def program() -> str:
    """The command to call this program: its name, or its path if it is not on the PATH."""
    return (
        "mediatool"
        if shutil.which("mediatool")
        else near(Path(sys.executable).parent / "mediatool")
    )


def near(path: Path) -> str:
    """The path relative to the current directory, if it is below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def listing_command(settings: Settings) -> str:
    """The AWS command that lists the bucket."""
    endpoint = f" --endpoint-url {settings.s3_endpoint_url}" if settings.s3_endpoint_url else ""
    return f"aws{endpoint} s3 ls s3://{settings.s3_bucket}/{settings.s3_prefix} --recursive"


def exit_if_failed(failed_checks: Iterable[str]) -> None:
    """Print the failed checks on stderr and exit with 1; does nothing if there are none."""
    if failed := tuple(failed_checks):
        names = ", ".join(":".join(check.split(":")[:2]) for check in failed)
        echo(f"mediatool: the version is complete, but checks failed: {names}", err=True)
        raise typer.Exit(1)
