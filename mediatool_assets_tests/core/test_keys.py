"""Where things lie: the storage description's own examples, to the letter."""

import pytest

from mediatool_assets.core import version
from mediatool_assets.core.version import Kind, Version

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
    assert version.archive_key(kind, VERSION) == key


def test_metadata_and_registry() -> None:
    """The metadata lies below its day, and the registry beside the days."""
    assert (
        version.metadata_key(VERSION) == "postgres-exports/metadata/2025-06-21/20250621-143000.json"
    )
    assert version.metadata_key(VERSION).startswith(version.metadata_prefix(VERSION.partition))
    assert version.REGISTRY_KEY == "mongodb-versions.json"


def test_databases() -> None:
    """A version's databases carry its name, behind a prefix that is a setting."""
    assert version.AS_DESCRIBED.in_postgres(VERSION) == "media_tool_20250621-143000"
    assert version.AS_DESCRIBED.in_mongodb(VERSION) == "mediatool_20250621-143000"
    shop = version.DatabaseNames("shop_docs_", "shop-")
    assert shop.in_postgres(VERSION, sanitized=True) == "shop-sanitized_20250621-143000"
    assert version.archive_key("dump", VERSION, shop).endswith("/shop_docs_20250621-143000.tar.gz")
    assert version.archive_key("raw", VERSION, shop) == version.archive_key("raw", VERSION)


@pytest.mark.parametrize("prefix", ["shop_", "mediatool_", "sanitized_", "a-"])
@pytest.mark.parametrize("sanitized", [False, True])
def test_a_database_s_name_names_its_version(prefix: str, sanitized: bool) -> None:
    """The inverse of the name; that of another prefix names none."""
    names = version.DatabaseNames(prefix, prefix)
    found = version.version_of_database(names.in_mongodb(VERSION, sanitized=sanitized), prefix)
    assert found == (VERSION, sanitized)
    assert version.version_of_database(f"other_{VERSION}", prefix) is None
    assert version.version_of_database(f"{prefix}{VERSION}x", prefix) is None
