"""Restore to PostgreSQL: a new database, which gets its name after it was read back.

Worker functions of a restore to PostgreSQL: copy rows, build keys and indexes, analyze.

Blocks of rows into lines of COPY's text format, by the compiled codec where there is one.

``core/rows.py`` defines the lines, and writes those of rows that the codec hands back.

Reads tables of a database again to their end, for their fingerprints.

The restore drill: restores a version to scratch databases, verifies, times and drops them.

Restore to MongoDB: a load that is read back and marked last.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from uuid import uuid4

import msgspec

from mediatool_assets.archive.reader import (
    ArchiveReader,
    block_shares,
    row_count,
    rows_fingerprint,
    split_lines,
)
from mediatool_assets.core import restorable_ddl
from mediatool_assets.core import schema as schemas
from mediatool_assets.core.ddl import (
    BadStatement,
    DumpEntry,
    Skips,
    Statement,
    entries,
    schema_without,
)
from mediatool_assets.core.errors import (
    BadArchive,
    CheckFailed,
    CountMismatch,
    MediatoolError,
    UnknownName,
)
from mediatool_assets.core.manifest import Block, Fingerprint
from mediatool_assets.core.metadata import Marker, RestoreRecord, content_of
from mediatool_assets.core.restorable_ddl import RestoreScript
from mediatool_assets.core.rows import copied_columns, line_writer
from mediatool_assets.core.schema import Chunk, Release, Schema, Table, differing
from mediatool_assets.core.setting_values import leave_out
from mediatool_assets.core.texts import deep_recursion, suggestion
from mediatool_assets.core.version import Version
from mediatool_assets.load.flow import DEFAULTS as LOAD_DEFAULTS
from mediatool_assets.load.flow import DocumentKind, LoadOptions, load
from mediatool_assets.native import library
from mediatool_assets.native.rows import ODD, Kind, PlannedColumn, RowPlan
from mediatool_assets.stores.ports import (
    ArchiveStore,
    DocumentStore,
    ObjectStore,
    Progress,
    Restoration,
    RestoreTarget,
    RowReader,
    RowWriter,
    SourceSnapshot,
)
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import Restored, RestoreRequest, own_name, recorded
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Workspace


def block_writer(table: Table) -> Callable[[bytes], bytes]:
    """A function from a block of NDJSON to its lines, each with a newline.

    It raises what ``line_writer`` raises.
    """
    line = line_writer(table)

    def by_python(content: bytes) -> bytes:
        return b"".join([line(row) + b"\n" for row in split_lines(content)])

    codec = library()
    if codec is None:
        return by_python
    copied = set(copied_columns(table))
    columns = [
        PlannedColumn(
            msgspec.json.encode(column.name) + b":",
            Kind.DOCUMENT if column.base == "jsonb" else Kind.STRING,
            is_array=column.element is not None,
            is_used=column in copied,
        )
        for column in table.columns
    ]
    plan = RowPlan(codec, columns, ())

    def compiled(content: bytes) -> bytes:
        if not content.endswith(b"\n"):
            return by_python(content)
        status = bytearray(row_count(content))
        lines = plan.copied(content, status)
        if ODD in status:
            rows = split_lines(content)
            for at, outcome in enumerate(status):
                if outcome == ODD:
                    lines[at] = line(rows[at]) + b"\n"
        return b"".join(lines)

    return compiled


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """Keys and indexes of one table, for one worker to build."""

    writer: RowWriter
    statements: list[Statement]


def add_keys(share: IndexBuild) -> None:
    """In a worker: build the keys and indexes, in order."""
    share.writer.run(share.statements)


@dataclass(frozen=True, slots=True)
class AnalyzeShare:
    """A schema with all rows, keys and indexes, and the views that are not to be refreshed."""

    writer: RowWriter
    schema: str
    empty: tuple[str, ...]


def analyze_and_refresh(share: AnalyzeShare) -> None:
    """In a worker: collect statistics and refresh the schema's materialized views."""
    share.writer.analyze_and_refresh(share.schema, share.empty)


@dataclass(frozen=True, slots=True)
class RestoreShare:
    """Consecutive blocks of one table, all of them if ``whole``, for one worker to copy."""

    writer: RowWriter
    archive: ArchiveReader
    schema: str
    table: Table
    blocks: tuple[Block, ...]
    whole: bool

    @property
    def bytes(self) -> int:
        """Bytes of rows, uncompressed."""
        return sum(block.bytes for block in self.blocks)


def copy_share(share: RestoreShare) -> int:
    """In a worker: copy the rows of a share, one block in memory; returns their number."""
    return share.writer.copy(share.schema, share.table, _lines(share), whole=share.whole)


def _lines(share: RestoreShare) -> Iterator[bytes]:
    lines = block_writer(share.table)
    for content in share.archive.blocks(share.blocks):
        try:
            with deep_recursion():
                yield lines(content)
        except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
            raise BadArchive(
                share.archive.source.name, f"a row of {share.table.name} cannot be read ({error})"
            ) from error


_AHEAD = 16  # chunks: keeps the workers of one machine busy


@dataclass(frozen=True, slots=True)
class _TableChunk:
    reader: RowReader
    table: Table
    chunk: Chunk


def fingerprint_share(share: _TableChunk) -> Fingerprint:
    """In a worker: return the fingerprint of a chunk's rows; one batch in memory."""
    found = Fingerprint()
    for rows in share.reader.read(share.table, share.chunk):
        found += rows_fingerprint(b"\n".join([*rows, b""]))
    return found


def reread(
    snapshot: SourceSnapshot, executor: Executor, tables: Iterable[Table], progress: Progress
) -> dict[str, Fingerprint]:
    """The fingerprint of every table, with the reader of exports; raises its errors."""
    chunks = {table.name: (table, snapshot.chunks(table)) for table in tables}
    found = dict.fromkeys(chunks, Fingerprint())
    shares = [_TableChunk(snapshot.reader, t, each) for t, own in chunks.values() for each in own]
    total, done = sum(share.chunk.rows for share in shares), 0
    with in_order(executor, fingerprint_share, shares, ahead=_AHEAD) as fingerprints:
        for share, fingerprint in zip(shares, fingerprints, strict=True):
            found[share.table.name] += fingerprint
            done += fingerprint.count
            progress("read back", done, total)
    return found


_OPERATOR_CLASSES = ("OPERATOR CLASS", "OPERATOR FAMILY")
_WHOLE_BYTES = 4 << 30  # bytes of rows; a larger table is copied by several workers
_WHOLE_SHARE = 4  # and one with more than this part of all bytes: it would be the last to be ready
_SMALL_BYTES = 1 << 26  # but not one that a single worker copies in a second or two


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The destination of a restore, and the part of the archive to restore.

    ``database`` is named after the version by default. With ``tables``, all tables are
    created, but only these get their rows. Objects of ``skip`` (``VIEW totals``, or ``VIEW`` for
    all of them) are left out, for the reason that it gives. A database that exists is refused
    unless ``replace``.
    """

    database: str | None = None
    tables: Iterable[str] | None = None
    skip: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False


DEFAULTS = RestoreOptions()
"""The default: the whole archive, to the version's own new database."""


def restore_postgres(
    objects: ArchiveStore,
    target: RestoreTarget,
    workspace: Workspace,
    version: Version,
    options: RestoreOptions = DEFAULTS,
) -> Restored:
    """Restore the version's raw archive into a database, and read it back.

    If the archive is a sanitized copy, its database has a name of its own: a copy never gets the
    name of a version, and a version never that of a copy.

    The order is: tables, rows, then keys, indexes and everything else in pg_dump's post-data
    section. Then every row is read back with the export's reader and compared with the manifest,
    and the structure with ``schema.json``. Only then does the database get its marker and its name.
    Raises AlreadyExists, Refused, NotFound, Misuse, BadArchive, CheckFailed, Unreachable; nothing
    is left after an error.
    """
    archive = catalog.reader(objects, "raw", version)
    run = _Restore(archive, workspace, Skips(options.skip))
    run.choose(options.tables)
    run.check_server(target)
    sanitized = archive.manifest.is_sanitized
    own = target.database_names.in_postgres(version, sanitized=sanitized)
    name = own_name(options.database, own)
    with target.restoration(
        name, replace=options.replace, extensions=run.script.extensions
    ) as work:
        run.make(work)
        run.copy(work.writer)
        run.add_keys(work)
        work.set_sequences(run.schema)
        with (
            work.source(run.schema.name).snapshot() as snapshot,
            in_order(
                workspace.executor, analyze_and_refresh, [run.analyze_share(work.writer)]
            ) as analyzed,
        ):
            run.compare_structure(snapshot.schema)
            fingerprints = reread(snapshot, workspace.executor, run.tables, workspace.progress)
            list(analyzed)
        run.compare_rows({table: str(found) for table, found in fingerprints.items()})
        rows = {table.name: run.members[table.name].rows for table in run.tables}
        work.mark(
            Marker(
                str(version),
                complete=not run.part,
                rows=sum(rows.values()),
                tables=tuple(rows) if run.part else (),
                left_out=run.left_out,
                content=run.content,
                sanitized=sanitized,
                skipped=run.skipped,
                notes=run.notes,
            )
        )
    return Restored(name, rows, run.part, run.notes)


class _Restore:
    """The state of one restore: its input, and the expected result."""

    def __init__(self, archive: ArchiveReader, workspace: Workspace, skips: Skips) -> None:
        self._archive, self._workspace = archive, workspace
        archive.check_tar()
        self._all, self.script, anew, self._skips = _read(archive, skips)
        self._several = len(schemas.namespaces(self._all.name)) > 1
        self.skipped = tuple(_label(entry, self._several) for entry in self.script.skipped)
        self.schema = schema_without(self._all, self.skipped)
        made = {table.name for table in self.schema.tables}
        self.members = {t: m for t, m in archive.manifest.tables().items() if t in made}
        self.tables = [
            _computing(table, anew.get(table.name, ()))
            for table in self.schema.tables
            if table.name in self.members
        ]
        self.part = False
        self._keys_left_out: dict[str, str] = {}
        self._same_server = False

    def choose(self, names: Iterable[str] | None) -> None:
        """Restore only these tables; raises UnknownName."""
        if names is not None:
            names = set(names)
            if odd := sorted(names - self.members.keys()):
                raise UnknownName(
                    f"{self._archive.source.name} has no rows of {', '.join(odd)}; "
                    + suggestion(odd[0], self.members)
                )
            self.tables = [t for t in self.tables if t.name in names]
        filled = {table.name for table in self.tables}
        self.part = filled != {table.name for table in self._all.tables}
        self._keys_left_out = {
            f"{table.name} {key.name}": key.table
            for table in self.schema.tables
            for key in table.foreign_keys
            if key.table not in filled and table.name in filled
        }

    @property
    def left_out(self) -> tuple[str, ...]:
        """The foreign keys that reference tables which are not restored."""
        return tuple(self._keys_left_out)

    @property
    def notes(self) -> tuple[str, ...]:
        """The differences from the source, and their reasons."""
        keys = [
            f"FK CONSTRAINT {key}: it refers to {table}, which is not restored"
            for key, table in self._keys_left_out.items()
        ]
        others = self._skips.others(self.schema, self.script.skipped)
        return tuple(dict.fromkeys([*self.script.left_out, *keys, *others]))

    def analyze_share(self, writer: RowWriter) -> AnalyzeShare:
        """The work that remains when all rows, keys and indexes exist."""
        empty = {*self.schema.unpopulated, *self._skips.unfilled(self.schema)}
        return AnalyzeShare(writer, self.schema.name, tuple(sorted(empty)))

    @property
    def content(self) -> str:
        """The content for the marker; empty if only part of the archive is restored."""
        whole = len(self.tables) == len(self._archive.manifest.tables())
        return content_of(self._archive.manifest) if whole else ""

    def check_server(self, target: RestoreTarget) -> None:
        """Raise CheckFailed if the server is older than the source's server."""
        source = Release.parse(self._archive.manifest.source.get("server_version")).major
        found = Release.parse(target.facts().get("server_version")).major
        if found < source:
            raise CheckFailed(
                f"the version came from PostgreSQL {source} and {target.server} is {found}; set "
                f"MEDIATOOL_RESTORE_POSTGRES_URL to a server of {source} or newer"
            )
        self._same_server = found == source

    def make(self, work: Restoration) -> None:
        """Create everything in pg_dump's pre-data section, in order."""
        for classes, making in groupby(self.script.before, lambda e: e.kind in _OPERATOR_CLASSES):
            run = work.add_operator_classes if classes else work.run
            run(_statements(making))

    def copy(self, writer: RowWriter) -> None:
        """Copy the rows of all tables, in parallel; raises CountMismatch."""
        shares = sorted(self._shares(writer), key=lambda share: share.bytes, reverse=True)
        copied = dict.fromkeys((table.name for table in self.tables), 0)
        total, done = sum(self.members[table].rows for table in copied), 0
        with in_order(self._workspace.executor, copy_share, shares) as counts:
            for share, rows in zip(shares, counts, strict=True):
                copied[share.table.name] += rows
                done += rows
                self._workspace.progress(share.table.name, done, total)
        for table, rows in copied.items():
            if rows != self.members[table].rows:
                raise CountMismatch(table, "rows copied", self.members[table].rows, rows)

    def _shares(self, writer: RowWriter) -> Iterator[RestoreShare]:
        """One share per table; a large table is split, so that several workers copy it."""
        archive = ArchiveReader(self._archive.source)
        total = sum(self.members[table.name].bytes for table in self.tables)
        most = max(_SMALL_BYTES, min(_WHOLE_BYTES, total // _WHOLE_SHARE))
        for table in self.tables:
            member = self.members[table.name]
            if not member.blocks:
                continue
            whole = not table.partitions and member.bytes <= most
            for blocks in [member.blocks] if whole else block_shares(member.blocks):
                yield RestoreShare(writer, archive, self.schema.name, table, tuple(blocks), whole)

    def add_keys(self, work: Restoration) -> None:
        """Create the post-data section, in order; keys of different tables in parallel."""
        tables = {key: table.name for table in self.schema.tables for key in _keys(table)}
        keys = {f"FK CONSTRAINT {key}" for key in self.left_out}
        entries = [e for e in self.script.after if _label(e, self._several) not in keys]
        for together, phase in groupby(entries, lambda entry: _key(entry) in tables):
            if not together:
                work.run(_statements(phase))
                continue
            chains: dict[str, list[DumpEntry]] = {}
            for entry in phase:
                chains.setdefault(tables[_key(entry)], []).append(entry)
            shares = [IndexBuild(work.writer, _statements(chain)) for chain in chains.values()]
            with in_order(self._workspace.executor, add_keys, shares) as added:
                list(added)

    def compare_structure(self, found: Schema) -> None:
        """Raise CheckFailed if a table, key, index or sequence differs from ``schema.json``.

        A newer server may print defaults and definitions differently; these are compared only if
        both servers have the same major version.
        """
        odd = differing(self.schema, found, left_out=self.left_out, texts=self._same_server)
        if odd:
            raise CheckFailed(
                f"the new database differs from schema.json in {', '.join(odd)}; it was dropped: "
                "compare with schema.sql of the archive"
            )

    def compare_rows(self, found: dict[str, str]) -> None:
        """Raise CountMismatch if the rows of a table differ from those of the archive."""
        for table, fingerprint in found.items():
            wanted = self.members[table].fingerprint
            if fingerprint != wanted:
                raise CountMismatch(table, "rows and fingerprint restored", wanted, fingerprint)


def _read(
    archive: ArchiveReader, skips: Skips
) -> tuple[Schema, RestoreScript, dict[str, list[str]], Skips]:
    schema = archive.schema()
    try:
        text = archive.read_file("schema.sql").decode()
        skips = skips.named(entries(text))
        script = restorable_ddl.read(text, skips.reason)
        return schema, script, archive.manifest.computed_anew, skips
    except BadStatement as error:
        problem = f"its schema.sql cannot be restored: {error}"
        if error.of is None:
            raise BadArchive(archive.source.name, problem) from error
        raise BadArchive(archive.source.name, problem, leave_out(error.of)) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadArchive(archive.source.name, f"its schema cannot be read: {error}") from error


def _label(entry: DumpEntry, several: bool) -> str:
    """An entry's kind and name, in the notation of the schema's objects."""
    return f"{entry.kind} {entry.namespace}.{entry.name}" if several else str(entry)


def _computing(table: Table, anew: Collection[str]) -> Table:
    """The table as it is read back from a copy that recomputes these columns."""
    columns = (msgspec.structs.replace(c, computed_anew=c.name in anew) for c in table.columns)
    return msgspec.structs.replace(table, columns=tuple(columns))


def _statements(entries: Iterable[DumpEntry]) -> list[Statement]:
    return [Statement(str(entry), sql) for entry in entries for sql in entry.statements]


def _key(entry: DumpEntry) -> tuple[str, str]:
    """An entry's kind, with the index's own name or the name of the constraint's table."""
    return entry.kind, entry.name if entry.kind == "INDEX" else entry.name.partition(" ")[0]


def _keys(table: Table) -> Iterator[tuple[str, str]]:
    """The values of ``_key`` for the keys and indexes of a table and its partitions."""
    yield from (("CONSTRAINT", name) for name in (table.relation, *table.partitions))
    yield from (("INDEX", index.name) for index in table.indexes)


def restore_mongodb(
    objects: ArchiveStore,
    documents: DocumentStore,
    workspace: Workspace,
    version: Version,
    options: LoadOptions = LOAD_DEFAULTS,
) -> Restored:
    """Load the version's documents; the archive is read to its end before.

    Raises the errors of ``load``, and Refused for a ``database`` with the name of another
    version's.
    """
    archive = catalog.reader(objects, options.kind, version)
    archive.check_tar()
    sanitized = archive.manifest.is_sanitized
    own = documents.database_names.in_mongodb(version, sanitized=sanitized)
    options = replace(options, database=own_name(options.database, own), read_first=True)
    loaded = load(objects, documents, workspace, version, options)
    whole = archive.manifest.collections()
    return Restored(loaded.database, loaded.documents, part=loaded.documents.keys() != whole.keys())


SCRATCH = "mediatool_restore_drill"
"""The name of the database on either server; remains of a killed drill are replaced."""


def drill_postgres(
    objects: ObjectStore,
    target: RestoreTarget,
    workspace: Workspace,
    request: RestoreRequest,
    skip: Mapping[str, str],
) -> RestoreRecord:
    """Restore the raw archive, read it back and drop it; the record has the duration.

    Raises the errors of a restore; its record is stored then too, and the database is dropped.
    """
    options = RestoreOptions(SCRATCH, skip=skip, replace=True)
    restore = partial(restore_postgres, objects, target, workspace, request.version, options)
    with _dropped(lambda: target.drop(SCRATCH)):
        return recorded(objects, request, restore, workspace.clock)


def drill_mongodb(
    objects: ObjectStore,
    documents: DocumentStore,
    workspace: Workspace,
    request: RestoreRequest,
    kind: DocumentKind,
) -> RestoreRecord:
    """Restore the archive ``kind``, read it back and drop it, like ``drill_postgres``."""

    def drop() -> None:
        # claim first: this fails if the name belongs to a database of somebody else
        with documents.loading(SCRATCH, str(uuid4())):
            documents.drop(SCRATCH)

    options = LoadOptions(kind, SCRATCH, replace=True)
    restore = partial(restore_mongodb, objects, documents, workspace, request.version, options)
    with _dropped(drop):
        return recorded(objects, request, restore, workspace.clock)


@contextmanager
def _dropped(drop: Callable[[], None]) -> Iterator[None]:
    """Drop the database at the end, also after an error; if both fail, raise the first error."""
    try:
        yield
    except BaseException as error:
        try:
            drop()
        except MediatoolError as second:
            error.add_note(f"and {SCRATCH} could not be dropped: {second}")
        raise
    drop()
