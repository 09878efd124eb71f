"""The metadata of a version: the spec's file, field by field, with what is needed beside them."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.version import Version

Purpose = Literal["daily_backup", "testing"]


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the rows came from; ``snapshot_id`` is an RDS or an exported snapshot.

    ``system_identifier`` is PostgreSQL's own, of the cluster that ``database`` is in.
    """

    type: Literal["postgres", "rds", "archive"]
    instance: str | None
    snapshot_id: str | None
    server_version: str | None = None
    schema: str | None = None
    database: str | None = None
    system_identifier: str | None = None


class RawExport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The raw archive. ``size_mb`` is 10**6 bytes of uncompressed JSON, as in the spec.

    ``excluded`` has the reason of each table that was left out, ``excluded_rows`` its rows,
    null where they could not be counted.
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


class TransformedExport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The transformed archive. ``size_mb`` is 10**6 bytes of uncompressed BSON.

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


class DumpExport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The dump archive of the loaded MongoDB database."""

    path: str
    size_mb: float
    sha256: str
    size_bytes: int
    documents: dict[str, int]


class Exports(msgspec.Struct, frozen=True):
    """The three archives of a version."""

    raw: RawExport
    transformed: TransformedExport
    dump: DumpExport


class Databases(msgspec.Struct, frozen=True):
    """The databases that were made and verified; null where none was."""

    postgres: str | None
    mongodb: str | None


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version's metadata file; its presence in the bucket makes the version complete.

    ``not_carried`` is what the source has beside its rows and schemas. ``tables_exported`` and
    ``record_count`` follow the spec: non-empty tables, rows in all of them.
    """

    timestamp: str
    export_date: str
    source: Source
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

    @property
    def version(self) -> Version:
        """The identity that ``timestamp`` writes down."""
        return Version.parse(self.timestamp)


def instant(moment: datetime) -> str:
    """A moment as the spec writes it: ``2025-06-21T14:45:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(metadata: Metadata) -> bytes:
    """The bytes of ``{version}.json``, indented for people."""
    return msgspec.json.format(msgspec.json.encode(metadata), indent=4) + b"\n"


def decode(data: bytes) -> Metadata:
    """Read ``{version}.json``; raises msgspec.ValidationError on anything else."""
    return decoded(data, Metadata)
