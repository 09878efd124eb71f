"""The metadata of a version: every field of the storage description, and additional ones."""

from datetime import UTC, datetime
from typing import ClassVar, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from mediatool_assets.domain.json_documents import JsonDocument
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.signing import Signed
from mediatool_assets.domain.targets import Targets, VersionArchive
from mediatool_assets.domain.version import Version

Purpose = Literal["daily_backup", "testing"]


class RecordedSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the rows came from.

    With RDS, ``instance`` and ``snapshot_id`` are AWS's names; with a live database,
    ``host:port/name`` and the name of the snapshot in PostgreSQL. ``system_identifier`` is
    PostgreSQL's identifier of the cluster of ``database``. With a hot standby, ``standby`` says
    whether it was ``connected`` or ``disconnected`` when the snapshot was taken, and
    ``lag_seconds`` is its largest possible lag; null if unknown.
    """

    type: Literal["postgres", "rds", "archive"]
    instance: str | None
    snapshot_id: str | None
    server_version: str | None = None
    schema: str | None = None
    database: str | None = None
    system_identifier: str | None = None
    standby: str | None = None
    lag_seconds: int | None = None


class RawExport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The raw archive. ``size_mb`` is the object's size, ``uncompressed_mb`` that of its JSON.

    Both in 10**6 bytes. ``tables_exported`` counts the tables in it, ``tables_with_rows`` those
    that are not empty. ``excluded`` has the reason for each table that was left out,
    ``excluded_rows`` its row count, null if unknown. ``sha256`` is the object's, ``digest`` the
    archive's (docs/reference/archive-format.md).
    """

    path: str
    size_mb: float
    record_count: int
    tables_exported: int
    sha256: str
    size_bytes: int
    rows: dict[str, int]
    schema_fingerprint: str
    excluded: dict[str, str] = {}
    excluded_rows: dict[str, int | None] = {}
    uncompressed_mb: float | None = None
    tables_with_rows: int | None = None
    digest: str | None = None


class TransformedExport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The transformed archive. ``size_mb`` is the object's size, ``uncompressed_mb`` its BSON's.

    ``homes`` counts the source rows by their use: ``documents``, ``embedded`` in one, in a
    collection of ``orphans``, ``folded`` into references, ``left_out`` by the model. ``unresolved``
    counts references that found no row, by ``collection.field``; ``losses`` counts values that BSON
    does not hold, by ``table.column`` and kind. Later versions are compared with both.
    """

    path: str
    size_mb: float
    collections: tuple[str, ...]
    sha256: str
    size_bytes: int
    documents: dict[str, int]
    homes: dict[str, int] = {}
    unresolved: dict[str, int] = {}
    losses: dict[str, dict[str, int]] = {}
    uncompressed_mb: float | None = None
    digest: str | None = None


class DumpExport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The dump of the loaded MongoDB database; its sizes are defined as in the transformed one."""

    path: str
    size_mb: float
    sha256: str
    size_bytes: int
    documents: dict[str, int]
    uncompressed_mb: float | None = None
    digest: str | None = None


RowCodec = Literal["native", "python"]
"""Which code converts rows: the compiled codec, or its equivalent in Python."""

Export = RawExport | TransformedExport | DumpExport


class Exports(msgspec.Struct, frozen=True, omit_defaults=True):
    """The archives of a version; ``dump`` is None if it has no MongoDB database."""

    raw: RawExport
    transformed: TransformedExport
    dump: DumpExport | None = None

    @property
    def by_archive(self) -> dict[VersionArchive, Export]:
        """Each archive by its kind, in the order in which they are made."""
        found: dict[VersionArchive, Export | None] = {
            "raw": self.raw,
            "transformed": self.transformed,
            "dump": self.dump,
        }
        return {kind: export for kind, export in found.items() if export is not None}

    @property
    def size_bytes(self) -> int:
        """The size of all archives together."""
        return sum(export.size_bytes for export in self.by_archive.values())


class Databases(msgspec.Struct, frozen=True, omit_defaults=True):
    """The databases that were created and verified; null if there is none.

    ``postgres_problem`` is why a restore failed. ``postgres_left_out`` lists what the restored
    database lacks, and why, a line for each object.
    """

    postgres: str | None
    mongodb: str | None
    postgres_problem: str | None = None
    postgres_left_out: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The same, as warnings of the version."""
        if self.postgres_problem is not None:
            return (f"there is no restored PostgreSQL database: {self.postgres_problem}",)
        return tuple(f"{self.postgres} is restored without {w}" for w in self.postgres_left_out)


class Metadata(msgspec.Struct, JsonDocument, frozen=True, omit_defaults=True):
    """One version's metadata file; its presence in the bucket makes the version complete.

    ``not_carried`` lists objects of the source that no archive contains. ``row_codec`` says which
    code converts rows on the machine that completed the version; the bytes are the same. ``proof``
    is the version's signed entry in the chain; null if no key was set.
    """

    INDENT: ClassVar = 4

    timestamp: str
    export_date: str
    source: RecordedSource
    exports: Exports
    databases_created: Databases
    export_duration_minutes: float
    export_complete: str
    purpose: Purpose
    notes: str
    tool_version: str
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    not_carried: tuple[NotCarried, ...] = ()
    row_codec: RowCodec | None = None
    proof: Signed | None = None

    @property
    def version(self) -> Version:
        """The identity in ``timestamp``."""
        return Version.parse(self.timestamp)

    @property
    def targets(self) -> Targets:
        """The databases that the version was made with."""
        made = self.databases_created
        return Targets(
            mongodb=made.mongodb is not None,
            postgres=made.postgres is not None or made.postgres_problem is not None,
        )

    def checked(self) -> "Metadata":
        """The metadata, whose dump and database must both be there or both be absent.

        A file written before 2026-11-28 is converted to today's fields: its ``size_mb`` was the
        size of the uncompressed rows, its ``tables_exported`` counted tables with rows.
        """
        exports = self.exports
        if (exports.dump is not None) != self.targets.mongodb:
            raise msgspec.ValidationError(
                "it names a MongoDB database without its dump, or a dump without its database"
            )
        if exports.raw.uncompressed_mb is not None:
            return self
        raw = replace(
            _resized(exports.raw),
            tables_exported=len(exports.raw.rows),
            tables_with_rows=exports.raw.tables_exported,
        )
        dump = _resized(exports.dump) if exports.dump is not None else None
        return replace(self, exports=Exports(raw, _resized(exports.transformed), dump))


def megabytes(size: int) -> float:
    """Bytes in units of 10**6, as in the metadata."""
    return round(size / 1e6, 3)


def uncompressed_bytes(export: Export) -> int:
    """The size of an archive's rows or documents without compression, to 1,000 bytes."""
    return round((export.uncompressed_mb or 0) * 1_000_000)


def instant(moment: datetime, *, exact: bool = False) -> str:
    """A time in the format of the storage description: ``2025-06-21T14:45:00Z``; or to the µs."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds" if exact else "seconds")
    return text.removesuffix("+00:00") + "Z"


def in_utc(text: str) -> str:
    """A time that an older release wrote, in the format of ``instant``."""
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


AnyExport = TypeVar("AnyExport", RawExport, TransformedExport, DumpExport)


def _resized(export: AnyExport) -> AnyExport:
    return replace(export, size_mb=megabytes(export.size_bytes), uncompressed_mb=export.size_mb)
