"""Fetch: downloads an archive or a file of it, which appears only after verification."""

import hashlib
import tempfile
from pathlib import Path

from mediatool_assets.archive.reader import ArchiveReader, Bytes, LocalFile
from mediatool_assets.archive.streaming import stream
from mediatool_assets.domain.errors import BadArchive, NotFound, Refused, UnknownName
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.metadata import Export, Metadata
from mediatool_assets.domain.suggestions import suggestion
from mediatool_assets.domain.targets import VersionArchive
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore, Progress, silent
from mediatool_assets.flows.versions import archives, catalog


def fetch(
    objects: ObjectStore,
    version: Version,
    kind: VersionArchive,
    output: Path,
    *,
    progress: Progress = silent,
) -> Path:
    """Download an archive of a complete version into the directory ``output``, created if absent.

    Its SHA-256 is compared with the metadata, and each member's SHA-256, rows and fingerprint with
    the manifest; only then does the file get its name. An existing file with the same content is
    kept and returned. ``progress`` receives bytes. Raises NotFound (no such complete version),
    Refused (another file has the name), BadArchive, Unreachable.
    """
    expected = _export(catalog.read(objects, version), kind).sha256
    key = archive_key(kind, version, objects.database_names)
    path = output / Path(key).name
    if path.exists():
        return _same(path, expected)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".mediatool-") as scratch:
        fetched = Path(scratch) / path.name
        _download(objects.open(key), fetched, expected, progress)
        reader = ArchiveReader(LocalFile(fetched))
        archives.require_identity(reader, kind, version)
        archives.authenticate(objects, key, kind, version, reader)
        reader.check_tar()
        for member in reader.manifest.members:
            reader.verify(member)
        fetched.rename(path)
    return path


def fetch_member(  # noqa: PLR0913  # as fetch, and a name
    objects: ObjectStore,
    version: Version,
    kind: VersionArchive,
    name: str,
    output: Path,
    *,
    progress: Progress = silent,
) -> Path:
    """Download one table or collection of a complete version, to the path that tar would use.

    Reads only its blocks. Each block is compared with its digest, and the whole with the manifest's
    fingerprint. Raises UnknownName, Refused (a file has the name), NotFound, BadArchive,
    Unreachable.
    """
    _export(catalog.read(objects, version), kind)
    archive = archives.reader(objects, kind, version)
    known = archive.manifest.tables() | archive.manifest.collections()
    if name not in known:
        raise UnknownName(f"{archive.source.name} has no {name}; {suggestion(name, known)}")
    member = known[name]
    path = output / str(version) / member.name
    if path.exists():
        raise Refused(f"{path} exists already; move it, or fetch to another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mediatool-") as scratch:
        fetched, done = Path(scratch, "member"), 0
        with fetched.open("wb") as file:
            for content in archive.contents(member):
                file.write(content)
                done += len(content)
                progress("fetch", done, member.bytes, "bytes")
        fetched.rename(path)
    return path


def _export(metadata: Metadata, kind: VersionArchive) -> Export:
    """What the metadata says of an archive; raises NotFound if the version was made without it."""
    found = metadata.exports.by_archive.get(kind)
    if found is None:
        raise NotFound(
            f"{metadata.timestamp} has no {kind}: it was made without MongoDB; "
            "its transformed archive has the same documents"
        )
    return found


def _same(path: Path, expected: str) -> Path:
    """The existing file, if it has the SHA-256; raises Refused."""
    if not path.is_file() or _sha256_of_file(path) != expected:
        raise Refused(
            f"{path} exists already with other content; move it, or fetch to another folder"
        )
    return path


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(source: Bytes, path: Path, expected: str, progress: Progress) -> None:
    """Stream ``source`` to ``path``; raises BadArchive unless it has the SHA-256."""
    digest, done = hashlib.sha256(), 0
    with path.open("wb") as file:
        for data in stream(source):
            file.write(data)
            digest.update(data)
            done += len(data)
            progress("fetch", done, source.size, "bytes")
    if digest.hexdigest() != expected:
        raise BadArchive(source.name, "does not have the SHA-256 that its metadata gives")
