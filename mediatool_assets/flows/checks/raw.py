"""Checks the raw archive against the source's counts and the previous versions."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain import expectations
from mediatool_assets.domain.expectations import HISTORY, LEARNT, Bounds
from mediatool_assets.domain.keys import metadata_key
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.outcome import Finding, combined
from mediatool_assets.domain.schema_changes import SchemaChange, schema_changes
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.unreadable import Findings, errors_as_finding, errors_as_findings
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.verify.blocks import damages, whole
from mediatool_assets.flows.versions import archives, catalog
from mediatool_assets.flows.versions.source_counts import source_counts
from mediatool_assets.flows.workers.ordered_results import in_order


@errors_as_findings
def raw_counted(
    objects: ObjectStore, version: Version, tables: list[str], workers: int
) -> Findings:
    """Compare PostgreSQL's row counts with the raw archive.

    The archive of a version that is complete is read to its end. While the version is made, that
    would prove nothing more: the workers have unpacked what they packed and compared it, the server
    has compared each part of the upload with its SHA-256, and the next steps read every block.
    """
    archive = archives.reader(objects, "raw", version)
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
        table: expectations.counted(
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
    archive = archives.reader(objects, "raw", version)
    members = archive.manifest.tables()
    history = catalog.versions_before(objects, version, HISTORY)
    changes = _schema_changes(objects, archive, history)
    found = {}
    for table in tables:
        rows = members[table].rows if table in members else 0
        earlier = [m.exports.raw.rows[table] for m in history if table in m.exports.raw.rows]
        found[table] = combined(
            [
                expectations.rows_as_usual(table, rows, earlier, bounds.get(table, LEARNT)),
                expectations.schema_kept(table, [c for c in changes if c.table == table]),
            ]
        )
    return found


@errors_as_finding("schema")
def schema_beside_model(objects: ObjectStore, version: Version, named: Collection[str]) -> Finding:
    """Report schema changes outside the tables that the model names: other tables, enums, views."""
    archive = archives.reader(objects, "raw", version)
    changes = _schema_changes(objects, archive, catalog.versions_before(objects, version, HISTORY))
    beside = [change for change in changes if change.table not in {*named}]
    return expectations.schema_kept("beside the model's tables", beside)


def _schema_changes(
    objects: ObjectStore, archive: ArchiveReader, history: tuple[Metadata, ...]
) -> tuple[SchemaChange, ...]:
    """List the schema changes since the previous version; its archive is read only if needed."""
    if not history:
        return ()
    schema = archive.schema()
    if history[-1].exports.raw.schema_fingerprint == schema.fingerprint():
        return ()
    return schema_changes(archives.reader(objects, "raw", history[-1].version).schema(), schema)
