"""Checks of a version: the evidence is read from the stores, and judged by ``domain.expectations``.

Each check answers for every thing that it was asked about. Where the evidence cannot be read, the
finding is that nothing is known, or that what should be there is damaged: never that it passed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from functools import partial

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain import expectations
from mediatool_assets.domain import schema as schemas
from mediatool_assets.domain.errors import (
    BadArchive,
    CheckFailed,
    DamagedInput,
    MediatoolError,
    NotFound,
)
from mediatool_assets.domain.expectations import (
    HISTORY,
    LEARNT,
    Bounds,
    Finding,
    together,
)
from mediatool_assets.domain.keys import archive_prefix, mongodb_database
from mediatool_assets.domain.manifest import Manifest, Member
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.punctuality import on_time
from mediatool_assets.domain.schema_changes import SchemaChange, schema_changes
from mediatool_assets.domain.verdict import Share
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import accounting, archives, catalog
from mediatool_assets.flows.archive_check import ArchiveCheck, Round
from mediatool_assets.flows.load import loaded
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, silent
from mediatool_assets.flows.source_counts import source_counts
from mediatool_assets.flows.tasks import in_order

Findings = dict[str, Finding]
"""What was found, by table, collection or other thing that was asked about."""


def raw_counted(
    objects: ObjectStore, version: Version, tables: Iterable[str], workers: int
) -> Findings:
    """The rows that PostgreSQL counted against the raw archive, read again to its last byte."""
    return _answered(tables, partial(_raw_counted, objects, version, workers=workers))


def _raw_counted(
    objects: ObjectStore, version: Version, tables: list[str], workers: int
) -> Findings:
    archive = archives.reader(objects, "raw", version)
    members = archive.manifest.tables()
    source = ArchiveReader(archive.source)
    there = [members[table] for table in tables if table in members]
    with (  # threads: the work is in zlib and OpenSSL, which leave Python's lock alone
        ThreadPoolExecutor(workers, thread_name_prefix="reread") as executor,
        in_order(executor, partial(_damage, source), there) as damages,
    ):
        damaged = dict(zip((m.table for m in there), damages, strict=True))
    snapshot = source_counts(archive)
    return {
        table: expectations.counted(table, snapshot.get(table), members[table].rows, damaged[table])
        if table in members
        else Finding("failed", f"{table}: is not in the archive")
        for table in tables
    }


def _damage(archive: ArchiveReader, member: Member) -> str | None:
    """Read a member again: what is wrong with it. Its fingerprint holds the number of rows."""
    try:
        archive.verify(member)
    except BadArchive as error:
        return error.problem
    count = int((member.fingerprint or "").partition(":")[0] or -1)
    if count != member.rows:
        return f"{count} rows were found, its manifest says {member.rows}"
    return None


def raw_as_usual(
    objects: ObjectStore, version: Version, tables: Iterable[str], bounds: Mapping[str, Bounds]
) -> Findings:
    """The rows and the columns of every table against the last versions before this one."""
    return _answered(tables, partial(_raw_as_usual, objects, version, bounds))


def _raw_as_usual(
    objects: ObjectStore, version: Version, bounds: Mapping[str, Bounds], tables: list[str]
) -> Findings:
    archive = archives.reader(objects, "raw", version)
    members = archive.manifest.tables()
    history = catalog.before(objects, version, HISTORY)
    changes = _schema_changes(objects, archive, history)
    found = {}
    for table in tables:
        rows = members[table].rows if table in members else 0
        earlier = [m.exports.raw.rows[table] for m in history if table in m.exports.raw.rows]
        found[table] = together(
            [
                expectations.rows_as_usual(table, rows, earlier, bounds.get(table, LEARNT)),
                expectations.schema_kept(table, [c for c in changes if c.table == table]),
            ]
        )
    return found


def _schema_changes(
    objects: ObjectStore, archive: ArchiveReader, history: tuple[Metadata, ...]
) -> tuple[SchemaChange, ...]:
    """What changed since the version before; its archive is read only where something did."""
    if not history:
        return ()
    schema = _schema(archive)
    if history[-1].exports.raw.schema_fingerprint == schema.fingerprint():
        return ()
    return schema_changes(_schema(archives.reader(objects, "raw", history[-1].version)), schema)


def _schema(archive: ArchiveReader) -> schemas.Schema:
    try:
        return schemas.decode(archive.read_file("schema.json"))
    except msgspec.MsgspecError as error:
        raise BadArchive(archive.source.name, f"schema.json cannot be read ({error})") from error


def unnamed(  # noqa: PLR0913  # the stores, the version, and what the model names of it
    objects: ObjectStore,
    documents: DocumentStore,
    version: Version,
    *,
    tables: Collection[str],
    collections: Collection[str],
    workers: int,
) -> Finding:
    """What is beside the ``tables`` and ``collections`` of the model, each with its own check.

    The others are counted, read again and held against the last versions as those are, and their
    documents against the transformed archive and what mongod counts.
    """

    def ask() -> Finding:
        found = archives.reader(objects, "transformed", version).manifest.collections()
        here = archives.reader(objects, "raw", version).manifest.tables().keys()
        others = sorted(here - {*tables})
        gone = sorted(_tables_before(objects, version) - here - {*tables})
        others_made = sorted(found.keys() - {*collections})
        findings = [
            *_raw_counted(objects, version, others, workers).values(),
            *_raw_as_usual(objects, version, {}, [*others, *gone]).values(),
            *_database_as_loaded(objects, documents, version, others_made).values(),
        ]
        none = Finding("passed", "the model names every table and collection")
        return replace(
            together(findings or [none]),
            figures={
                "tables": len(others),
                "collections": len(others_made),
                "tables_gone": len(gone),
            },
        )

    return _one("unnamed", ask)


def _tables_before(objects: ObjectStore, version: Version) -> set[str]:
    """The tables of the version before."""
    history = catalog.before(objects, version, HISTORY)
    return {*history[-1].exports.raw.rows} if history else set()


def schema_beside(objects: ObjectStore, version: Version, tables: Collection[str]) -> Finding:
    """What changed in the schema beside the tables that the model names: others, enums, views."""
    return _one("schema", partial(_schema_beside, objects, version, tables))


def _schema_beside(objects: ObjectStore, version: Version, named: Collection[str]) -> Finding:
    archive = archives.reader(objects, "raw", version)
    changes = _schema_changes(objects, archive, catalog.before(objects, version, HISTORY))
    beside = [change for change in changes if change.table not in {*named}]
    return expectations.schema_kept("beside the model's tables", beside)


def references_as_usual(
    objects: ObjectStore, version: Version, collections: Iterable[str]
) -> Findings:
    """References of each collection that found nothing, against the last versions."""
    return _answered(collections, partial(_references_as_usual, objects, version))


def _references_as_usual(
    objects: ObjectStore, version: Version, collections: list[str]
) -> Findings:
    counts = accounting.unresolved(archives.reader(objects, "transformed", version))
    history = [m.exports.transformed.unresolved for m in catalog.before(objects, version, HISTORY)]
    found = {}
    for name in collections:
        own = {field: n for field, n in counts.items() if field.partition(".")[0] == name}
        found[name] = expectations.counts_as_usual("unresolved references", own, history, "failed")
    return found


def database_as_loaded(
    objects: ObjectStore, documents: DocumentStore, version: Version, collections: Iterable[str]
) -> Findings:
    """The transformed archive against the database's marker, and against what mongod counts."""
    return _answered(collections, partial(_database_as_loaded, objects, documents, version))


def _database_as_loaded(
    objects: ObjectStore, documents: DocumentStore, version: Version, collections: list[str]
) -> Findings:
    wanted = _fingerprints(archives.reader(objects, "transformed", version).manifest)
    database = mongodb_database(version)
    marked = _marked(documents, version)
    return {
        name: expectations.equal_documents(
            name, wanted.get(name), marked.get(name), documents.count(database, name)
        )
        for name in collections
    }


def dump_as_loaded(objects: ObjectStore, documents: DocumentStore, version: Version) -> Finding:
    """Every collection of the dump against what was loaded."""
    return _one("dump", partial(_dump_as_loaded, objects, documents, version))


def _dump_as_loaded(objects: ObjectStore, documents: DocumentStore, version: Version) -> Finding:
    dumped = _fingerprints(archives.reader(objects, "dump", version).manifest)
    marked = _marked(documents, version)
    compared = [
        expectations.equal_documents(name, marked.get(name), dumped.get(name))
        for name in sorted(marked.keys() | dumped.keys())
    ]
    wrong = [finding.reason for finding in compared if finding.outcome != "passed"]
    figures: dict[str, expectations.Figure] = {
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
        name = mongodb_database(version)
        raise NotFound(f"{name} is absent or half-loaded; load the version again")
    return {**database.fingerprints}


def _fingerprints(manifest: Manifest) -> dict[str, str | None]:
    return {name: member.fingerprint for name, member in manifest.collections().items()}


def rows_accounted(objects: ObjectStore, version: Version) -> Finding:
    """Every row of the raw archive against the homes that the transform gave them."""
    return _one("rows", partial(_rows_accounted, objects, version))


def _rows_accounted(objects: ObjectStore, version: Version) -> Finding:
    raw = archives.reader(objects, "raw", version).manifest
    homes = accounting.homes(archives.reader(objects, "transformed", version))
    return expectations.accounted({t: member.rows for t, member in raw.tables().items()}, homes)


def losses_as_usual(objects: ObjectStore, version: Version) -> Finding:
    """Values that BSON could not hold, by column and kind, against the last versions."""
    return _one("losses", partial(_losses_as_usual, objects, version))


def _losses_as_usual(objects: ObjectStore, version: Version) -> Finding:
    counts = accounting.losses(archives.reader(objects, "transformed", version))
    history = [
        _by_kind(m.exports.transformed.losses) for m in catalog.before(objects, version, HISTORY)
    ]
    return expectations.counts_as_usual("lost values", _by_kind(counts), history, "warned")


def _by_kind(losses: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {f"{column} {kind}": n for column, kinds in losses.items() for kind, n in kinds.items()}


def archives_whole(objects: ObjectStore, version: Version, workers: int) -> Finding:
    """The archives against the metadata's sizes and SHA-256s; two of them against their manifests.

    What the raw archive holds is read again by ``raw_counted``.
    """
    return _one("archives", partial(_archives_whole, objects, version, workers))


def _archives_whole(objects: ObjectStore, version: Version, workers: int) -> Finding:
    exports = catalog.read(objects, version).exports
    with ThreadPoolExecutor(workers, thread_name_prefix="reread") as executor:
        of = Round(version, Share(None, version.day), executor, silent)
        checks = [
            ArchiveCheck(of, objects, "raw", exports.raw).run(blocks=False),
            ArchiveCheck(of, objects, "transformed", exports.transformed).run(),
            ArchiveCheck(of, objects, "dump", exports.dump).run(),
        ]
    return together(
        Finding(
            check.outcome if check.outcome != "absent" else "unknown",
            "; ".join([f"{check.part}: {finding}" for finding in check.findings])
            or f"{check.part} is whole",
            {f"{check.part}_bytes": check.bytes, f"{check.part}_blocks": check.checked}
            if check.total
            else {},
        )
        for check in checks
    )


def day_on_time(objects: ObjectStore, day: date, now: datetime) -> Finding:
    """Whether the newest version of a day is there, complete."""
    return _one(day.isoformat(), partial(_day_on_time, objects, day, now))


def _day_on_time(objects: ObjectStore, day: date, now: datetime) -> Finding:
    complete = max(catalog.versions(objects, day, day), default=None)
    since = catalog.read(objects, complete).export_complete if complete else None
    keys = (info.key for info in objects.list(archive_prefix("raw", day.isoformat())))
    begun = max((Version.parse(key.rsplit("/", 1)[-1][:15]) for key in keys), default=None)
    return on_time(day, now, begun, complete, since)


def _answered(things: Iterable[str], ask: Callable[[list[str]], Findings]) -> Findings:
    """What was found of the things; where it could not be asked, why, for each of them."""
    things = list(things)
    try:
        return ask(things)
    except MediatoolError as error:
        return {thing: _unasked(thing, error) for thing in things}


def _one(thing: str, ask: Callable[[], Finding]) -> Finding:
    try:
        return ask()
    except MediatoolError as error:
        return _unasked(thing, error)


def _unasked(thing: str, error: MediatoolError) -> Finding:
    """Damaged or absent evidence is a failure; a server that does not answer leaves it unknown."""
    failed = isinstance(error, DamagedInput | CheckFailed)
    return Finding("failed" if failed else "unknown", f"{thing}: {error}")
