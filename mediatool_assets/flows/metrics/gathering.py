"""The metrics of one version, from its raw archive and its metadata."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain import metrics
from mediatool_assets.domain.comparison import NotCompared
from mediatool_assets.domain.errors import BadArchive, NotFound
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.metrics import KeyColumn, TableMetrics, VersionMetrics, key_columns
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.schema import Schema
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.metrics.key_columns import count_key_columns
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports import storage
from mediatool_assets.flows.versions import archives


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """A version's metrics and schema, and the parts that could not be read."""

    metrics: VersionMetrics
    schema: Schema
    errors: tuple[NotCompared, ...]


class MetricsCollector:
    """Gathers versions one after the other; a table that two of them share is read once."""

    def __init__(self, objects: ObjectStore, executor: Executor, model: Model) -> None:
        self._objects, self._executor, self._model = objects, executor, model
        self._known: dict[str, Mapping[str, KeyColumn]] = {}

    def of(self, metadata: Metadata) -> VersionFigures:
        """The metrics of a complete version; raises BadArchive or NotFound for its raw archive.

        A table that cannot be read is listed in the errors, and its key columns are unknown.
        """
        archive = archives.reader(self._objects, "raw", metadata.version)
        schema = archive.schema()
        self._remember(metadata.version, archive.manifest.tables())
        tables, errors = {}, []
        for name, member in archive.manifest.tables().items():
            counted: Mapping[str, KeyColumn] = {}
            try:
                counted = self._counted(archive, schema, name, member)
            except BadArchive as error:
                errors.append(NotCompared(name, metadata.timestamp, error.problem, damaged=True))
            tables[name] = TableMetrics(member.rows, member.bytes, dict(counted))
        gathered = VersionMetrics(
            metadata.timestamp,
            _totals(metadata, archive, self._model),
            tables,
            metadata.exports.transformed.documents,
        )
        return VersionFigures(gathered, schema, tuple(errors))

    def _counted(
        self, archive: ArchiveReader, schema: Schema, name: str, member: Member
    ) -> Mapping[str, KeyColumn]:
        try:
            table = schema.table(name)
        except KeyError as error:
            raise BadArchive(archive.source.name, f"schema.json has no table {name}") from error
        columns = key_columns(table, self._model)
        known = self._known.get(member.fingerprint or "", {})
        if set(columns) <= known.keys():
            return {column: known[column] for column in columns}
        counted = count_key_columns(self._executor, archive.source, table, member, columns)
        self._known[member.fingerprint or ""] = counted
        return counted

    def _remember(self, version: Version, members: Mapping[str, Member]) -> None:
        """Reuse the counts of the version's own report, if that describes the same archive."""
        try:
            data = storage.read(self._objects, "daily-metrics-comparison", version.partition)
            report = metrics.DailyMetrics.from_json(data)
        except (NotFound, msgspec.MsgspecError):
            return  # the tables are counted instead
        if report.version == str(version):
            for name, found in report.current.tables.items():
                fingerprint = members[name].fingerprint if name in members else None
                if fingerprint and found.key_columns:
                    self._known.setdefault(fingerprint, found.key_columns)


def _totals(metadata: Metadata, archive: ArchiveReader, model: Model) -> dict[str, int | None]:
    """The totals of one version, by the names used in comparisons."""
    tables = archive.manifest.tables()
    rows = {name: member.rows for name, member in tables.items()}
    documents = metadata.exports.transformed.documents
    return {
        "total_records": sum(rows.values()),
        **{table: rows.get(table) for table in model.metrics},
        "data_size_bytes": sum(member.bytes for member in tables.values()),
        "archive_size_bytes": archive.source.size,
        "tables": len(tables),
        "documents": sum(documents.values()),
        "collections": len(documents),
    }
