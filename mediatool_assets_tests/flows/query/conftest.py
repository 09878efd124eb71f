"""Three versions of one table in a directory, and a session over some of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from mediatool_assets.core.version import Version
from mediatool_assets.query.session import ParquetCache, QuerySession, query_session, tables_of
from mediatool_assets.versions import catalog
from mediatool_assets_tests.complete_versions import complete
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.twins import DirectoryObjects

FIRST, SECOND, THIRD = "20251101-020000", "20251102-020000", "20251103-020000"

Session = Callable[..., AbstractContextManager[QuerySession]]


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """Three versions: a row is added, one changes, one is removed, a column appears."""
    objects = DirectoryObjects(tmp_path / "bucket")
    old = table("campaigns", id="text", stage="text", budget="numeric")
    new = table("campaigns", id="text", stage="text", budget="numeric", region="text")
    fixed = table("teams", id="integer", version="integer")
    teams = [{"id": 1, "version": 7}]
    rows: list[dict[str, str | None]] = [
        {"id": "a", "stage": "Lead", "budget": "1.50"},
        {"id": "b", "stage": "Lead", "budget": None},
    ]
    complete(objects, FIRST, {old: rows[:1], fixed: teams})
    complete(objects, SECOND, {old: rows, fixed: teams})
    won = {"id": "b", "stage": "Won", "budget": None, "region": "EMEA"}
    complete(objects, THIRD, {new: [won], fixed: teams})
    return objects


@pytest.fixture
def session(twin: DirectoryObjects, tmp_path: Path) -> Session:
    """Open a session over these versions, by default all three, with a cache in ``cache``."""

    @contextmanager
    def opened(
        *names: str, limit: int = 1 << 30, text: tuple[str, ...] = ()
    ) -> Iterator[QuerySession]:
        versions = [
            tables_of(catalog.reader(twin, "raw", Version.parse(name)), text)
            for name in names or (FIRST, SECOND, THIRD)
        ]
        cache = ParquetCache(tmp_path / "cache", limit)
        with query_session(versions, cache, tmp_path) as found:
            yield found

    return opened
