"""The stores of a version, from the settings."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediatool_assets.domain.settings import Settings
    from mediatool_assets.flows.ports import Stores


def stores(own: "Settings") -> "Stores":
    """The bucket, and the servers that are set."""
    from mediatool_assets.flows.ports import Stores
    from mediatool_assets.stores.mongodb import MongoDocuments
    from mediatool_assets.stores.postgres import PostgresTarget
    from mediatool_assets.stores.s3 import S3Objects

    return Stores(
        S3Objects.of(own),
        MongoDocuments.of(own) if own.mongodb_url else None,
        PostgresTarget.of(own) if own.restore_postgres_url else None,
    )
