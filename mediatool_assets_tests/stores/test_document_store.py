"""MongoDB keeps the contract of a DocumentStore, as the simulation's twin of it does."""

from collections.abc import Iterator

import pytest

from mediatool_assets.core.inventory import FoundDatabase
from mediatool_assets.core.metadata import ProtectionCheck, never_protected
from mediatool_assets.stores.mongodb import MongoDatabases, MongoDocuments
from mediatool_assets_tests.stores.document_store_contract import DocumentStoreContract


class Server(MongoDocuments):
    """Both sides of one server."""

    kind = "mongodb"

    def databases(self) -> Iterator[FoundDatabase]:
        """As retention sees them."""
        return MongoDatabases(self).databases()

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """As retention does."""
        MongoDatabases(self).remove(database, protection)


class TestMongoDocuments(DocumentStoreContract):
    """A real mongod."""

    @pytest.fixture
    def store(self, documents: MongoDocuments) -> Server:
        """The server of the tests."""
        return Server(documents.url)
