"""What is recorded of a version: its metadata, marks, registry entry and restores.

The metadata of a version: every field of the storage description, and additional ones.

The marks of versions, made after their export: notes, pins and promotions.

A version's metadata is written once and never changed; this small document holds what can change.

``mongodb-versions.json``: the list of versions, in the storage description's shape.

The marker of a restored PostgreSQL database, and the stored record of a restore.

The identity of the source of a version; versions are compared only if it is the same.

Warnings about a source, printed before the export and stored in the metadata.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from mediatool_assets.core.errors import Refused
from mediatool_assets.core.manifest import Manifest, NotCarried
from mediatool_assets.core.schema import Release, Schema
from mediatool_assets.core.setting_values import Targets, VersionArchive
from mediatool_assets.core.signing import Signed
from mediatool_assets.core.texts import JsonDocument, decoded, pretty
from mediatool_assets.core.version import RESTORES_PREFIX, Version

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


ProtectionCheck = Callable[[], str | None]
"""Called before a removal: why it must not be removed, by the current marks; None if it may."""


def never_protected() -> None:
    """The ``ProtectionCheck`` of what no mark protects."""


class Pin(msgspec.Struct, frozen=True):
    """Who pinned a version, and when."""

    at: str
    who: str


class Promotion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One promotion; ``withdrawn`` is the time of the rollback that withdrew it."""

    version: str
    at: str
    who: str
    withdrawn: str | None = None


class Marks(msgspec.Struct, JsonDocument, frozen=True, omit_defaults=True):
    """All marks; ``promotions`` is the whole history, oldest first."""

    notes: dict[str, str] = {}
    pinned: dict[str, Pin] = {}
    promotions: tuple[Promotion, ...] = ()

    @property
    def promoted(self) -> str | None:
        """The version that applications should use."""
        return next((p.version for p in reversed(self.promotions) if not p.withdrawn), None)

    @property
    def fallback(self) -> str | None:
        """The version that ``rollback`` returns to."""
        standing = [p.version for p in self.promotions if not p.withdrawn]
        return standing[-2] if len(standing) > 1 else None

    @property
    def protected(self) -> frozenset[str]:
        """Every version that a mark protects."""
        return frozenset(filter(None, (*self.pinned, self.promoted, self.fallback)))

    def protection(self, version: Version) -> str | None:
        """Why the version must not be dropped; None if no mark protects it."""
        name = str(version)
        if name == self.promoted:
            return "promoted: applications use it"
        if name in self.pinned:
            return f"pinned by {self.pinned[name].who}"
        return "promoted before: rollback returns to it" if name == self.fallback else None

    def annotated(self, version: Version, notes: str) -> "Marks":
        """The marks with new notes for the version."""
        return msgspec.structs.replace(self, notes=self.notes | {str(version): notes})

    def keeping(self, version: Version, at: datetime, who: str) -> "Marks":
        """The marks with the version pinned; an existing pin is unchanged."""
        pinned = {str(version): Pin(instant(at), who)} | self.pinned
        return msgspec.structs.replace(self, pinned=pinned)

    def letting_go(self, version: Version) -> "Marks":
        """The marks without the version's pin."""
        pinned = {name: pin for name, pin in self.pinned.items() if name != str(version)}
        return msgspec.structs.replace(self, pinned=pinned)

    def promoting(self, version: Version, at: datetime, who: str) -> "Marks":
        """The marks with the version promoted; unchanged if it is promoted already."""
        if str(version) == self.promoted:
            return self
        promotion = Promotion(str(version), instant(at), who)
        return msgspec.structs.replace(self, promotions=(*self.promotions, promotion))

    def withdrawing(self, version: Version, made: datetime, at: datetime) -> "Marks":
        """The marks with the version's promotion made at ``made`` withdrawn, if it is in force."""
        promotions = tuple(
            msgspec.structs.replace(p, withdrawn=instant(at))
            if (p.version, p.at, p.withdrawn) == (str(version), instant(made), None)
            else p
            for p in self.promotions
        )
        return msgspec.structs.replace(self, promotions=promotions)

    def rolled_back(self, at: datetime) -> "Marks":
        """The marks with the last promotion in force withdrawn; raises Refused for the first."""
        if self.fallback is None:
            raise Refused(
                "there is no earlier promotion to return to; `mediatool promote VERSION` makes one"
            )
        last = max(n for n, p in enumerate(self.promotions) if not p.withdrawn)
        withdrawn = msgspec.structs.replace(self.promotions[last], withdrawn=instant(at))
        promotions = (*self.promotions[:last], withdrawn, *self.promotions[last + 1 :])
        return msgspec.structs.replace(self, promotions=promotions)

    def to_json(self) -> bytes:
        """The bytes of the document, sorted by name and indented for people."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=4) + b"\n"


class RegistryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version in the registry; ``source_postgres_db`` is its restored database, if any.

    ``pinned`` and ``promoted`` are in the file only if they are true. At most one entry is
    promoted: applications use its ``database_name``.
    """

    version: str
    database_name: str
    source_postgres_db: str | None
    created_at: str
    purpose: str
    notes: str
    pinned: bool = False
    promoted: bool = False

    @classmethod
    def of(cls, metadata: Metadata) -> "RegistryEntry":
        """The entry of a complete version."""
        return cls(
            version=metadata.timestamp,
            database_name=metadata.databases_created.mongodb or "",
            source_postgres_db=metadata.databases_created.postgres,
            created_at=metadata.export_complete,
            purpose=metadata.purpose,
            notes=metadata.notes,
        )

    def marked(self, marks: Marks) -> "RegistryEntry":
        """The entry with the marks of its version."""
        return msgspec.structs.replace(
            self,
            notes=marks.notes.get(self.version, self.notes),
            pinned=self.version in marks.pinned,
            promoted=self.version == marks.promoted,
        )


def registry_to_json(entries: Iterable[RegistryEntry]) -> bytes:
    """The bytes of the registry file, indented for people."""
    return pretty(list(entries), 4)


def registry_from_json(data: bytes) -> tuple[RegistryEntry, ...]:
    """Read the registry file; raises msgspec.ValidationError on anything else."""
    return decoded(data, tuple[RegistryEntry, ...])


RestoreTo = Literal["postgres", "mongodb"]


class Marker(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="mediatool", tag="restored"
):
    """The comment of a restored PostgreSQL database; without it, the restore was not finished.

    ``tables`` names the restored tables if they are not all: such a database is a part, and not
    ``complete``. ``left_out`` names foreign keys that a part cannot have, ``skipped`` the objects
    left out on request (``VIEW totals``). ``content`` is ``content_of`` the raw archive, if all of
    it was restored. ``sanitized``: a sanitized copy was restored. ``notes`` list the differences
    from the source and their reasons, a line for each object.
    """

    version: str
    complete: bool
    rows: int
    tables: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    content: str = ""
    sanitized: bool = False
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, comment: str | None) -> "Marker | None":
        """The marker in a database's comment; None for any other comment."""
        try:
            return decoded((comment or "").encode(), cls)
        except msgspec.DecodeError:
            return None

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


def content_of(manifest: Manifest) -> str:
    """The SHA-256 of every table's name and fingerprint: equal if the rows of all tables are."""
    lines = (f"{name} {member.fingerprint}\n" for name, member in sorted(manifest.tables().items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class RestoreRecord(msgspec.Struct, JsonDocument, frozen=True, omit_defaults=True):
    """One restore that was executed: ``verified``, or ``failed`` and why.

    ``who`` is the account that started it, ``server`` the target host; ``rows`` are rows or
    documents, by table or collection. ``notes`` are the marker's. Kept indefinitely, one small
    object for each.
    """

    INDENT: ClassVar = 0

    version: str
    to: RestoreTo
    database: str
    server: str
    who: str
    began: str
    seconds: float
    verdict: Literal["verified", "failed"]
    rows: dict[str, int] = {}
    part: bool = False
    reason: str | None = None
    notes: tuple[str, ...] = ()

    def checked(self) -> "RestoreRecord":
        """The record with its time in today's format."""
        return msgspec.structs.replace(self, began=in_utc(self.began))


def restore_key(version: Version, began: datetime, to: RestoreTo) -> str:
    """The key of the record of a restore: by the version's day, then in order of time."""
    return f"{restores_prefix(version)}{began:%Y%m%dT%H%M%S.%f}-{to}.json"


def restores_prefix(version: Version) -> str:
    """The prefix of all restore records of a version."""
    return f"{RESTORES_PREFIX}{version.partition}/{version}-"


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """A database and the schemas that were exported from it; None means unknown.

    ``system`` is PostgreSQL's identifier of the cluster; a standby has the same, and ``pg_upgrade``
    changes it. ``instance`` is the name of the server.
    """

    schema: str | None
    database: str | None
    system: str | None
    instance: str | None

    @classmethod
    def of(cls, source: RecordedSource) -> "SourceIdentity":
        """The source in a version's metadata."""
        return cls(source.schema, source.database, source.system_identifier, source.instance)

    @classmethod
    def of_facts(cls, facts: Mapping[str, str | int | None]) -> "SourceIdentity":
        """The source in the facts of a snapshot or of a raw archive's manifest."""
        names = ("schema", "database", "system_identifier", "instance")
        schema, database, system, instance = (
            None if (fact := facts.get(name)) is None else str(fact) for name in names
        )
        return cls(schema, database, system, instance)

    def is_cluster_of(self, other: "SourceIdentity") -> bool:
        """Whether both can be one database of one cluster, such as on a primary and its standby."""
        return not (_differ(self.database, other.database) or _differ(self.system, other.system))

    def may_be(self, other: "SourceIdentity") -> bool:
        """Whether both can be the same source: no field that both have differs.

        A cluster with another identifier but the same name is the same one after an upgrade.
        """
        if _differ(self.schema, other.schema) or _differ(self.database, other.database):
            return False
        renewed = self.instance is not None and self.instance == other.instance
        return renewed or not _differ(self.system, other.system)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def source_warnings(facts: Mapping[str, str | int | None], schema: Schema) -> Iterator[str]:
    """One sentence each; ``facts`` are from the snapshot or the manifest."""
    if (origin := facts.get("structure_from")) is not None:
        yield f"the RDS snapshot export has no DDL and no sequences; they are taken from {origin}"
    if unproven := facts.get("unproven_empty"):
        yield (
            f"the RDS export has no file for {unproven}: the table is empty or its file is "
            "missing, and no version of a nearby day shows which"
        )
    if large := facts.get("large_objects"):
        yield (
            f"the database has {large} large objects, which belong to no table: they are not "
            "exported, only their oids in columns"
        )
    yield from _behind(facts)
    for name in schema.foreign_tables:
        yield f"{name} is a foreign table: its rows are on another server and not exported"
    if "pg_dump" in facts:
        yield from _misfit(facts["pg_dump"], Release.parse(facts.get("server_version")))
    yield from map(str, schema.gaps)


def _behind(facts: Mapping[str, str | int | None]) -> Iterator[str]:
    if "standby" not in facts:
        return
    lag, most = facts["lag_seconds"], facts.get("max_lag_seconds")
    if lag is None:
        yield "the hot standby does not say how far it is behind its primary"
    elif int(lag) > int(most or 0):
        yield (
            f"the hot standby ({facts['standby']}) was {lag} s behind its primary, and "
            f"MEDIATOOL_POSTGRES_MAX_LAG_SECONDS allows {most}: newer changes are not exported"
        )


def _misfit(client: str | int | None, server: Release) -> Iterator[str]:
    install = f"install postgresql-client-{server.major} of {server} or newer"
    if client is None:
        yield f"no pg_dump can read PostgreSQL {server}, and no export works; {install}"
    elif not Release.parse(client).dumps(server):
        yield (
            f"schema.sql is written by pg_dump {client}, and the source is PostgreSQL {server}: it "
            f"may contain options that only pg_dump {server} leaves out; {install}"
        )
