"""PostgreSQL as the source: one snapshot, its catalog, its DDL, and its rows as NDJSON."""

from mediatool_assets.stores.postgres.source import PostgresSource

__all__ = ["PostgresSource"]
