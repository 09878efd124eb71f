"""Complete: the last step of a version. It compares everything that was made, then publishes.

Accounting: compares the rows of the raw archive with the documents of all stores.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata as distribution
from typing import Literal, TypeVar

import msgspec

from mediatool_assets.archive.reader import ArchiveReader, sha256_of
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadArchive,
    CheckFailed,
    CountMismatch,
    NotFound,
    Refused,
)
from mediatool_assets.core.manifest import Manifest, Member, NotCarried
from mediatool_assets.core.metadata import (
    Databases,
    DumpExport,
    Exports,
    Metadata,
    Purpose,
    RawExport,
    RecordedSource,
    TransformedExport,
    instant,
    megabytes,
)
from mediatool_assets.core.setting_values import Targets
from mediatool_assets.core.signing import SigningKey
from mediatool_assets.core.version import Version, archive_key, metadata_key
from mediatool_assets.native import codec
from mediatool_assets.stores.ports import DocumentStore, ObjectStore, Stores
from mediatool_assets.transform.row_documents import HOMES
from mediatool_assets.versions import catalog
from mediatool_assets.versions import flow as chain
from mediatool_assets.versions.catalog import update_tags
from mediatool_assets.versions.records import (
    keep_newest_last,
    loaded,
    register,
    restored,
    why_not_restored,
)
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Workspace


@dataclass(frozen=True, slots=True)
class VersionArchives:
    """The archives of a version, opened; ``dump`` is None if it has no MongoDB database."""

    raw: ArchiveReader
    transformed: ArchiveReader
    dump: ArchiveReader | None

    def __iter__(self) -> Iterator[ArchiveReader]:
        """In the order in which they were made."""
        made = (self.raw, self.transformed, self.dump)
        return (archive for archive in made if archive is not None)

    @classmethod
    def of(cls, objects: ObjectStore, version: Version, targets: Targets) -> "VersionArchives":
        """Open what a version of these targets has; raises NotFound naming what was not made.

        Raises Refused for a dump that ``targets`` has no place for: the version was begun with
        MongoDB.
        """
        key = archive_key("dump", version, objects.database_names)
        if not targets.mongodb and objects.head(key) is not None:
            raise Refused(
                f"{objects.uri(key)} is there: {version} was begun with MongoDB; finish it with "
                "mongodb in MEDIATOOL_TARGETS"
            )
        return cls(
            catalog.reader(objects, "raw", version),
            catalog.reader(objects, "transformed", version),
            catalog.reader(objects, "dump", version) if targets.mongodb else None,
        )


def compare(made: VersionArchives, documents: DocumentStore | None, version: Version) -> None:
    """Account for every row from the source to the last archive; raises CountMismatch, CheckFailed.

    With a dump, the database has to be there, complete; raises NotFound.
    """
    for archive in made:
        if archive.manifest.version != str(version):
            raise CountMismatch(archive.source.name, "version", version, archive.manifest.version)
    _compare_rows(made.raw.manifest, made.transformed)
    if made.dump is None:
        return
    database = None if documents is None else loaded(documents, version)
    if database is None:
        raise NotFound(
            f"the MongoDB database of {version} is absent or half-loaded; run its load again"
        )
    transformed = made.transformed.manifest.collection_fingerprints()
    _compare_collections("loaded", transformed, database.fingerprints)
    _compare_collections("dumped", transformed, made.dump.manifest.collection_fingerprints())


def homes(transformed: ArchiveReader) -> dict[str, dict[str, int]]:
    """For each table, the rows read and the rows by home; raises BadArchive."""
    return _fact(transformed, "rows", dict[str, dict[str, int]])


def homes_in_all(transformed: ArchiveReader) -> dict[str, int]:
    """The rows of all tables together by home; raises BadArchive."""
    tables = homes(transformed).values()
    return {home: sum(counts.get(home, 0) for counts in tables) for home in HOMES}


def unresolved(transformed: ArchiveReader) -> dict[str, int]:
    """Unresolved references by ``collection.field``; raises BadArchive."""
    return _fact(transformed, "unresolved", dict[str, int], {})


def losses(transformed: ArchiveReader) -> dict[str, dict[str, int]]:
    """Values that BSON could not hold, by ``table.column`` and kind; raises BadArchive."""
    return _fact(transformed, "losses", dict[str, dict[str, int]], {})


Fact = TypeVar("Fact")


def _fact(
    transformed: ArchiveReader, name: str, kind: type[Fact], otherwise: object = None
) -> Fact:
    try:
        return msgspec.convert(transformed.manifest.facts.get(name, otherwise), kind)
    except msgspec.ValidationError as error:
        raise BadArchive(transformed.source.name, f"no count of its {name} ({error})") from error


def _compare_rows(raw: Manifest, transformed: ArchiveReader) -> None:
    """Compare each table's rows with the sum over its homes in the transform's record."""
    facts = homes(transformed)
    tables = raw.tables()
    if facts.keys() != tables.keys():
        odd = ", ".join(sorted(facts.keys() ^ tables.keys()))
        raise CheckFailed(
            f"{transformed.source.name}: tables {odd}: only in the raw or only in the transformed "
            "archive; the version is not published, run it again"
        )
    for table, member in tables.items():
        counts = facts[table]
        if counts.get("in") != member.rows:
            raise CountMismatch(table, "rows transformed", member.rows, counts.get("in"))
        housed = sum(counts.get(home, 0) for home in HOMES)
        if housed != member.rows:
            raise CountMismatch(table, "rows that are accounted for", member.rows, housed)


def _compare_collections(
    what: str, expected: Mapping[str, str | None], found: Mapping[str, str | None]
) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CountMismatch(
                name, f"documents {what} (count:fingerprint)", expected.get(name), found.get(name)
            )


SourceType = Literal["postgres", "rds", "archive"]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts about the run that made a version, for its metadata.

    ``instance`` is the RDS instance if the raw archive names none; ``seconds`` is by step.
    """

    source_type: SourceType
    instance: str | None
    purpose: Purpose
    notes: str
    seconds: Mapping[str, float]


def complete(
    stores: Stores,
    workspace: Workspace,
    version: Version,
    facts: RunFacts,
    signing_key: SigningKey | None = None,
) -> Metadata:
    """Publish a version: its metadata file, then its entry in the registry.

    First, every row is accounted for: raw archive, transformed archive, database marker and dump
    must agree. Each archive is read again from the bucket for its SHA-256. Its blocks were compared
    before: those of the raw and the transformed archive by the steps that read them, those of the
    dump by the workers that packed them.

    ``stores`` are the version's targets: without ``documents`` it has neither MongoDB database nor
    dump, without ``target`` no PostgreSQL database. If a PostgreSQL database was restored, its rows
    must be those of the raw archive. If its restore failed, the version is complete without it, and
    the metadata has the reason. With a ``signing_key`` the version is an entry of the chain, and
    its metadata has the signature.

    A second call changes nothing, or finishes what an interrupted call left undone. Raises NotFound
    if a part was not made, CheckFailed (CountMismatch) if two parts disagree, BadArchive, Refused
    (the version would be unsigned although keys are trusted, or has a dump although MongoDB is not
    a target), NotAuthentic (another archive was signed), Unreachable.
    """
    objects = stores.objects
    if objects.head(metadata_key(version)) is None:
        if signing_key is None and objects.signature_policy.keys:
            raise Refused(
                f"readers would reject {version} as unsigned, since MEDIATOOL_TRUSTED_KEYS is set; "
                "set MEDIATOOL_SIGNING_KEY where versions are made"
            )
        made = VersionArchives.of(objects, version, stores.targets)
        compare(made, stores.documents, version)
        databases = _databases(stores, made.raw, version)
        metadata = Metadata(
            timestamp=str(version),
            export_date=version.partition,
            source=_source(made.raw, facts),
            exports=_exports(made, workspace.executor),
            databases_created=databases,
            export_duration_minutes=round(sum(facts.seconds.values()) / 60, 2),
            export_complete=instant(workspace.clock()),
            purpose=facts.purpose,
            notes=facts.notes,
            tool_version=distribution.version("mediatool_assets"),
            seconds={step: round(value, 3) for step, value in facts.seconds.items()},
            warnings=(*_warnings(made), *databases.warnings),
            not_carried=_not_carried(made.raw),
            row_codec=codec(),
        )
        if signing_key is not None:
            metadata = msgspec.structs.replace(
                metadata, proof=chain.append_version(objects, signing_key, metadata)
            )
        _publish(objects, version, metadata)
    keep_newest_last(objects)
    register(objects)
    metadata = catalog.read(objects, version)
    update_tags(objects, metadata)
    return metadata


def _databases(stores: Stores, raw: ArchiveReader, version: Version) -> Databases:
    """The databases of the targets, or the reason why there is no PostgreSQL database."""
    names = stores.objects.database_names
    mongodb = names.in_mongodb(version) if stores.documents is not None else None
    if stores.target is None:
        return Databases(None, mongodb)
    if (found := restored(stores.target, raw.manifest)) is not None:
        return Databases(found.database, mongodb, postgres_left_out=found.notes)
    problem = why_not_restored(stores.objects, version, names.in_postgres(version))
    return Databases(None, mongodb, postgres_problem=problem)


def _source(raw: ArchiveReader, facts: RunFacts) -> RecordedSource:
    source = raw.manifest.source
    return RecordedSource(
        type=facts.source_type,
        instance=_text(source.get("instance")) or facts.instance,
        snapshot_id=_text(source.get("snapshot_id")),
        server_version=_text(source.get("server_version")),
        schema=raw.schema().name,
        database=_text(source.get("database")),
        system_identifier=_text(source.get("system_identifier")),
        standby=_text(source.get("standby")),
        lag_seconds=None if (lag := source.get("lag_seconds")) is None else int(lag),
    )


def _text(fact: str | int | None) -> str | None:
    return None if fact is None else str(fact)


def _exports(made: VersionArchives, executor: Executor) -> Exports:
    """The archives as the metadata describes them, each read to its end for its SHA-256."""
    with in_order(executor, sha256_of, [archive.source for archive in made]) as read:
        digests = list(read)
    raw, transformed = made.raw.manifest, made.transformed.manifest
    tables = raw.tables()
    return Exports(
        raw=RawExport(
            path=made.raw.source.name,
            size_mb=megabytes(made.raw.source.size),
            record_count=raw.rows,
            tables_exported=len(tables),
            sha256=digests[0],
            size_bytes=made.raw.source.size,
            rows=_rows(tables),
            schema_fingerprint=made.raw.schema().fingerprint(),
            excluded={exclusion.table: exclusion.reason for exclusion in raw.exclusions},
            excluded_rows={exclusion.table: exclusion.rows for exclusion in raw.exclusions},
            uncompressed_mb=_uncompressed(tables),
            tables_with_rows=sum(1 for member in tables.values() if member.rows),
            digest=made.raw.digest,
        ),
        transformed=TransformedExport(
            path=made.transformed.source.name,
            size_mb=megabytes(made.transformed.source.size),
            collections=tuple(transformed.collections()),
            sha256=digests[1],
            size_bytes=made.transformed.source.size,
            documents=_rows(transformed.collections()),
            homes=homes_in_all(made.transformed),
            unresolved=unresolved(made.transformed),
            losses=losses(made.transformed),
            uncompressed_mb=_uncompressed(transformed.collections()),
            digest=made.transformed.digest,
        ),
        dump=_dump_export(made.dump, digests[2]) if made.dump is not None else None,
    )


def _dump_export(dump: ArchiveReader, sha256: str) -> DumpExport:
    """The dump as the metadata describes it; its files are where its manifest says.

    The workers that packed its blocks have unpacked them again; see ``dump``.
    """
    dump.check_tar()
    collections = dump.manifest.collections()
    return DumpExport(
        path=dump.source.name,
        size_mb=megabytes(dump.source.size),
        sha256=sha256,
        size_bytes=dump.source.size,
        documents=_rows(collections),
        uncompressed_mb=_uncompressed(collections),
        digest=dump.digest,
    )


def _rows(members: Mapping[str, Member]) -> dict[str, int]:
    return {name: member.rows for name, member in members.items()}


def _uncompressed(members: Mapping[str, Member]) -> float:
    return megabytes(sum(member.bytes for member in members.values()))


def _warnings(made: VersionArchives) -> tuple[str, ...]:
    """Every warning of the manifests, each once, in order of appearance."""
    return tuple(dict.fromkeys(w for archive in made for w in archive.manifest.warnings))


def _not_carried(raw: ArchiveReader) -> tuple[NotCarried, ...]:
    try:
        return raw.manifest.not_carried
    except msgspec.ValidationError as error:
        raise BadArchive(raw.source.name, f"its not_carried cannot be read ({error})") from error


def _publish(objects: ObjectStore, version: Version, metadata: Metadata) -> None:
    """Write the metadata. If another run published the version first, its archives are the same."""
    with suppress(AlreadyExists):
        objects.put(metadata_key(version), metadata.to_json())
