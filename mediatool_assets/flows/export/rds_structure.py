"""Takes DDL, keys and sequences for an RDS export from the nearest schema with the same tables.

The source is a raw archive near the export's day, else the live database.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import BadArchive, NotAuthentic
from mediatool_assets.domain.keys import RAW_PREFIX, metadata_key
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.objects import ObjectInfo
from mediatool_assets.domain.rds_export import TableStatus, same_type
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.export.rds_layout import ExportedTable, ExportFiles
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import archives

_NEAREST = 10
"""Number of days whose newest raw archive is searched for a matching schema."""


class Structure(NamedTuple):
    """Keys, DDL and sequences, which the Parquet files lack, and where they come from."""

    schema: Schema
    ddl: bytes
    origin: str
    rows: Mapping[str, int] = {}
    """Rows of each table, if the structure is from an archive."""
    not_carried: tuple[NotCarried, ...] = ()


def relations(table: Table) -> tuple[str, ...]:
    """Its relations in an export. ``folders`` checked whether its leaves were exported instead."""
    return (table.name, *table.partitions)


def nearest_structure(
    export: ExportFiles, version: Version, found: dict[str, ExportedTable]
) -> Structure:
    """Return the nearest structure with the export's tables; raises BadSource if there is none."""
    first: str | None = None
    for structure in _structures(export, version):
        problem = next(_differences(structure.schema, found), None)
        if problem is None:
            return structure
        first = first or f"{structure.origin}: {problem}"
    problem = first or f"there is no raw archive, and no live schema {export.schema_name}"
    raise export.bad(
        f"no known schema has its tables ({problem})",
        "put back a raw archive of about that day, or export the snapshot again",
    )


def _structures(export: ExportFiles, version: Version) -> Iterator[Structure]:
    near = list(_archives_near(export.objects, version.day))
    yield from _archived_structures(export, (info for info in near if not info.cold))
    if export.live is not None:
        with export.live.snapshot() as snapshot:
            beside = snapshot.not_carried()
            origin = "the live database"
            yield Structure(snapshot.schema, snapshot.ddl(), origin, not_carried=beside)
    # last, since an archive in cold storage has to be copied first
    yield from _archived_structures(export, (info for info in near if info.cold))


def _archived_structures(export: ExportFiles, near: Iterable[ObjectInfo]) -> Iterator[Structure]:
    for info in near:
        structure = None
        with suppress(BadArchive, NotAuthentic):  # the next archive may match too
            structure = _archived(_signed(export.objects, info.key))
        if structure is not None and structure.schema.name == export.schema_name:
            yield structure


def _signed(objects: ObjectStore, key: str) -> ArchiveReader:
    """Open a raw archive; if keys are trusted, only one of a complete, signed version."""
    archive = ArchiveReader(objects.open(key))
    version = Version.parse(archive.manifest.version)
    archives.authenticate(objects, key, "raw", version, archive)
    if objects.signature_policy.keys and objects.head(metadata_key(version)) is None:
        raise NotAuthentic(
            f"{archive.source.name} is of a version that is not complete; use a complete one"
        )
    return archive


def _archived(reader: ArchiveReader) -> Structure:
    own = reader.manifest.source.get("structure_from")
    origin = str(own or f"version {reader.manifest.version}")
    rows = {name: member.rows for name, member in reader.manifest.tables().items()}
    ddl, beside = reader.read_file("schema.sql"), reader.manifest.not_carried
    return Structure(reader.schema(), ddl, origin, rows, beside)


def _archives_near(objects: ObjectStore, day: date) -> Iterator[ObjectInfo]:
    """The newest raw archive of each of the nearest days, nearest first."""

    def distance(prefix: str) -> int:
        return abs((date.fromisoformat(prefix.rstrip("/").rpartition("/")[2]) - day).days)

    for prefix in sorted(objects.folders(RAW_PREFIX), key=distance)[:_NEAREST]:
        found = [info for info in objects.list(prefix) if info.key.endswith("-raw.tar.gz")]
        yield from found[-1:]


def _differences(schema: Schema, found: dict[str, ExportedTable]) -> Iterator[str]:
    """Describe how the export's tables and a schema differ."""
    known = {name: t for t in schema.tables for name in relations(t)}
    for name in sorted(found.keys() - known.keys() - set(schema.views)):
        yield f"the export has a table {name}, which the schema lacks"
    for table in schema.tables:
        own, leaves = table.name in found, [n for n in table.partitions if n in found]
        if not own and (not table.partitions or len(leaves) < len(table.partitions)):
            missing = next((n for n in table.partitions if n not in found), table.name)
            yield f"the export lacks the schema's table {missing}"
        elif own and leaves and found[table.name].parts:
            yield f"the export has {table.name} twice: by itself and as {', '.join(leaves)}"
    for name in sorted(found.keys() & known.keys()):
        yield from _column_differences(known[name], found[name].status)


def _column_differences(table: Table, status: TableStatus) -> Iterator[str]:
    columns = {column.name: column for column in table.columns}
    mappings = {m.column_name: m for m in status.schema_metadata.original_type_mappings}
    for name in sorted(columns.keys() ^ mappings.keys()):
        has, lacks = ("it", "the export") if name in columns else ("the export", "it")
        yield f"{has} has the column {table.name}.{name}, which {lacks} lacks"
    for name, mapping in mappings.items():
        if name in columns and not same_type(columns[name], mapping.original_type):
            yield (
                f"{table.name}.{name} was {mapping.original_type} in the snapshot, "
                f"and is {columns[name].type} in the schema"
            )
