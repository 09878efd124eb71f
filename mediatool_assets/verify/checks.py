"""Checks a version as a whole: its archives, and the tables that its model does not name.

Checks the raw archive against the source's counts and the previous versions.

Checks that the database and its dump contain what was loaded.

Checks the result of the transform: homes of rows, unresolved references, value losses.

What a check reports if the data that it needs cannot be read: a finding, not an exception.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from functools import partial, wraps
from typing import Concatenate, ParamSpec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core import model
from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.comparison import SchemaChange, schema_changes
from mediatool_assets.core.errors import MediatoolError, NotFound
from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.model import HISTORY, LEARNT, Bounds
from mediatool_assets.core.outcomes import (
    Completion,
    Figure,
    Finding,
    combined,
    on_time,
    outcome_of,
)
from mediatool_assets.core.version import Version, archive_prefix, metadata_key
from mediatool_assets.stores.ports import DocumentStore, ObjectStore
from mediatool_assets.verify import publish
from mediatool_assets.verify.flow import Verification, damages, open_archive, read_blocks, whole
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import source_counts
from mediatool_assets.versions.records import loaded
from mediatool_assets.work import in_order

Findings = dict[str, Finding]
"""Findings by table, collection or other thing that was asked about."""

Arguments = ParamSpec("Arguments")


def errors_as_findings(
    ask: Callable[Concatenate[ObjectStore, Version, list[str], Arguments], Findings],
) -> Callable[Concatenate[ObjectStore, Version, Iterable[str], Arguments], Findings]:
    """In a check of several things, turn an error into the finding for each of them."""

    @wraps(ask)
    def check(
        objects: ObjectStore,
        version: Version,
        things: Iterable[str],
        /,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Findings:
        things = list(things)
        try:
            return ask(objects, version, things, *args, **kwargs)
        except MediatoolError as error:
            return {thing: _error(thing, error) for thing in things}

    return check


def errors_as_finding(
    thing: str,
) -> Callable[[Callable[Arguments, Finding]], Callable[Arguments, Finding]]:
    """In a check of one thing, turn an error into its finding."""

    def decorated(ask: Callable[Arguments, Finding]) -> Callable[Arguments, Finding]:
        @wraps(ask)
        def check(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Finding:
            try:
                return ask(*args, **kwargs)
            except MediatoolError as error:
                return _error(thing, error)

        return check

    return decorated


def _error(thing: str, error: MediatoolError) -> Finding:
    return Finding(outcome_of(error), f"{thing}: {error}")


@errors_as_findings
def raw_counted(
    objects: ObjectStore, version: Version, tables: list[str], workers: int
) -> Findings:
    """Compare PostgreSQL's row counts with the raw archive.

    The archive of a version that is complete is read to its end. While the version is made, that
    would prove nothing more: the workers have unpacked what they packed and compared it, the server
    has compared each part of the upload with its SHA-256, and the next steps read every block.
    """
    archive = catalog.reader(objects, "raw", version)
    members = archive.manifest.tables()
    is_complete = objects.head(metadata_key(version)) is not None
    there = [members[table] for table in tables if is_complete and table in members]
    with (  # threads: the work is in zlib and OpenSSL, which release the GIL
        ThreadPoolExecutor(workers, thread_name_prefix="reread") as executor,
        in_order(executor, damages, whole(ArchiveReader(archive.source), there)) as found,
    ):
        damaged = {m.table: "; ".join(each) for m, each in zip(there, found, strict=True)}
    snapshot = source_counts(archive)
    return {
        table: model.counted(
            table, snapshot.get(table), members[table].rows, damaged.get(table) or None
        )
        if table in members
        else Finding("failed", f"{table}: is not in the archive")
        for table in tables
    }


@errors_as_findings
def raw_as_usual(
    objects: ObjectStore, version: Version, tables: list[str], bounds: Mapping[str, Bounds]
) -> Findings:
    """Compare each table's row count and columns with the previous versions."""
    archive = catalog.reader(objects, "raw", version)
    members = archive.manifest.tables()
    history = catalog.versions_before(objects, version, HISTORY)
    changes = _schema_changes(objects, archive, history)
    found = {}
    for table in tables:
        rows = members[table].rows if table in members else 0
        earlier = [m.exports.raw.rows[table] for m in history if table in m.exports.raw.rows]
        found[table] = combined(
            [
                model.rows_as_usual(table, rows, earlier, bounds.get(table, LEARNT)),
                model.schema_kept(table, [c for c in changes if c.table == table]),
            ]
        )
    return found


@errors_as_finding("schema")
def schema_beside_model(objects: ObjectStore, version: Version, named: Collection[str]) -> Finding:
    """Report schema changes outside the tables that the model names: other tables, enums, views."""
    archive = catalog.reader(objects, "raw", version)
    changes = _schema_changes(objects, archive, catalog.versions_before(objects, version, HISTORY))
    beside = [change for change in changes if change.table not in {*named}]
    return model.schema_kept("beside the model's tables", beside)


def _schema_changes(
    objects: ObjectStore, archive: ArchiveReader, history: tuple[Metadata, ...]
) -> tuple[SchemaChange, ...]:
    """List the schema changes since the previous version; its archive is read only if needed."""
    if not history:
        return ()
    schema = archive.schema()
    if history[-1].exports.raw.schema_fingerprint == schema.fingerprint():
        return ()
    return schema_changes(catalog.reader(objects, "raw", history[-1].version).schema(), schema)


@errors_as_findings
def database_as_loaded(
    objects: ObjectStore, version: Version, collections: list[str], documents: DocumentStore
) -> Findings:
    """Compare the transformed archive with the database's marker and with mongod's counts."""
    wanted = catalog.reader(objects, "transformed", version).manifest.collection_fingerprints()
    database = documents.database_names.in_mongodb(version)
    marked = _marked(documents, version)
    return {
        name: model.equal_documents(
            name, wanted.get(name), marked.get(name), documents.count(database, name)
        )
        for name in collections
    }


@errors_as_finding("dump")
def dump_as_loaded(objects: ObjectStore, version: Version, documents: DocumentStore) -> Finding:
    """Compare every collection of the dump with what was loaded."""
    dumped = catalog.reader(objects, "dump", version).manifest.collection_fingerprints()
    marked = _marked(documents, version)
    compared = [
        model.equal_documents(name, marked.get(name), dumped.get(name))
        for name in sorted(marked.keys() | dumped.keys())
    ]
    wrong = [finding.reason for finding in compared if finding.outcome != "passed"]
    figures: dict[str, Figure] = {
        "collections": len(marked),
        "documents": sum(int(str(f.figures["documents"] or 0)) for f in compared),
        "collections_that_differ": len(wrong),
    }
    if wrong:
        return Finding("failed", "; ".join(wrong), figures)
    return Finding("passed", f"{len(marked)} collections as loaded", figures)


def _marked(documents: DocumentStore, version: Version) -> dict[str, str | None]:
    database = loaded(documents, version)
    if database is None:
        name = documents.database_names.in_mongodb(version)
        raise NotFound(f"{name} is absent or half-loaded; load the version again")
    return {**database.fingerprints}


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
    found = catalog.reader(objects, "transformed", version).manifest.collections()
    here = catalog.reader(objects, "raw", version).manifest.tables().keys()
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


@errors_as_findings
def references_as_usual(objects: ObjectStore, version: Version, collections: list[str]) -> Findings:
    """Compare each collection's number of unresolved references with the previous versions."""
    counts = publish.unresolved(catalog.reader(objects, "transformed", version))
    history = [
        m.exports.transformed.unresolved for m in catalog.versions_before(objects, version, HISTORY)
    ]
    found = {}
    for name in collections:
        own = {field: n for field, n in counts.items() if field.partition(".")[0] == name}
        found[name] = model.counts_as_usual("unresolved references", own, history, "failed")
    return found


@errors_as_finding("rows")
def rows_accounted(objects: ObjectStore, version: Version) -> Finding:
    """Compare every row of the raw archive with the homes that the transform recorded."""
    raw = catalog.reader(objects, "raw", version).manifest
    homes = publish.homes(catalog.reader(objects, "transformed", version))
    return model.accounted({t: member.rows for t, member in raw.tables().items()}, homes)


@errors_as_finding("losses")
def losses_as_usual(objects: ObjectStore, version: Version) -> Finding:
    """Compare the values that BSON could not hold, by column and kind, with previous versions."""
    counts = publish.losses(catalog.reader(objects, "transformed", version))
    history = [
        _by_kind(m.exports.transformed.losses)
        for m in catalog.versions_before(objects, version, HISTORY)
    ]
    return model.counts_as_usual("lost values", _by_kind(counts), history, "warned")


def _by_kind(losses: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {f"{column} {kind}": n for column, kinds in losses.items() for kind, n in kinds.items()}
