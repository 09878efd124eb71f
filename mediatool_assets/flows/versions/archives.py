"""Archives of a version in the bucket: written once, as a whole, and opened by range."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import msgspec

from mediatool_assets.archive.joining import JoiningWriter
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.authenticity import Authenticity, authenticity, copy_authenticity
from mediatool_assets.domain.errors import BadArchive, DamagedInput, NotAuthentic, NotFound
from mediatool_assets.domain.keys import Kind, archive_key, metadata_key, signature_key
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.signing import Signed
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ArchiveStore
from mediatool_assets.flows.workers.spooling import staging


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive in the bucket; ``size`` is its compressed length in bytes."""

    uri: str
    size: int
    manifest: Manifest


def publish(
    objects: ArchiveStore,
    kind: Kind,
    version: Version,
    write: Callable[[ArchiveWriter], Manifest],
    executor: Executor | None = None,
) -> StoredArchive:
    """Stream an archive to its key; after an error nothing is left there.

    Workers of ``executor`` assemble the parts that they staged. Raises AlreadyExists if the version
    has that archive already.
    """
    key = archive_key(kind, version, objects.database_names)
    bucket = None if executor is None else staging(objects, executor)
    if executor is None or bucket is None:
        with objects.create(key) as sink:
            manifest = write(ArchiveWriter(sink, kind, version))
    else:
        with bucket.assemble(key, executor) as joined:
            manifest = write(JoiningWriter(joined, kind, version))
    return StoredArchive(objects.uri(key), objects.open(key).size, manifest)


def find(objects: ArchiveStore, kind: Kind, version: Version) -> StoredArchive | None:
    """The version's archive if it is there; objects appear only whole, so that it is complete."""
    key = archive_key(kind, version, objects.database_names)
    if objects.head(key) is None:
        return None
    archive = reader(objects, kind, version)
    return StoredArchive(objects.uri(key), archive.source.size, archive.manifest)


def reader(objects: ArchiveStore, kind: Kind, version: Version) -> ArchiveReader:
    """Open the version's archive for reading.

    Raises NotFound, BadArchive if it is another version's, NotAuthentic if it is not to be trusted.
    """
    key = archive_key(kind, version, objects.database_names)
    archive = ArchiveReader(objects.open(key))
    require_identity(archive, kind, version)
    authenticate(objects, key, kind, version, archive)
    return archive


def authenticate(
    objects: ArchiveStore, key: str, kind: Kind, version: Version, archive: ArchiveReader
) -> None:
    """Compare an archive with what a trusted key has signed; raises NotAuthentic.

    Nothing is compared if no key is trusted. A version's archive is signed by its metadata, a
    sanitized copy by an object beside it. A copy may be in the place of a raw archive, in a bucket
    without the version's metadata.
    """
    if not objects.signature_policy.keys:
        return
    is_copy = archive.manifest.kind == "sanitized" and (
        kind == "sanitized" or objects.head(metadata_key(version)) is None
    )
    if is_copy:
        found = _authenticity_of_copy(objects, signature_key(key), version, archive.digest)
    else:
        found = authenticity_of(objects, version)
    require_authentic(objects, found, archive.source.name)
    if found.statement is not None and found.statement.archives.get(kind) != archive.digest:
        raise NotAuthentic(
            f"{archive.source.name}: forged: it is not the archive that was signed, whose digest "
            f"is {found.statement.archives.get(kind)}; use another version"
        )


def require_authentic(objects: ArchiveStore, found: Authenticity, uri: str) -> None:
    """Raise NotAuthentic if the result may not be read; the only place that decides this."""
    if objects.signature_policy.refuses(found):
        unsigned = found.status in ("unsigned", "unfinished")
        step = "; or read it with --allow-unsigned" if unsigned else ""
        raise NotAuthentic(f"{uri}: {found}; use another version{step}")


def _authenticity_of_copy(
    objects: ArchiveStore, key: str, version: Version, digest: str
) -> Authenticity:
    try:
        source = objects.open(key)
    except NotFound:
        return Authenticity("unsigned", f"the sanitized copy of {version} has no signature")
    try:
        signed = Signed.from_json(source.read(0, source.size))
    except msgspec.MsgspecError as error:
        raise DamagedInput(f"{source.name} cannot be read ({error})") from error
    return copy_authenticity(signed, version, digest, objects.signature_policy)


def authenticity_of(objects: ArchiveStore, version: Version) -> Authenticity:
    """The signature status of the version, from its metadata; unfinished if there is none."""
    try:
        source = objects.open(metadata_key(version))
    except NotFound:
        return Authenticity("unfinished", f"{version} has no metadata, so it is not complete")
    try:
        return authenticity(source.read(0, source.size), version, objects.signature_policy)
    except msgspec.MsgspecError as error:
        raise DamagedInput(f"{source.name} cannot be read ({error})") from error


def require_identity(archive: ArchiveReader, kind: Kind, version: Version) -> None:
    """Raise BadArchive if an archive is of another version or kind than its key.

    A sanitized copy may be in the place of the raw archive, in its own bucket.
    """
    manifest = archive.manifest
    if manifest.version != str(version):
        problem = f"is of version {manifest.version}, but has the key of {version}"
        raise BadArchive(archive.source.name, problem)
    if manifest.kind not in ((kind, "sanitized") if kind == "raw" else (kind,)):
        problem = f"is a {manifest.kind} archive, but has the key of the {kind} one"
        raise BadArchive(archive.source.name, problem)
