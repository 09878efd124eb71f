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
        objects, key = located(name, key, own, allow_unsigned=allow_unsigned)
        return _proven(objects, key)
    from mediatool_assets.flows.versions import catalog
    from mediatool_assets.flows.versions.names import named_version
    from mediatool_assets.stores.s3 import S3Objects

    objects = S3Objects.of(own, allow_unsigned=allow_unsigned)
    return catalog.raw_archive(objects, named_version(objects, given))


def _proven(objects: "S3Objects", key: str) -> "Bytes":
    """An archive at any key, checked by its version's metadata, or a copy by its own signature."""
    from mediatool_assets.archive.reader import ArchiveReader
    from mediatool_assets.domain.version import Version
    from mediatool_assets.flows.versions import archives

    source = objects.open(key)
    if objects.signature_policy.keys:
        archive = ArchiveReader(source)
        version = Version.parse(archive.manifest.version)
        archives.authenticate(objects, key, archive.manifest.kind, version, archive)
    return source


def uri_parts(text: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` URI; the key is empty if there is none."""
    parts = urlsplit(text)
    return parts.netloc, parts.path.strip("/")


def located(
    name: str, key: str, own: Settings, *, allow_unsigned: bool = False
) -> "tuple[S3Objects, str]":
    """The store of a whole key in a bucket of the settings' server, and its key there.

    Without a key, keys begin with the source's prefix, in any bucket; so do those of the source's
    own objects. Every other place has no prefix.
    """
    from dataclasses import replace

    from mediatool_assets.stores.s3 import S3Objects

    is_own = name == own.s3_bucket and key.startswith(own.s3_prefix)
    prefix = own.s3_prefix if is_own or not key else ""
    place = replace(own, s3_bucket=name, s3_prefix=prefix)
    return S3Objects.of(place, allow_unsigned=allow_unsigned), key.removeprefix(prefix)
