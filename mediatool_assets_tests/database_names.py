"""The names of databases in the storage description, which are the settings' defaults."""

from mediatool_assets.core.version import AS_DESCRIBED, Version


def mongodb_database(version: Version) -> str:
    """Of a version's documents."""
    return AS_DESCRIBED.in_mongodb(version)


def postgres_database(version: Version) -> str:
    """Of a version's restored rows."""
    return AS_DESCRIBED.in_postgres(version)


def sanitized_mongodb_database(version: Version) -> str:
    """Of its sanitized copy's documents."""
    return AS_DESCRIBED.in_mongodb(version, sanitized=True)


def sanitized_postgres_database(version: Version) -> str:
    """Of its sanitized copy's rows."""
    return AS_DESCRIBED.in_postgres(version, sanitized=True)
