"""Where things lie: the storage description's own examples, to the letter."""

import pytest

from mediatool_assets.domain import keys
from mediatool_assets.domain.keys import Kind
from mediatool_assets.domain.version import Version

VERSION = Version.parse("20250621-143000")


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("raw", "postgres-exports/raw/2025-06-21/20250621-143000-raw.tar.gz"),
        ("sanitized", "postgres-exports/sanitized/2025-06-21/20250621-143000-sanitized.tar.gz"),
        (
            "transformed",
            "postgres-exports/transformed/2025-06-21/20250621-143000-transformed.tar.gz",
        ),
        ("dump", "mongodb-dumps/2025-06-21/mediatool_20250621-143000.tar.gz"),
    ],
)
def test_archives(kind: Kind, key: str) -> None:
    """Each kind of archive has its key."""
    assert keys.archive_key(kind, VERSION) == key


def test_metadata_and_registry() -> None:
    """The metadata lies below its day, and the registry beside the days."""
    assert keys.metadata_key(VERSION) == "postgres-exports/metadata/2025-06-21/20250621-143000.json"
    assert keys.metadata_key(VERSION).startswith(keys.metadata_prefix(VERSION.partition))
    assert keys.REGISTRY_KEY == "mongodb-versions.json"


def test_databases() -> None:
    """A version's databases carry its name."""
    assert keys.postgres_database(VERSION) == "media_tool_20250621-143000"
    assert keys.mongodb_database(VERSION) == "mediatool_20250621-143000"
