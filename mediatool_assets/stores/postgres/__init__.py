"""PostgreSQL: as the source (one snapshot, its DDL, its rows as NDJSON), and to restore to."""

from mediatool_assets.stores.postgres.source import PostgresSource
from mediatool_assets.stores.postgres.target import PostgresTarget

__all__ = ["PostgresSource", "PostgresTarget"]
