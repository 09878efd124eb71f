"""Export: writes every table of the source, from one snapshot, to the version's raw archive."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from mediatool_assets.archive.spool import Spooled
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.chunk import Chunk
from mediatool_assets.domain.errors import (
    AlreadyExists,
    BadSettings,
    BadSource,
    CountMismatch,
    RecoveryConflict,
    Unreachable,
)
from mediatool_assets.domain.json_documents import json_values
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.manifest import Exclusion, Manifest
from mediatool_assets.domain.member_names import table_member
from mediatool_assets.domain.quantities import quantity
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.source_identity import SourceIdentity
from mediatool_assets.domain.source_warnings import source_warnings
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore, RowReader, Source, SourceSnapshot
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.versions.archives import StoredArchive, publish
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.spooling import Spooling, spooling
from mediatool_assets.flows.workers.workspace import Workspace

TRIES = 3
"""Snapshots of a hot standby that are tried before its primary is read. Recovery conflicts are
rare, or occur every time if its settings leave too little time for an export."""

BY_SETTING = "MEDIATOOL_EXCLUDE_TABLES names it"


def export(
    source: Source,
    objects: ObjectStore,
    workspace: Workspace,
    version: Version,
    *,
    exclude: Mapping[str, str] | frozenset[str] = frozenset(),
) -> StoredArchive:
    """Write the raw archive of ``version``. It is in the bucket only once every row is in it.

    ``exclude`` maps tables to leave out to the reason. A table that disappeared or became empty
    since the last version of the same source is a warning. If a hot standby cancels the export, it
    is read again, up to TRIES times, and then its primary is read if there is one; that is a
    warning too. Raises BadSource, CountMismatch, AlreadyExists, Unreachable, and BadSettings if the
    primary is that of another cluster.
    """
    key = archive_key("raw", version)
    if objects.head(key) is not None:
        raise AlreadyExists(objects.uri(key))
    conflicts: list[RecoveryConflict] = []
    cluster: SourceIdentity | None = None
    for read in filter(None, [*[source] * TRIES, source.primary]):
        try:
            with read.snapshot() as snapshot:
                own = SourceIdentity.of_facts(snapshot.facts)
                if cluster is not None and not cluster.is_cluster_of(own):
                    raise BadSettings(
                        [
                            f"MEDIATOOL_POSTGRES_PRIMARY_URL is {own.instance}, which is not the "
                            f"primary of {cluster.instance}: name that one"
                        ]
                    )
                cluster = own
                with spooling(objects, workspace, "export") as spools:
                    run = _ExportRun(snapshot, workspace, spools, _reasons(exclude), conflicts)
                    earlier = catalog.versions_before(objects, version, 1, own)
                    previous = earlier[-1].exports.raw.rows if earlier else {}
                    write = partial(run.write, previous=previous)
                    return publish(objects, "raw", version, write, workspace.executor)
        except RecoveryConflict as conflict:
            conflicts.append(conflict)
    raise conflicts[-1]


def _reasons(exclude: Mapping[str, str] | frozenset[str]) -> dict[str, str]:
    if isinstance(exclude, Mapping):
        return dict(exclude)
    return dict.fromkeys(exclude, BY_SETTING)


class _ExportShare(NamedTuple):
    """The work of one worker."""

    reader: RowReader
    table: Table
    chunk: Chunk
    spools: Spooling
    name: str


def spool_chunk(share: _ExportShare) -> Spooled:
    """Read one chunk into a spool, in a worker; raises CountMismatch, BadSource.

    Each block is unpacked here: the check ``counted`` does not read the new archive again.
    """
    rows = share.reader.read(share.table, share.chunk)
    spooled = share.spools.rows(share.name, rows, unpacked=True)
    if spooled.rows != share.chunk.rows:
        thing = f"{share.table.name}, chunk {share.chunk.index}"
        raise CountMismatch(thing, "rows", share.chunk.rows, spooled.rows)
    return spooled


class _ExportRun:
    """One export: tables in the archive's order, with workers slightly ahead of the writer."""

    def __init__(
        self,
        snapshot: SourceSnapshot,
        workspace: Workspace,
        spools: Spooling,
        reasons: dict[str, str],
        conflicts: Sequence[RecoveryConflict],
    ) -> None:
        self._snapshot, self._workspace, self._spools = snapshot, workspace, spools
        self._reasons, self._conflicts = reasons, conflicts
        self._chunks: dict[str, list[Chunk]] = {}
        self._tables = [t for t in snapshot.schema.tables if t.name not in reasons]
        if not self._tables:
            raise BadSource(
                f"schema {snapshot.schema.name}: every table is excluded; "
                "remove at least one from MEDIATOOL_EXCLUDE_TABLES"
            )

    def write(self, writer: ArchiveWriter, *, previous: Mapping[str, int]) -> Manifest:
        """Write every table, the schema in both forms, and the manifest."""
        schema = self._snapshot.schema
        ddl = self._snapshot.ddl()  # first: a problem with the DDL is reported early
        shares, ahead = self._shares(), self._spools.ahead
        with in_order(self._workspace.executor, spool_chunk, shares, ahead=ahead) as spools:
            rows = {table.name: self._write_table(writer, table, spools) for table in self._tables}
        writer.add_file("schema.sql", ddl)
        writer.add_file("schema.json", schema.to_json())
        return writer.finish(
            Manifest(
                "", "raw", "", (),
                source=self._snapshot.facts,
                exclusions=tuple(self._exclusions()),
                warnings=tuple(self._warnings(rows, previous)),
                facts={
                    "schema_fingerprint": schema.fingerprint(),
                    "counted": self._counted(),
                    "not_carried": json_values(self._snapshot.not_carried()),
                },
            )
        )  # fmt: skip

    def _write_table(self, writer: ArchiveWriter, table: Table, spools: Iterator[Spooled]) -> int:
        chunks = self._chunks_of(table)
        total, done = sum(chunk.rows for chunk in chunks), 0
        own: list[Spooled] = []
        for chunk in chunks:
            own.append(next(spools))
            done += chunk.rows
            self._workspace.progress(table.name, done, total)
        member = writer.add_rows(table_member(table.name), own, table=table.name)
        if member.rows != total:
            raise CountMismatch(table.name, "rows", total, member.rows)
        return member.rows

    def _shares(self) -> Iterator[_ExportShare]:
        reader = self._snapshot.reader
        for number, table in enumerate(self._tables):
            for chunk in self._chunks_of(table):
                yield _ExportShare(reader, table, chunk, self._spools, f"{number}-{chunk.index}")

    def _chunks_of(self, table: Table) -> list[Chunk]:
        """Return the table's chunks, counted once; its scan waits until workers are close to it."""
        if table.name not in self._chunks:
            self._chunks[table.name] = self._snapshot.chunks(table)
        return self._chunks[table.name]

    def _counted(self) -> dict[str, int]:
        """The rows of each table as PostgreSQL counted them in the snapshot."""
        return {t.name: sum(c.rows for c in self._chunks_of(t)) for t in self._tables}

    def _exclusions(self) -> Iterator[Exclusion]:
        for table in self._snapshot.schema.tables:
            if table.name in self._reasons:
                yield Exclusion(table.name, self._reasons[table.name], self._rows_of(table))
        known = {table.name for table in self._snapshot.schema.tables}
        for name in sorted(self._reasons.keys() - known):  # so that a model may still name it
            yield Exclusion(name, f"{self._reasons[name]}; the source has no such table", 0)

    def _rows_of(self, table: Table) -> int | None:
        """Count the rows of an excluded table; None if they cannot be read."""
        try:
            return sum(chunk.rows for chunk in self._snapshot.chunks(table))
        except (BadSource, Unreachable):  # Unreachable if a foreign server refuses
            return None

    def _warnings(self, rows: Mapping[str, int], previous: Mapping[str, int]) -> Iterator[str]:
        schema = self._snapshot.schema
        known = {table.name for table in schema.tables}
        yield from source_warnings(self._snapshot.facts, schema)
        if self._conflicts:
            yield (
                f"the hot standby ended the export {quantity(len(self._conflicts), 'time')} "
                f"({self._conflicts[-1].said}); the rows are of a later snapshot, of "
                f"{self._snapshot.facts.get('instance')} (see docs/how-to/standby.md)"
            )
        for name in sorted(self._reasons.keys() - known):
            yield f"{name} is excluded, and the source has no such table"
        for name, before in sorted(previous.items()):
            if before and rows.get(name) == 0:
                yield f"{name} is empty, and had {quantity(before, 'row')} in the last version"
            elif before and name not in known:
                yield f"{name} is gone, and had {quantity(before, 'row')} in the last version"
