"""Checks a version as a whole: its archives, and the tables that its model does not name."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from functools import partial

from mediatool_assets.domain.expectations import HISTORY
from mediatool_assets.domain.keys import archive_prefix
from mediatool_assets.domain.outcome import Finding, combined
from mediatool_assets.domain.punctuality import Completion, on_time
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.database import database_as_loaded
from mediatool_assets.flows.checks.raw import raw_as_usual, raw_counted
from mediatool_assets.flows.checks.unreadable import errors_as_finding
from mediatool_assets.flows.ports import DocumentStore, ObjectStore
from mediatool_assets.flows.verify.blocks import read_blocks
from mediatool_assets.flows.verify.stores import Verification, open_archive
from mediatool_assets.flows.versions import archives, catalog


def day_on_time(objects: ObjectStore, day: date, now: datetime, due: datetime) -> Finding:
    """Check that the newest version of the day is complete at the time at which it is due."""

    @errors_as_finding(day.isoformat())
    def ask() -> Finding:
        newest = max(catalog.versions(objects, day, day), default=None)
        complete = (
            Completion(newest, catalog.read(objects, newest).export_complete) if newest else None
        )
        keys = (info.key for info in objects.list(archive_prefix("raw", day.isoformat())))
        begun = max((Version.parse(key.rsplit("/", 1)[-1][:15]) for key in keys), default=None)
        return on_time(day, now, due, begun, complete)

    return ask()


@errors_as_finding("archives")
def archives_whole(objects: ObjectStore, version: Version, workers: int) -> Finding:
    """Compare the archives with the metadata's sizes and SHA-256s.

    An archive with its SHA-256 has the blocks that were read before the version was published.
    Those of a damaged one are compared with its manifest, to name the damaged ones; of the raw
    archive, ``raw_counted`` does that.
    """
    metadata = catalog.read(objects, version)
    with (
        ThreadPoolExecutor(workers, thread_name_prefix="reread") as executor,
        ThreadPoolExecutor(thread_name_prefix="open") as opening,
    ):
        run = Verification(objects, executor, metadata, DailySample(None, version.day))
        readings = list(opening.map(partial(open_archive, run), run.archives))
        for reading in readings[1:]:
            if reading.status != "passed":
                read_blocks(run, reading)
    return combined(
        Finding(
            reading.status,
            "; ".join(f"{reading.part}: {problem}" for problem in reading.problems)
            or f"{reading.part} is whole",
            {f"{reading.part}_bytes": reading.reader.source.size} if reading.reader else {},
        )
        for reading in readings
    )


@errors_as_finding("restored")
def restored(objects: ObjectStore, version: Version) -> Finding:
    """Check that the version's PostgreSQL database was restored, if versions are restored."""
    databases = catalog.read(objects, version).databases_created
    if databases.postgres_problem is not None:
        return Finding("failed", databases.postgres_problem)
    if databases.postgres is None:
        return Finding("passed", "versions are not restored to PostgreSQL")
    left_out = {"left_out": len(databases.postgres_left_out)}
    return Finding("passed", f"{databases.postgres} was restored and read back", left_out)


@errors_as_finding("unnamed")
def unnamed(  # noqa: PLR0913  # the stores, the version, and what the model names of it
    objects: ObjectStore,
    version: Version,
    documents: DocumentStore | None,
    *,
    tables: Collection[str],
    collections: Collection[str],
    workers: int,
) -> Finding:
    """Check the tables and collections that the model does not name, which have no own check.

    The others are counted, read again and compared with the last versions as those are, and their
    documents against the transformed archive and, unless ``documents`` is None, what mongod counts.
    """
    found = archives.reader(objects, "transformed", version).manifest.collections()
    here = archives.reader(objects, "raw", version).manifest.tables().keys()
    others = sorted(here - {*tables})
    gone = sorted(_tables_before(objects, version) - here - {*tables})
    others_made = sorted(found.keys() - {*collections})
    findings = [
        *raw_counted(objects, version, others, workers).values(),
        *raw_as_usual(objects, version, [*others, *gone], {}).values(),
    ]
    if documents is not None:
        findings += database_as_loaded(objects, version, others_made, documents).values()
    none = Finding("passed", "the model names every table and collection")
    return replace(
        combined(findings or [none]),
        figures={
            "tables": len(others),
            "collections": len(others_made),
            "tables_gone": len(gone),
        },
    )


def _tables_before(objects: ObjectStore, version: Version) -> set[str]:
    """Return the tables of the previous version."""
    history = catalog.versions_before(objects, version, HISTORY)
    return {*history[-1].exports.raw.rows} if history else set()
