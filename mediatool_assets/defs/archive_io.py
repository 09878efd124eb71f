"""IO managers of the archives, and of the tables and collections in them."""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from mediatool_assets.defs.layers import (
    DUMP_ARCHIVE,
    RAW_ARCHIVE,
    SANITIZED,
    TRANSFORMED_ARCHIVE,
    name_of,
)
from mediatool_assets.defs.namespace import Namespace
from mediatool_assets.defs.stored import Stored, stored_archive, stored_member
from mediatool_assets.defs.version_io import VersionIOManager
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.keys import Kind
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.query.handles import ArchiveHandle, Documents, TableRows, archive_of
from mediatool_assets.flows.versions.archives import StoredArchive


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive, and what its manifest lists by name."""

    handle: ArchiveHandle
    stored: StoredArchive
    members: Mapping[str, Member]


class ArchivedAssets(VersionIOManager):
    """Assets that are an archive, or a table or collection in it."""

    def open_place(self, place: Kind, version: Version) -> OpenArchive:  # type: ignore[override]  # a name
        """The archive of that kind, and what its manifest lists."""
        handle = archive_of(self.servers.objects(), place, version)
        manifest = handle.manifest
        stored = StoredArchive(handle.uri, handle.archive.source.size, manifest)
        return OpenArchive(handle, stored, {**manifest.tables(), **manifest.collections()})

    def find(self, asset: dg.AssetKey, opened: OpenArchive) -> Stored:
        """The table or collection that the manifest lists; raises NotFound."""
        member = opened.members.get(name_of(asset))
        if member is None:
            raise NotFound(f"{opened.handle.uri} has no {name_of(asset)}")
        return stored_member(opened.handle.version, opened.stored, member)


class RawTables(ArchivedAssets):
    """Tables of the raw archive."""

    def place(self, asset: dg.AssetKey) -> Kind:  # noqa: ARG002  # the same for all
        """The raw archive."""
        return "raw"

    def open(self, asset: dg.AssetKey, opened: OpenArchive) -> TableRows:
        """The table that the asset is called after."""
        return opened.handle.table(name_of(asset))


class Collections(ArchivedAssets):
    """Collections of the transformed archive."""

    def place(self, asset: dg.AssetKey) -> Kind:  # noqa: ARG002  # the same for all
        """The transformed archive."""
        return "transformed"

    def open(self, asset: dg.AssetKey, opened: OpenArchive) -> Documents:
        """The collection that the asset is called after."""
        return opened.handle.collection(name_of(asset))


class Archives(ArchivedAssets):
    """Archives as a whole: raw, transformed, dump, and the sanitized copy."""

    def place(self, asset: dg.AssetKey) -> Kind:
        """The archive of the asset."""
        names = Namespace(self.prefix)
        kinds: dict[dg.AssetKey, Kind] = {
            names.key(RAW_ARCHIVE): "raw",
            names.key(TRANSFORMED_ARCHIVE): "transformed",
            names.key(DUMP_ARCHIVE): "dump",
            names.key(SANITIZED): "sanitized",
        }
        return kinds[asset]

    def open(self, asset: dg.AssetKey, opened: OpenArchive) -> ArchiveHandle:  # noqa: ARG002  # the place is the asset
        """The archive, whose tables or collections are then taken by name."""
        return opened.handle

    def find(self, asset: dg.AssetKey, opened: OpenArchive) -> Stored:  # noqa: ARG002  # likewise
        """The archive as the bucket has it."""
        handle = opened.handle
        return stored_archive(handle.version, opened.stored, handle.archive.digest)
