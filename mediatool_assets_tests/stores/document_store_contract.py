"""What every DocumentStore keeps; the suites of MongoDB and of its twin inherit it."""

from collections.abc import Callable, Iterator
from typing import Protocol

import bson
import pytest

from mediatool_assets.core.errors import CheckFailed, MediatoolError, Refused
from mediatool_assets.core.inventory import DatabaseState
from mediatool_assets.stores.ports import DatabaseServer, DocumentStore
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fresh_versions import fresh_version

INDEX: dict[str, object] = {"name": "by_name", "key": {"name": 1}}
MARKER: dict[str, object] = {"_id": "20040101-000000", "archive": "s3://b/k"}


class Store(DocumentStore, DatabaseServer, Protocol):
    """Both sides of one server."""


def documents(*numbers: int) -> bytes:
    """A document for each number."""
    return b"".join(bson.encode({"_id": number, "name": f"n{number}"}) for number in numbers)


def fill(store: DocumentStore, database: str, prefix: str, *numbers: int) -> None:
    """One collection of a load, indexed."""
    store.create(database, f"{prefix}users", {})
    store.insert(database, f"{prefix}users", documents(*numbers))
    store.create_indexes(database, f"{prefix}users", [INDEX])


def load(store: DocumentStore, database: str, name: str, *numbers: int) -> None:
    """A whole load."""
    with store.loading(database, name) as prefix:
        fill(store, database, prefix, *numbers)
        store.mark(database, name, dict(MARKER))


def read(store: DocumentStore, database: str) -> list[int]:
    """The numbers that are there, in the order in which they come."""
    batches = store.documents(database, "users")
    return [each["_id"] for batch in batches for each in bson.decode_all(batch)]


def _unreadable() -> str | None:
    raise CheckFailed("the marks cannot be read")


class DocumentStoreContract:
    """Inherit, and give a fixture ``store`` with a server."""

    @pytest.fixture
    def database(self, store: Store) -> Iterator[str]:
        """The name of a database that no other test has; it is gone afterwards."""
        name = mongodb_database(fresh_version())
        yield name
        store.drop(name)

    @pytest.fixture
    def state(self, store: Store, database: str) -> Callable[[], DatabaseState | None]:
        """What retention sees of the database."""

        def of() -> DatabaseState | None:
            return next((f.state for f in store.databases() if f.name == database), None)

        return of

    def test_an_absent_database(
        self, store: Store, database: str, state: Callable[[], DatabaseState | None]
    ) -> None:
        """It has no marker, no collections and no documents, and dropping it does nothing."""
        assert store.marker(database) is None
        assert not store.exists(database)
        store.drop(database)
        assert store.count(database, "users") == 0
        assert store.collections(database) == []
        assert read(store, database) == []
        assert state() is None

    def test_a_load(
        self, store: Store, database: str, state: Callable[[], DatabaseState | None]
    ) -> None:
        """Until its marker is written nothing is complete; then documents come in order of _id."""
        with store.loading(database, "one-load") as prefix:
            fill(store, database, prefix, 3, 1, 2)
            assert store.marker(database) is None
            assert (state(), store.is_busy(database)) == ("unfinished", True)
            store.mark(database, "one-load", dict(MARKER))
        assert not store.is_busy(database)
        marker = store.marker(database)
        assert marker is not None
        assert (marker["_id"], marker["archive"]) == (MARKER["_id"], MARKER["archive"])
        (found,) = store.collections(database)
        assert (found.name, {i["name"] for i in found.indexes}) == ("users", {"_id_", "by_name"})
        assert (read(store, database), store.count(database, "users")) == ([1, 2, 3], 3)
        assert [bson.decode(b) for b in store.bounds(database, "users", 2)] == [{"_id": 3}]
        assert state() == "complete"

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MediatoolError])
    def test_an_error_leaves_nothing(
        self, store: Store, database: str, error: type[BaseException]
    ) -> None:
        """A load that fails leaves no database, and the next one begins at once."""
        with pytest.raises(error, match="ours"), store.loading(database, "one-load") as prefix:
            fill(store, database, prefix, 1)
            raise error("ours")
        assert not store.exists(database)
        load(store, database, "two-load", 2)
        assert read(store, database) == [2]

    def test_a_complete_database_stays_until_it_is_replaced(
        self, store: Store, database: str
    ) -> None:
        """A second load is beside it; when that fails the first is there, else the second."""
        load(store, database, "one-load", 1)
        with pytest.raises(ValueError, match="ours"), store.loading(database, "two-load") as prefix:
            assert prefix
            fill(store, database, prefix, 2)
            assert [c.name for c in store.collections(database, prefix)] == ["users"]
            assert read(store, database) == [1]
            raise ValueError("ours")
        assert store.marker(database) is not None
        assert read(store, database) == [1]
        load(store, database, "three-load", 3)
        assert read(store, database) == [3]
        assert [c.name for c in store.collections(database)] == ["users"]

    def test_of_two_loads_one_is_refused(self, store: Store, database: str) -> None:
        """The second is refused while the first is alive, and the first goes on."""
        with store.loading(database, "one-load") as prefix:
            fill(store, database, prefix, 1)
            with pytest.raises(Refused, match="another load"), store.loading(database, "two-load"):
                pytest.fail("the context was entered")
            store.mark(database, "one-load", dict(MARKER))
        assert read(store, database) == [1]

    def test_only_the_claimer_marks(self, store: Store, database: str) -> None:
        """A load whose claim is another's writes no marker."""
        with store.loading(database, "one-load") as prefix:
            fill(store, database, prefix, 1)
            store.make_durable(database, "one-load")
            with pytest.raises(CheckFailed, match="taken it over"):
                store.make_durable(database, "two-load")
            with pytest.raises(CheckFailed, match="taken it over"):
                store.mark(database, "two-load", dict(MARKER))
            assert store.marker(database) is None
            store.mark(database, "one-load", dict(MARKER))

    def test_a_part_is_not_complete(
        self, store: Store, database: str, state: Callable[[], DatabaseState | None]
    ) -> None:
        """What was loaded in part has no marker, stays, and is seen as a part."""
        with store.loading(database, "one-load") as prefix:
            fill(store, database, prefix, 1)
            store.mark(database, "one-load", dict(MARKER), complete=False)
        assert store.marker(database) is None
        assert state() == "partial"
        assert read(store, database) == [1]

    def test_two_documents_of_one_id_are_refused(self, store: Store, database: str) -> None:
        """The batch fails, whatever of it was inserted."""
        with pytest.raises(CheckFailed), store.loading(database, "one-load") as prefix:
            fill(store, database, prefix, 1, 1)

    def test_what_is_protected_stays(
        self, store: Store, database: str, state: Callable[[], DatabaseState | None]
    ) -> None:
        """It is asked when no reader takes it for complete any more; then it is as it was."""
        load(store, database, "one-load", 1)
        seen: list[object] = []

        def protection() -> str:
            seen.append((store.marker(database), state()))
            return "promoted"

        with pytest.raises(Refused, match="is not dropped: promoted"):
            store.remove(database, protection)
        assert seen == [(None, "unfinished")]
        assert store.marker(database) is not None
        assert (read(store, database), state()) == ([1], "complete")
        with pytest.raises(CheckFailed, match="cannot be read"):
            store.remove(database, _unreadable)
        assert state() == "complete"

    def test_what_is_dropped_is_gone(
        self, store: Store, database: str, state: Callable[[], DatabaseState | None]
    ) -> None:
        """Neither marker nor documents are left."""
        load(store, database, "one-load", 1)
        store.remove(database)
        assert store.marker(database) is None
        assert not store.exists(database)
        assert state() is None
