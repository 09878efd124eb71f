"""The two kinds of JSON files in an RDS snapshot export, as AWS writes them.

{s3Prefix}/{export-id}/export_info_{export-id}.json
{s3Prefix}/{export-id}/export_tables_info_{export-id}_from_1_to_{n}.json
{s3Prefix}/{export-id}/{database}/{schema}.{table}/{batch}/part-{number}-{uuid}.gz.parquet
{s3Prefix}/{export-id}/{database}/{schema}.{table}/{batch}/_SUCCESS

Groups the files of an RDS snapshot export by table; deviations from the layout are errors.

Takes DDL, keys and sequences for an RDS export from the nearest schema with the same tables.

The source is a raw archive near the export's day, else the live database.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import BadArchive, BadSource, NotAuthentic
from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.schema import Column, Schema, Table, namespaces
from mediatool_assets.core.version import (
    RAW_PREFIX,
    RDS_EXPORTS_PREFIX,
    ObjectInfo,
    Version,
    metadata_key,
)
from mediatool_assets.stores.ports import ObjectStore, Source
from mediatool_assets.versions import catalog

_AUTOMATED = re.compile(r"rds:(?P<instance>.+)-\d{4}-\d\d-\d\d-\d\d-\d\d")
_ATTEMPT = re.compile(r"(-[0-9]{8}-[0-9]{6})-[0-9]+$")


def day_prefix(partition: str) -> str:
    """The prefix of all exports of a day's snapshots."""
    return f"{RDS_EXPORTS_PREFIX}{partition}/"


def export_prefix(version: Version) -> str:
    """The prefix of the export of a version's snapshot."""
    return f"{day_prefix(version.partition)}export-{version}/"


def version_of_folder(prefix: str) -> Version | None:
    """The version in the name of an export's folder: ``export-{version}/``, or ``…-2/``."""
    name = prefix.rstrip("/").rpartition("/")[2]
    return Version.of_name(_ATTEMPT.sub(r"\1", name), "export-")


class ExportInfo(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """``export_info_*.json``: the task."""

    export_task_identifier: str
    status: str
    snapshot_time: str
    source_arn: str = ""
    percent_progress: int | None = None
    failure_cause: str | None = None
    export_only: tuple[str, ...] = ()

    @property
    def snapshot_id(self) -> str:
        """The snapshot's name, the last field of its ARN; an automatic one begins with ``rds:``."""
        return ":".join(self.source_arn.split(":")[6:])

    @property
    def instance(self) -> str | None:
        """The instance in the name of an automated snapshot; None for any other snapshot."""
        found = _AUTOMATED.fullmatch(self.snapshot_id)
        return found["instance"] if found else None

    def version(self) -> Version:
        """The version named by the time of the snapshot; raises ValueError if there is no time."""
        moment = datetime.fromisoformat(self.snapshot_time)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return Version.at(moment)


class TypeMapping(msgspec.Struct, frozen=True, rename="camel"):
    """One column, with its type in the database."""

    column_name: str
    original_type: str
    expected_exported_type: str = ""


class SchemaMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """The columns of one table."""

    original_type_mappings: tuple[TypeMapping, ...] = ()


class Partitioning(msgspec.Struct, frozen=True, rename="camel"):
    """The number of parts in which a table was read."""

    number_of_partitions: int
    number_of_completed_partitions: int


class TableStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """AWS's report on the export of one table."""

    partitioning_info: Partitioning | None = None


class TableStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One table, or a schema or database that AWS reports on."""

    target: str
    status: str | None = None
    warning_message: str | None = None
    schema_metadata: SchemaMetadata = SchemaMetadata()
    table_statistics: TableStatistics = TableStatistics()


class TablesInfo(msgspec.Struct, frozen=True, rename="camel"):
    """``export_tables_info_*.json``."""

    per_table_status: tuple[TableStatus, ...]


_ALIASES = {
    "int2": "smallint",
    "int4": "integer",
    "int": "integer",
    "serial": "integer",
    "smallserial": "smallint",
    "bigserial": "bigint",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "double": "double precision",
    "bool": "boolean",
    "decimal": "numeric",
    "varchar": "character varying",
    "bpchar": "character",
    "char": "character",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
}
_MODIFIER = re.compile(r"\(([0-9, -]*)\)")


def same_type(column: Column, original: str) -> bool:
    """Whether AWS's name of a column's type means the type of the schema's column.

    AWS writes the catalog's or SQL's names, with or without modifiers (lengths and precisions). A
    domain has its own name or its base type's, an array also ``_element`` or ``ARRAY``, a
    user-defined type also ``USER-DEFINED``. Modifiers are compared if both have some.
    """
    modifiers = _modifiers(column.type), _modifiers(original)
    if all(modifiers) and modifiers[0] != modifiers[1]:
        return False
    name = _plain(original)
    known = {_plain(column.type), _plain(column.base)}
    if column.element is not None:
        known |= {"ARRAY", f"{_plain(column.element)}[]"}
        if name.startswith("_"):
            name = _plain(name[1:]) + "[]"
        elif name.endswith("[]"):
            name = _plain(name.rstrip("[]")) + "[]"
    if column.kind != "b" or column.element_kind not in (None, "b"):
        known.add("USER-DEFINED")
    return name in known


def _modifiers(name: str) -> tuple[int, ...]:
    """The numbers in parentheses; ``numeric(10)`` has the scale 0."""
    found = _MODIFIER.search(name)
    numbers = tuple(map(int, re.findall(r"-?[0-9]+", found[1]))) if found else ()
    return numbers[:1] if numbers[1:] == (0,) else numbers


def _plain(name: str) -> str:
    bare = _MODIFIER.sub("", name).strip()
    short = bare.rpartition(".")[2].strip('"')
    return _ALIASES.get(short, short)


_PART = re.compile(r"part-([0-9]+)-[^/]*\.parquet")
_AGAIN = "export the snapshot again"


@dataclass(frozen=True)
class ExportFiles:
    """The files of an export below its key prefix, which has the closing slash.

    ``schema_name`` is the schema to read, ``live`` the live database, if there is one.
    """

    objects: ObjectStore
    prefix: str
    schema_name: str = "media_tool"
    live: Source | None = None

    @property
    def uri(self) -> str:
        """The export's URI in the bucket."""
        return self.objects.uri(self.prefix)

    def bad(self, problem: str, next_step: str) -> BadSource:
        """Build an error that names the export."""
        return BadSource(f"{self.uri}: {problem}; {next_step}")


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """One table of the export: its status from AWS, and the keys of its parts in order."""

    status: TableStatus
    parts: tuple[str, ...]


def folders(export: ExportFiles, statuses: Iterable[TableStatus]) -> dict[str, ExportedTable]:
    """Return the tables of the wanted schema by name; raises BadSource on the first deviation.

    Deviations are: a table that is not COMPLETE, that AWS left out with a warning, or that is
    listed twice; a batch without ``_SUCCESS``; a missing or additional part; a file that belongs to
    no table. Files of other schemas are ignored.
    """
    tables = _tables(export, statuses)
    files: dict[str, list[str]] = {status.target: [] for status in tables.values()}
    for info in export.objects.list(export.prefix):
        name = info.key.removeprefix(export.prefix)
        target = _target(name)
        if target in files:
            files[target].append(name)
        elif target is None or _schema_of(target) == export.schema_name:
            raise export.bad(f"{name} belongs to none of its tables", _AGAIN)
    return {
        table: ExportedTable(status, tuple(_parts(export, status, files[status.target])))
        for table, status in tables.items()
    }


def _tables(export: ExportFiles, statuses: Iterable[TableStatus]) -> dict[str, TableStatus]:
    if len(namespaces(export.schema_name)) > 1:
        problem = f"it cannot be read for several schemas ({export.schema_name})"
        raise export.bad(problem, "name one in MEDIATOOL_POSTGRES_SCHEMA, or export the database")
    tables: dict[str, TableStatus] = {}
    for status in statuses:
        names = status.target.split(".", 2)
        if len(names) > 1 and names[1] != export.schema_name:
            continue
        if status.warning_message:
            raise export.bad(f"AWS left out {status.target}: {status.warning_message}", _AGAIN)
        if len(names) < 3:
            continue
        if status.status != "COMPLETE":
            raise export.bad(f"{status.target} is {status.status}, not COMPLETE", _AGAIN)
        if names[2] in tables:
            both = f"{tables[names[2]].target} and {status.target}"
            raise export.bad(f"it has {names[2]} twice: {both}", "export only one database")
        tables[names[2]] = status
    if not tables:
        raise export.bad(
            f"it has no table of schema {export.schema_name}",
            "set MEDIATOOL_POSTGRES_SCHEMA, or export that schema",
        )
    return tables


def _target(name: str) -> str | None:
    """``database.schema.table`` of a file; the empty string for the export's own files."""
    words = name.split("/")
    if len(words) == 1 and name.startswith(("export_info_", "export_tables_info_")):
        return ""
    return f"{words[0]}.{words[1]}" if len(words) > 2 else None


def _schema_of(target: str) -> str:
    return target.split(".", 2)[1] if target.count(".") > 1 else ""


def _parts(export: ExportFiles, status: TableStatus, names: Sequence[str]) -> Iterator[str]:
    """Return the keys of a table's parts by batch; an older export has no folder per batch."""
    batches: dict[str, list[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        batches.setdefault(folder, []).append(file)
    _check_batches(export, status, list(batches))
    total = 0
    for folder in sorted(batches, key=_batch_number):
        files = batches[folder]
        if "_SUCCESS" not in files:
            raise export.bad(f"{folder} has no _SUCCESS: it is not whole", _AGAIN)
        numbers: dict[int, str] = {}
        for file in sorted(set(files) - {"_SUCCESS"}):
            part = _PART.fullmatch(file)
            if part is None:
                raise export.bad(f"{folder}/{file} is no part of a table", _AGAIN)
            if int(part[1]) in numbers:
                raise export.bad(
                    f"{folder}/{file} is there in addition to another part {part[1]}", _AGAIN
                )
            numbers[int(part[1])] = file
        total += len(numbers)
        yield from (f"{export.prefix}{folder}/{numbers[number]}" for number in sorted(numbers))
    _check_count(export, status, total)


def _check_batches(export: ExportFiles, status: TableStatus, found: list[str]) -> None:
    numbers = sorted(map(_batch_number, found))
    if not found:
        raise export.bad(f"{status.target} has no _SUCCESS and no part", _AGAIN)
    if numbers not in ([0], list(range(1, len(numbers) + 1))):
        missing = next(n for n, number in enumerate(numbers, 1) if n != number)
        raise export.bad(f"{status.target} lacks its batch {missing}", _AGAIN)


def _batch_number(folder: str) -> int:
    """The batch number of a folder; 0 if the table's own folder holds the parts."""
    last = folder.split("/", 2)[2:]
    return int(last[0]) if last and last[0].isdigit() else 0


def _check_count(export: ExportFiles, status: TableStatus, parts: int) -> None:
    """Compare the parts with the partitions that AWS read. An empty table has one and no part."""
    info = status.table_statistics.partitioning_info
    if info is None:
        return
    wanted, done = info.number_of_partitions, info.number_of_completed_partitions
    if done < wanted:
        raise export.bad(f"{status.target}: {done} of {wanted} partitions were exported", _AGAIN)
    if parts > wanted:
        problem = f"{status.target} has {parts} parts, {parts - wanted} more than AWS wrote"
        raise export.bad(problem, "remove the files that AWS did not write")
    if parts < wanted and (parts, wanted) != (0, 1):
        raise export.bad(f"{status.target} has {parts} of its {wanted} parts", _AGAIN)


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
    catalog.authenticate(objects, key, "raw", version, archive)
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
