"""An RDS snapshot export as a source: found in the bucket, checked, and read like a database.

Every row comes from AWS's Parquet files. They lack DDL, keys and sequences: these are taken from
the nearest raw archive with the same tables, else from the live database. The version records
which.

Takes a snapshot of the RDS instance, and has AWS export it to the bucket.

A run that is killed and started again with the same version finds its own snapshot and task by
their names, and continues to wait for them.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import NoReturn, TypeVar

import msgspec
import pyarrow as pa
from pyarrow import parquet

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.core.errors import BadSource, NotFound
from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.rows import row_writer
from mediatool_assets.core.schema import Chunk, Schema, Table
from mediatool_assets.core.texts import decoded
from mediatool_assets.core.version import Version
from mediatool_assets.export.rds_files import (
    ExportedTable,
    ExportFiles,
    ExportInfo,
    Structure,
    TablesInfo,
    day_prefix,
    folders,
    nearest_structure,
    relations,
    version_of_folder,
)
from mediatool_assets.stores.ports import (
    OWN_SNAPSHOTS,
    DbSnapshot,
    ObjectStore,
    Progress,
    SnapshotExports,
    Source,
    Task,
    silent,
    snapshot_name,
    task_name,
)

_BATCH_ROWS = 1_000

File = TypeVar("File")


def find(
    objects: ObjectStore,
    partition: str,
    schema: str = "media_tool",
    live: Source | None = None,
    wanted: Version | None = None,
) -> "RdsExport | None":
    """Return the newest complete export of a snapshot of that day; None if the day has no export.

    ``schema`` is the schema to read. ``live`` provides its structure if no archive does. With
    ``wanted``, only the export of that version is returned.

    Raises BadSource if the day has exports and none is complete.
    """
    prefixes = list(objects.folders(day_prefix(partition)))
    problem: BadSource | None = None
    for prefix in reversed(prefixes):
        export = RdsExport(objects, prefix, schema, live)
        try:
            version = export.version
        except BadSource as error:
            problem = problem or error
            continue
        if version.partition != partition:
            raise BadSource(
                f"{objects.uri(prefix)} is a snapshot of {version.partition}, but is stored under "
                f"{partition}; move it to {objects.uri(day_prefix(version.partition))}"
            )
        if wanted in (None, version):
            return export
    if problem is not None:
        raise problem
    return None


@dataclass(frozen=True)
class RdsExport(ExportFiles):
    """One export, by its prefix, as a Source."""

    may_be_empty: frozenset[str] = frozenset()

    @property
    def primary(self) -> None:
        """An export has no primary: its files do not change."""

    @cached_property
    def info(self) -> ExportInfo:
        """The export task's own description; raises BadSource unless it exists and is COMPLETE."""
        files = [i.key for i in self.objects.list(f"{self.prefix}export_info_")]
        if len(files) != 1:
            raise self.bad(
                f"has {len(files)} export_info files in place of one", "wait for the task's end"
            )
        info = self._decoded(files[0], ExportInfo)
        if info.status != "COMPLETE":
            why = f" ({info.failure_cause})" if info.failure_cause else ""
            raise self.bad(f"its task is {info.status}{why}, not COMPLETE", "export it again")
        return info

    @property
    def version(self) -> Version:
        """The version in the export's name, else that of the snapshot's time; raises BadSource.

        The name is used only if it can be true: on the snapshot's day, and not after the snapshot.
        """
        try:
            taken = self.info.version()
        except ValueError as error:
            raise self.bad(f"its snapshotTime is no time ({error})", "export it again") from error
        named = version_of_folder(self.prefix)
        if named is not None and named.day == taken.day and named <= taken:
            return named
        return taken

    @contextmanager
    def snapshot(self) -> Iterator["RdsSnapshot"]:
        """Return the export, every file listed and checked; raises BadSource naming a bad one."""
        version = self.version
        names = [i.key for i in self.objects.list(f"{self.prefix}export_tables_info_")]
        statuses = [s for name in names for s in self._decoded(name, TablesInfo).per_table_status]
        found = folders(self, statuses)
        structure = nearest_structure(self, version, found)
        self._check_emptied(structure, found)
        yield RdsSnapshot(self, structure, found)

    def _check_emptied(self, structure: Structure, found: dict[str, ExportedTable]) -> None:
        """Raise BadSource for a table without a part that had rows: its part may be lost."""
        for table in structure.schema.tables:
            parts = any(found[name].parts for name in relations(table) if name in found)
            rows = structure.rows.get(table.name, 0)
            if rows and not parts and table.name not in self.may_be_empty:
                raise self.bad(
                    f"{table.name} has no part, and {rows:,} rows in {structure.origin}",
                    "export the snapshot again, or if the table was emptied, name it in "
                    "MEDIATOOL_RDS_EMPTY_TABLES",
                )

    def _decoded(self, key: str, kind: type[File]) -> File:
        data, _ = self.objects.get(key)
        try:
            return decoded(data, kind)
        except msgspec.MsgspecError as error:
            name = key.removeprefix(self.prefix)
            raise self.bad(f"{name} cannot be read ({error})", "export it again") from error


@dataclass(frozen=True)
class RdsSnapshot:
    """The rows of an export."""

    export: RdsExport
    structure: Structure = field(repr=False)
    folders: dict[str, ExportedTable] = field(repr=False)

    @property
    def schema(self) -> Schema:
        """The schema that matches the export."""
        return self.structure.schema

    @property
    def facts(self) -> dict[str, str | int | None]:
        """The source's facts, with the keys of the metadata file."""
        info = self.export.info
        facts: dict[str, str | int | None] = {
            "type": "rds",
            "instance": info.instance,
            "snapshot_id": info.snapshot_id or info.export_task_identifier,
            "schema": self.schema.name,
            "export": self.export.uri,
            "structure_from": self.structure.origin,
        }
        if unproven := ", ".join(self._unproven()):
            facts["unproven_empty"] = unproven
        return facts

    def _unproven(self) -> Iterator[str]:
        """Name the tables without a part whose earlier row count is unknown."""
        known = self.structure.rows.keys() | self.export.may_be_empty
        for table in self.schema.tables:
            if table.name not in known and not any(map(self._parts, relations(table))):
                yield table.name

    @property
    def reader(self) -> "ParquetRows":
        """The reader that workers use."""
        return ParquetRows(self.export.objects)

    def ddl(self) -> bytes:
        """The DDL that matches the export."""
        return self.structure.ddl

    def not_carried(self) -> tuple[NotCarried, ...]:
        """The objects that the archive of the matching schema did not carry."""
        return self.structure.not_carried

    def chunks(self, table: Table) -> list[Chunk]:
        """One chunk per row group, parts in order; raises BadSource for a damaged or other file."""
        chunks: list[Chunk] = []
        first = 0
        for part in (p for name in relations(table) for p in self._parts(name)):
            with _opened(self.export.objects.open(part)) as file:
                _check_columns(part, file.schema_arrow.names, table)
                groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
            for number, group in enumerate(groups):
                if group.num_rows:
                    bounds = (part, str(number))
                    chunks.append(Chunk(table.name, len(chunks), first, group.num_rows, bounds))
                    first += group.num_rows
        return chunks

    def _parts(self, relation: str) -> tuple[str, ...]:
        folder = self.folders.get(relation)
        return folder.parts if folder is not None else ()


@dataclass(frozen=True)
class ParquetRows:
    """A RowReader for row groups of Parquet files."""

    objects: ObjectStore

    def read(self, table: Table, chunk: Chunk) -> Iterator[list[bytes]]:
        """Batches of NDJSON rows without newlines, in the order of the file."""
        key, group = chunk.bounds
        write = row_writer(table)
        with _opened(self.objects.open(key)) as file:
            positions = [file.schema_arrow.get_field_index(c.name) for c in table.columns]
            for batch in file.iter_batches(_BATCH_ROWS, [int(group)], use_threads=False):
                columns = [batch.column(position).to_pylist() for position in positions]
                try:
                    yield [write(row) for row in zip(*columns, strict=True)]
                except ValueError as error:
                    raise BadSource(
                        f"{self.objects.uri(key)}: {table.name}: {error}; "
                        "export the snapshot again, and report this message if it fails again"
                    ) from error


class _Readable(io.RawIOBase):
    """A file object over byte ranges, for pyarrow."""

    def __init__(self, source: Bytes) -> None:
        super().__init__()
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._source.size - self._at)
        length = left if size < 0 else min(size, left)
        data = self._source.read(self._at, length) if length else b""
        self._at += length
        return data


@contextmanager
def _opened(source: Bytes) -> "Iterator[parquet.ParquetFile]":
    try:
        with parquet.ParquetFile(_Readable(source), pre_buffer=True) as file:
            yield file
    except pa.ArrowException as error:
        raise BadSource(
            f"{source.name} is damaged ({str(error).splitlines()[0]}); export the snapshot again"
        ) from error


def _check_columns(part: str, found: list[str], table: Table) -> None:
    wanted = [column.name for column in table.columns]
    if sorted(found) != sorted(wanted):
        raise BadSource(
            f"{part} has the columns {', '.join(found)}; {table.name} has {', '.join(wanted)}; "
            "export the snapshot again"
        )


_COMING = {"creating", "copying"}
"""The states of a snapshot that is available or will be."""


@dataclass(frozen=True)
class SnapshotExporter:
    """Exports snapshots of one instance. ``wait`` sleeps between two requests to AWS."""

    rds: SnapshotExports
    wait: Callable[[], None]
    progress: Progress = silent

    def of_now(self, version: Version) -> Task:
        """Take the version's snapshot, wait until it is available, and export it.

        Raises BadSource with AWS's own reason if the snapshot or the export fails.
        """
        return self.export(version, self.rds.take(snapshot_name(version)))

    def chosen(self, day: date, wanted: Version | None = None) -> tuple[Version, DbSnapshot]:
        """Return the day's last snapshot and its version, or that of the ``wanted`` version.

        A snapshot taken for ``wanted`` comes first: a run that took it may continue after midnight.
        Raises NotFound if the day has none.
        """
        own = self.rds.snapshot(snapshot_name(wanted)) if wanted else None
        if wanted is not None and own is not None:
            return wanted, own
        found = {
            version: snapshot
            for snapshot in self.rds.of_day(day)
            if (version := snapshot.version) is not None and wanted in (None, version)
        }
        if not found:
            of = f"version {wanted}" if wanted else f"{day} (UTC)"
            raise NotFound(
                f"RDS has no automated snapshot of {of} and no {OWN_SNAPSHOTS}… one; "
                "put an export of that day into the bucket, or take another day"
            )
        return max(found.items())

    def export(self, version: Version, snapshot: DbSnapshot) -> Task:
        """Export a snapshot to the version's key once it is available; wait for the task's end.

        Raises BadSource if the snapshot or the export task fails.
        """
        while snapshot.status in _COMING:
            self.progress("snapshot", snapshot.percent, 100, "percent")
            self.wait()
            snapshot = self.rds.snapshot(snapshot.name) or _gone(f"RDS snapshot {snapshot.name}")
        if snapshot.status != "available":
            raise BadSource(
                f"RDS snapshot {snapshot.name} is {snapshot.status}, not available; look at it in "
                "the console of RDS, and run it again"
            )
        task = self._begun(version, snapshot)
        while task.under_way:
            self.progress("rds_export", task.percent, 100, "percent")
            self.wait()
            task = self.rds.task(task.name) or _gone(f"RDS export task {task.name}")
        if task.status != "COMPLETE":
            raise BadSource(
                f"RDS export task {task.name} is {task.status}: {task.reason}; correct that, and "
                "export again"
            )
        return task

    def _begun(self, version: Version, snapshot: DbSnapshot) -> Task:
        """Start the version's export task, or return the first one that has not failed."""
        attempt = 1
        while (task := self.rds.task(task_name(version, attempt))) is not None and not (
            task.under_way or task.status == "COMPLETE"
        ):
            attempt += 1
        return self.rds.start(
            task_name(version, attempt), snapshot, day_prefix(version.partition).rstrip("/")
        )


def _gone(what: str) -> NoReturn:
    raise BadSource(f"{what} was deleted during the export; export again")
