"""An archive as an argument of a command: a local file, an ``s3://`` URI, or a version."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mediatool_assets.domain.errors import Misuse, NotFound
from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.environment import read_settings, settings

if TYPE_CHECKING:
    from mediatool_assets.archive.reader import Bytes
    from mediatool_assets.stores.s3 import S3Objects


def is_uri(given: str) -> bool:
    """True if it names an object in a bucket."""
    return given.startswith("s3://")


def is_file(given: str) -> bool:
    """True if it names a local file, which need not exist."""
    if is_uri(given):
        return False
    return given.endswith((".tar.gz", ".tgz")) or "/" in given or Path(given).exists()


def settings_for(*given: str) -> Settings:
    """The settings; if all arguments are local files, no server has to be set."""
    return read_settings() if all(map(is_file, given)) else settings()


def opened(given: str, own: Settings, *, allow_unsigned: bool = False) -> "Bytes":
    """Open the archive; for a version, its raw archive.

    A local file is trusted as it is. An archive in a bucket has to match the signature of a trusted
    key. Raises NotFound, Misuse, InColdStorage, NotAuthentic.
    """
    from mediatool_assets.archive.reader import LocalFile

    if is_file(given):
        if not Path(given).is_file():
            raise NotFound(f"{given} does not exist; get it with `mediatool fetch`")
        return LocalFile(Path(given))
    if is_uri(given):
        name, key = uri_parts(given)
        if not key:
            raise Misuse(f"{given} names a bucket; name an archive in it, or a version")
        return _proven(bucket(name, own, allow_unsigned=allow_unsigned), key)
    from mediatool_assets.flows.versions import catalog
    from mediatool_assets.flows.versions.names import named_version

    objects = bucket(own.s3_bucket, own, allow_unsigned=allow_unsigned)
    return catalog.raw_archive(objects, named_version(objects, given))


def _proven(objects: "S3Objects", key: str) -> "Bytes":
    """An archive at any key, checked by its version's metadata, or a copy by its own signature."""
    from mediatool_assets.archive.reader import ArchiveReader
    from mediatool_assets.domain.version import Version
    from mediatool_assets.flows.versions import archives

    source = objects.open(key)
    if objects.trust.keys:
        archive = ArchiveReader(source)
        version = Version.parse(archive.manifest.version)
        archives.authenticate(objects, key, archive.manifest.kind, version, archive)
    return source


def uri_parts(text: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` URI; the key is empty if there is none."""
    parts = urlsplit(text)
    return parts.netloc, parts.path.strip("/")


def bucket(name: str, own: Settings, *, allow_unsigned: bool = False) -> "S3Objects":
    """A bucket of that name on the server of the settings."""
    from dataclasses import replace

    from mediatool_assets.stores.s3 import S3Objects

    return S3Objects.of(replace(own, s3_bucket=name), allow_unsigned=allow_unsigned)
