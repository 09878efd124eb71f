"""Tables that are excluded, empty or gone are told of."""

import pytest

from mediatool_assets.core.errors import BadSource
from mediatool_assets.core.manifest import Exclusion
from mediatool_assets.export.flow import BY_SETTING, export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.complete_versions import complete
from mediatool_assets_tests.fixtures.export_source import VERSION
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.twins import DirectoryObjects


def test_excluded_tables_are_recorded_with_reason_and_rows(
    mixed_source: PostgresSource, twin: DirectoryObjects, pool: Workspace
) -> None:
    """What is left out is told, and a name that fits no table is a warning."""
    archived = export(mixed_source, twin, pool, VERSION, exclude={"users": "test", "nine": "x"})
    assert archived.manifest.exclusions == (
        Exclusion("users", "test", 250),
        Exclusion("nine", "x; the source has no such table", 0),
    )
    assert "users" not in archived.manifest.tables()
    assert archived.manifest.warnings == ("nine is excluded, and the source has no such table",)


def test_tables_excluded_by_setting_have_that_as_reason(
    mixed_source: PostgresSource, twin: DirectoryObjects, pool: Workspace
) -> None:
    """A set of names is what the setting gives."""
    archived = export(mixed_source, twin, pool, VERSION, exclude=frozenset(["daily"]))
    assert archived.manifest.exclusions == (Exclusion("daily", BY_SETTING, 50),)


def test_a_table_that_lost_all_its_rows_is_a_warning(
    mixed_source: PostgresSource, twin: DirectoryObjects, pool: Workspace
) -> None:
    """Compared with the last version's counts; what was empty before is none."""
    empty, users, gone = (table(name, id="integer") for name in ("empty", "users", "gone"))
    odd, row = table("a/b %", id="integer"), [{"id": 1}]
    complete(twin, "20260101-020000", {empty: 12 * row, users: 3 * row, gone: row, odd: []})
    archived = export(mixed_source, twin, pool, VERSION)
    assert archived.manifest.warnings == (
        "empty is empty, and had 12 rows in the last version",
        "gone is gone, and had 1 row in the last version",
    )


def test_excluding_every_table_is_refused(
    mixed_source: PostgresSource, twin: DirectoryObjects, pool: Workspace
) -> None:
    """An export of nothing is a mistake."""
    names = frozenset(["a/b %", "daily", "empty", "films", "media", "users"])
    with pytest.raises(BadSource, match="every table is excluded"):
        export(mixed_source, twin, pool, VERSION, exclude=names)
