"""Complete: the last step of a version. It compares everything that was made, then publishes."""

from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata as distribution
from typing import Literal

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.streaming import sha256_of
from mediatool_assets.domain.errors import AlreadyExists, BadArchive, Refused
from mediatool_assets.domain.keys import metadata_key
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.metadata import (
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
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.signing import SigningKey
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.complete.reconciliation import (
    VersionArchives,
    compare,
    homes_in_all,
    losses,
    unresolved,
)
from mediatool_assets.flows.ports import ObjectStore, Stores
from mediatool_assets.flows.restore.records import why_not_restored
from mediatool_assets.flows.versions import catalog, chain
from mediatool_assets.flows.versions.marks import update_tags
from mediatool_assets.flows.versions.registry import keep_newest_last, register
from mediatool_assets.flows.versions.version_databases import restored
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.workspace import Workspace
from mediatool_assets.native.library import codec

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
