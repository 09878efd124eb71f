"""The two kinds of JSON files in an RDS snapshot export, as AWS writes them.

{s3Prefix}/{export-id}/export_info_{export-id}.json
{s3Prefix}/{export-id}/export_tables_info_{export-id}_from_1_to_{n}.json
{s3Prefix}/{export-id}/{database}/{schema}.{table}/{batch}/part-{number}-{uuid}.gz.parquet
{s3Prefix}/{export-id}/{database}/{schema}.{table}/{batch}/_SUCCESS
"""

import re
from datetime import UTC, datetime

import msgspec

from mediatool_assets.domain.keys import RDS_EXPORTS_PREFIX
from mediatool_assets.domain.schema import Column
from mediatool_assets.domain.version import Version

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
