"""The metadata of a version: every field of the storage description, and further ones."""

from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from mediatool_assets.domain.json_documents import decoded, pretty
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.signing import Signed
from mediatool_assets.domain.version import Version

Purpose = Literal["daily_backup", "testing"]


class RecordedSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the rows came from.

    Of RDS ``instance`` and ``snapshot_id`` are those of AWS; of a live database ``host:port/name``
    and the snapshot's name in PostgreSQL.
    ``system_identifier`` is PostgreSQL's own, of the cluster that ``database`` is in.
    Of a hot standby ``standby`` says whether it was ``connected`` or ``disconnected`` when the
    snapshot was taken, and ``lag_seconds`` how far it was behind at most; null if that is unknown.
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
    that are not empty. ``excluded`` has the reason of each table that was left out,
    ``excluded_rows`` its rows, null where they could not be counted. ``sha256`` is of the object,
    ``digest`` that of the archive (docs/reference/archive-format.md).
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

    ``homes`` says what became of every source row: ``documents``, ``embedded`` in one, in a
    collection of ``orphans``, ``folded`` into references, ``left_out`` by the model. ``unresolved``
    counts references that found nothing by ``collection.field``, ``losses`` the
    values by ``table.column`` and kind; later versions are held against both.
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
    """The dump archive of the loaded MongoDB database, its sizes as of the transformed one."""

    path: str
    size_mb: float
    sha256: str
    size_bytes: int
    documents: dict[str, int]
    uncompressed_mb: float | None = None
    digest: str | None = None


RowCodec = Literal["native", "python"]
"""The compiled codec, or the Python that it takes the place of."""

Export = RawExport | TransformedExport | DumpExport


class Exports(msgspec.Struct, frozen=True):
    """The three archives of a version."""

    raw: RawExport
    transformed: TransformedExport
    dump: DumpExport


class Databases(msgspec.Struct, frozen=True, omit_defaults=True):
    """The databases that were made and verified; null where none was.

    ``postgres_problem`` is why a restore made none. ``postgres_left_out`` says what the restored
    one is without, and why, a line for each object.
    """

    postgres: str | None
    mongodb: str | None
    postgres_problem: str | None = None
    postgres_left_out: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The same as warnings of the version."""
        if self.postgres_problem is not None:
            return (f"there is no restored PostgreSQL database: {self.postgres_problem}",)
        return tuple(f"{self.postgres} is restored without {w}" for w in self.postgres_left_out)


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version's metadata file; its presence in the bucket makes the version complete.

    ``not_carried`` is what the source has beside its rows and schemas. ``row_codec`` says which
    code converts rows where the version was completed; their bytes are equal. ``proof`` is the
    signed entry of the version in the chain; null where no key was set.
    """

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
        """The identity that ``timestamp`` writes down."""
        return Version.parse(self.timestamp)


def megabytes(size: int) -> float:
    """Bytes in units of 10**6, as the metadata counts."""
    return round(size / 1e6, 3)


def uncompressed_bytes(export: Export) -> int:
    """What an archive's rows or documents are without compression, to 1,000 bytes."""
    return round((export.uncompressed_mb or 0) * 1_000_000)


def instant(moment: datetime, *, exact: bool = False) -> str:
    """A moment as the storage description writes it: ``2025-06-21T14:45:00Z``; or to the µs."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds" if exact else "seconds")
    return text.removesuffix("+00:00") + "Z"


def in_utc(text: str) -> str:
    """A moment that an older version of this program has written, in the form of ``instant``."""
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def encode(metadata: Metadata) -> bytes:
    """The bytes of ``{version}.json``, indented for people."""
    return pretty(metadata, 4)


def decode(data: bytes) -> Metadata:
    """Read ``{version}.json``; raises msgspec.MsgspecError on anything else.

    One that was written before 2026-11-28 is given today's fields: its ``size_mb`` was that of
    uncompressed rows, its ``tables_exported`` counted those with rows.
    """
    metadata = decoded(data, Metadata)
    exports = metadata.exports
    if exports.raw.uncompressed_mb is not None:
        return metadata
    raw = replace(
        _resized(exports.raw),
        tables_exported=len(exports.raw.rows),
        tables_with_rows=exports.raw.tables_exported,
    )
    renewed = Exports(raw, _resized(exports.transformed), _resized(exports.dump))
    return replace(metadata, exports=renewed)


AnyExport = TypeVar("AnyExport", RawExport, TransformedExport, DumpExport)


def _resized(export: AnyExport) -> AnyExport:
    return replace(export, size_mb=megabytes(export.size_bytes), uncompressed_mb=export.size_mb)
