"""An archive as an argument of a command: a local file, an ``s3://`` URI, or a version.

Shell completion of versions, tables and collections, by their names in the bucket.

If anything goes wrong, nothing is offered or printed: completion must not print errors.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec
from urllib.parse import urlsplit

import typer

from mediatool_assets.core.errors import MediatoolError, Misuse, NotFound
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.environment import read_settings, settings

if TYPE_CHECKING:
    from mediatool_assets.archive.reader import Bytes
    from mediatool_assets.core.metadata import Exports
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
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.versions import catalog
    from mediatool_assets.versions.catalog import named_version

    objects = S3Objects.of(own, allow_unsigned=allow_unsigned)
    return catalog.raw_archive(objects, named_version(objects, given))


def _proven(objects: "S3Objects", key: str) -> "Bytes":
    """An archive at any key, checked by its version's metadata, or a copy by its own signature."""
    from mediatool_assets.archive.reader import ArchiveReader
    from mediatool_assets.core.version import Version
    from mediatool_assets.versions import catalog

    source = objects.open(key)
    if objects.signature_policy.keys:
        archive = ArchiveReader(source)
        version = Version.parse(archive.manifest.version)
        catalog.authenticate(objects, key, archive.manifest.kind, version, archive)
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


_NEWEST = 50  # number of versions offered

P = ParamSpec("P")
Offer = Callable[P, list[str]]


def _silent(offer: Offer[P]) -> Offer[P]:
    @wraps(offer)
    def offered(*args: P.args, **named: P.kwargs) -> list[str]:
        try:
            return offer(*args, **named)
        except MediatoolError:
            return []

    return offered


@_silent
def versions() -> list[str]:
    """``latest`` and the newest versions, newest first."""
    from mediatool_assets.versions import catalog

    entries, _ = catalog.stored_registry(_objects())
    newest = [entry.version for entry in reversed(entries or ())][:_NEWEST]
    return ["latest", *newest]


@_silent
def tables(ctx: typer.Context) -> list[str]:
    """The tables of the version in the command line, or of the newest one."""
    return sorted(_exports(ctx).raw.rows)


@_silent
def collections(ctx: typer.Context) -> list[str]:
    """The collections of the version in the command line, or of the newest one."""
    return sorted(_exports(ctx).transformed.documents)


def members(ctx: typer.Context) -> list[str]:
    """The tables, or the collections if an archive other than raw is selected."""
    is_raw = ctx.params.get("kind") in (None, "raw")
    return tables(ctx) if is_raw else collections(ctx)


def several(offer: Offer[[typer.Context]]) -> Offer[[typer.Context, str]]:
    """The same for comma-separated names: the last one is completed."""

    def offered(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, _ = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in _unused(offer(ctx), before)]

    return offered


def _unused(names: Iterable[str], before: str) -> list[str]:
    return [name for name in names if name not in before.split(",")]


def _exports(ctx: typer.Context) -> "Exports":
    from mediatool_assets.versions import catalog
    from mediatool_assets.versions.catalog import named_version

    objects = _objects()
    return catalog.read(
        objects, named_version(objects, ctx.params.get("version") or "latest")
    ).exports


def _objects() -> "S3Objects":
    from mediatool_assets.stores.s3 import S3Objects

    return replace(S3Objects.of(settings()), patient=False)
