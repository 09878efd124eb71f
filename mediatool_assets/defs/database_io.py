"""IO managers of a version's databases, and of the tables and collections in them."""

import dagster as dg
from pydantic import PrivateAttr

from mediatool_assets.defs.archive_io import OpenArchive, RawTables
from mediatool_assets.defs.layers import MONGODB_DATABASE, name_of
from mediatool_assets.defs.namespace import Namespace
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.stored import (
    Stored,
    server_uri,
    stored_collection,
    stored_mongodb_database,
    stored_postgres_database,
    stored_postgres_table,
)
from mediatool_assets.defs.version_io import VersionIOManager
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.query.handles import (
    LiveDatabase,
    LiveDocuments,
    archive_of,
    live_database,
)
from mediatool_assets.flows.restore.database import RestoredDatabase, restored_database


class MongoDatabase(VersionIOManager):
    """The version's MongoDB database and its collections, read from the server."""

    def place(self, asset: dg.AssetKey) -> str:  # noqa: ARG002  # the same for all
        """The database."""
        return "mongodb"

    def open_place(self, place: str, version: Version) -> LiveDatabase:  # noqa: ARG002  # likewise
        """The complete database, as its marker describes it."""
        return live_database(self.servers.documents(), version)

    def open(self, asset: dg.AssetKey, opened: LiveDatabase) -> LiveDatabase | LiveDocuments:
        """The database, or the collection that the asset is called after."""
        return opened if self._is_whole(asset) else opened.collection(name_of(asset))

    def find(self, asset: dg.AssetKey, opened: LiveDatabase) -> Stored:
        """What the marker says was read back."""
        server = server_uri(self.servers.settings())
        if self._is_whole(asset):
            return stored_mongodb_database(opened.version, server, opened.loaded)
        name = opened.collection(name_of(asset)).collection
        return stored_collection(opened.version, server, opened.loaded, name)

    def _is_whole(self, asset: dg.AssetKey) -> bool:
        return asset == Namespace(self.prefix).key(MONGODB_DATABASE)


class RestoredTables(RawTables):
    """Tables of the version's PostgreSQL database. As inputs they are read from the raw archive.

    It has the same rows: the restore compared them.
    """

    _restored: tuple[OpenArchive, RestoredDatabase] | None = PrivateAttr(default=None)

    def find(self, asset: dg.AssetKey, opened: OpenArchive) -> Stored:
        """The table as the restore read it back; raises NotFound where there is no database."""
        if self._restored is None or self._restored[0] is not opened:
            self._restored = opened, _restored(self.servers, opened.handle.manifest)
        database, table = self._restored[1], name_of(asset)
        if table not in database.rows:
            raise NotFound(f"{database.uri} has no {table}")
        return stored_postgres_table(database, opened.handle.manifest, opened.members[table])


class RestoredDatabases(VersionIOManager):
    """The version's PostgreSQL database as a whole."""

    def place(self, asset: dg.AssetKey) -> str:  # noqa: ARG002  # there is one
        """The database."""
        return "postgres"

    def open_place(self, place: str, version: Version) -> RestoredDatabase:  # noqa: ARG002  # likewise
        """The complete database, as its marker describes it."""
        archive = archive_of(self.servers.objects(), "raw", version)
        return _restored(self.servers, archive.manifest)

    def open(self, asset: dg.AssetKey, opened: RestoredDatabase) -> RestoredDatabase:  # noqa: ARG002  # the place is the asset
        """The database."""
        return opened

    def find(self, asset: dg.AssetKey, opened: RestoredDatabase) -> Stored:  # noqa: ARG002  # likewise
        """What the marker says was read back."""
        return stored_postgres_database(opened)


def _restored(servers: ServersResource, manifest: Manifest) -> RestoredDatabase:
    return restored_database(servers.objects(), servers.target(), manifest)
