"""Restore to PostgreSQL: a new database, which gets its name after it was read back."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from mediatool_assets.archive.grouping import block_shares
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain import schema as schemas
from mediatool_assets.domain.ddl import restorable
from mediatool_assets.domain.ddl.kinds import leave_out
from mediatool_assets.domain.ddl.restorable import RestoreScript
from mediatool_assets.domain.ddl.script import DumpEntry, Statement, entries
from mediatool_assets.domain.ddl.skips import Skips, schema_without
from mediatool_assets.domain.ddl.tree import BadStatement
from mediatool_assets.domain.errors import BadArchive, CheckFailed, CountMismatch, UnknownName
from mediatool_assets.domain.postgres_release import Release
from mediatool_assets.domain.restore_record import Marker, content_of
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.domain.structure import differing
from mediatool_assets.domain.suggestions import suggestion
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ArchiveStore, Restoration, RestoreTarget, RowWriter
from mediatool_assets.flows.restore.postgres_workers import (
    AnalyzeShare,
    IndexBuild,
    RestoreShare,
    add_keys,
    analyze_and_refresh,
    copy_share,
)
from mediatool_assets.flows.restore.rereading import reread
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.version_databases import Restored, own_name
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.workspace import Workspace

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
    archive = archives.reader(objects, "raw", version)
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
        script = restorable.read(text, skips.reason)
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
