"""``demo``: several days of a source on local servers; past days come from RDS exports."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mediatool_assets.cli.launch import SuccessfulRun, launch
from mediatool_assets.cli.output import megabytes, note
from mediatool_assets.cli.progress import working
from mediatool_assets.cli.stores import stores
from mediatool_assets.cli.summary import VersionMade, listing_command, near, program, version_made
from mediatool_assets.domain.keys import (
    REGISTRY_KEY,
    REPORT_FORMS,
    REPORTS,
    archive_key,
    metadata_key,
    report_key,
)
from mediatool_assets.domain.rds_export import export_prefix
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.stores.environment import local_settings

if TYPE_CHECKING:
    from mediatool_assets.stores.s3 import S3Objects


class Demonstration(msgspec.Struct, frozen=True):
    """The result of the demo; ``objects`` is bytes by bucket key, ``rows`` is by version.

    ``verdicts`` is by version too: the verdict of reading it again.
    """

    versions: tuple[str, ...]
    rows: dict[str, dict[str, int]]
    databases: tuple[str, ...]
    postgres_databases: tuple[str, ...]
    objects: dict[str, int]
    made: tuple[VersionMade, ...]
    verdicts: dict[str, str]
    look: dict[str, str]


def run(home: Path, scale: float, days: int) -> Demonstration:
    """Run the demo. Errors of its steps are raised, and earlier versions are kept.

    ``days`` includes today. For each day before it, an RDS snapshot export of the source is
    written, and the day's version is made from it unless it exists already.
    """
    from mediatool_assets.stores.local import up
    from mediatool_assets.stores.s3 import S3Objects

    with working("starting PostgreSQL, MongoDB and S3"):
        up(home, new_keys=True)
    settings = local_settings()
    settings.require("postgres_url", *settings.targets.settings)
    objects = S3Objects.of(settings)
    today = datetime.now(UTC).date()
    past = [today - timedelta(days=ago) for ago in range(days - 1, 0, -1)]
    for number, day in enumerate(past):
        _seed(settings, scale, day=number)
        _leave_rds_export(settings, objects, day)
    _seed(settings, scale, day=len(past))
    backup = {"purpose": "daily_backup"}
    runs = [_version(home, "daily_export", day, backup) for day in (*past, None)]
    _seed(settings, scale, day=days)
    asked = {"purpose": "testing", "notes": "the demo, after a day of edits"}
    runs.append(_version(home, "on_demand_export", None, asked))
    made = tuple(version_made(run, objects) for run in runs)
    return Demonstration(
        versions=tuple(m.version for m in made),
        rows={m.version: {"in": m.rows, "documents": m.documents} for m in made},
        databases=tuple(m.database for m in made if m.database),
        postgres_databases=tuple(m.postgres_database for m in made if m.postgres_database),
        objects=_objects(objects, [m.version for m in made]),
        made=made,
        verdicts=dict(_verdicts(settings, objects, [m.version for m in made])),
        look={
            "versions": f"{program()} versions",
            "show": f"{program()} show {made[-1].version}",
            "ui": f"{program()} dev",
            "s3": listing_command(settings),
            **({"mongodb": str(settings.mongodb_url)} if settings.targets.mongodb else {}),
            "secrets": near(home / "environment.json"),
        },
    )


_LOOK = {
    "versions": "every version",
    "show": "one of them: its tables, collections and warnings",
    "ui": "Dagster's UI: the graph, the partitions, the row counts",
    "s3": "the bucket, with AWS's own command",
    "mongodb": "the databases",
    "secrets": "the passwords and keys, readable by you alone",
}


def describe(made: Demonstration) -> str:
    """The last lines of the demo: versions, rows in and out, and next commands."""
    lines = [str(version) for version in made.made]
    lines += [
        f"{len(made.objects)} objects in the bucket, {megabytes(sum(made.objects.values()))}"
        + (f"; MongoDB databases {', '.join(made.databases)}" if made.databases else ""),
        *(
            [f"PostgreSQL databases {', '.join(made.postgres_databases)}, read back and compared"]
            if made.postgres_databases
            else []
        ),
        *(f"{version}, read again to its last byte: {v}" for version, v in made.verdicts.items()),
        "",
        "Where to look:",
    ]
    for name, place in made.look.items():
        lines += [f"  {place}", f"      {_LOOK[name]}"]
    return "\n".join(lines)


def _seed(settings: Settings, scale: float, day: int) -> None:
    from mediatool_assets.seed import seed

    with working(f"filling the source, day {day}"):
        seed(
            settings.required_url("postgres_url"),
            scale=scale,
            full=True,
            day=day,
            schema=settings.postgres_schema,
        )
    note(f"the source is filled, day {day}")


def _leave_rds_export(settings: Settings, objects: "S3Objects", day: date) -> None:
    """Export the current source as AWS would have exported a snapshot at 03:00 of that day."""
    from mediatool_assets.seed.rds_export import export_as_rds

    version = Version(datetime.combine(day, time(3), UTC))
    if next(objects.list(export_prefix(version)), None) is None:
        with working(f"an RDS snapshot export of {day}"):
            url, schema = settings.required_url("postgres_url"), settings.postgres_schema
            export_as_rds(url, objects.put, version, schema=schema)
        note(f"an RDS snapshot export of {day} is in the bucket")


def _version(home: Path, job: str, day: date | None, asked: Mapping[str, str]) -> SuccessfulRun:
    """Make a version of a past day, or of now."""
    run = launch(job, day.isoformat() if day else None, asked, home)
    note(f"{run.version} is made")
    return run


def _verdicts(
    settings: Settings, objects: "S3Objects", versions: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Read all archives and databases of each version again, and store the verdict."""
    from mediatool_assets.flows.verify import verify
    from mediatool_assets.flows.versions.verdicts import store_verdict
    from mediatool_assets.flows.workers.workspace import workspace

    with (
        working("reading every version again") as progress,
        workspace(settings, progress) as work,
    ):
        for version in versions:
            verdict = verify(stores(settings), work, Version.parse(version))
            store_verdict(objects, verdict)
            yield version, verdict.outcome


def _objects(objects: "S3Objects", versions: list[str]) -> dict[str, int]:
    """Every object of the versions, their days' reports, and the registry: bytes by key."""
    days = {Version.parse(version).partition for version in versions}
    keys = [REGISTRY_KEY]
    keys += [report_key(r, day, form) for day in days for r in REPORTS for form in REPORT_FORMS]
    for version in map(Version.parse, versions):
        keys += [
            archive_key(k, version, objects.database_names) for k in ("raw", "transformed", "dump")
        ]
        keys.append(metadata_key(version))
    found = {key: objects.head(key) for key in sorted(keys)}
    return {key: info.size for key, info in found.items() if info is not None}
