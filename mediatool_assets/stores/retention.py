"""The servers for retention: those of the two that are set."""

from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.mongodb_retention import MongoDatabases
from mediatool_assets.stores.postgres.target_databases import PostgresDatabases


def database_servers(settings: Settings) -> tuple[MongoDatabases | PostgresDatabases, ...]:
    """MongoDB and PostgreSQL, each if its URL (such as ``MEDIATOOL_MONGODB_URL``) is set."""
    found: list[MongoDatabases | PostgresDatabases] = []
    if settings.mongodb_url:
        found.append(MongoDatabases(MongoDocuments.of(settings)))
    if settings.restore_postgres_url:
        found.append(PostgresDatabases.of(settings))
    return tuple(found)
