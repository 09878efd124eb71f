"""The claim of a load on its MongoDB database: one load at a time.

The claim is a document beside the marker. Its load increments it to show that it is alive, so no
clocks are compared: a claim that does not change for a while belongs to a dead load, and the next
load takes it over. If the database is already complete, the load fills collections with a prefix,
which are renamed when they are complete.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

from mediatool_assets.core.errors import CheckFailed, Refused

MARKER = "_mediatool_version"
"""The collection of the marker and the claim; no collection of a version can have this name."""

CLAIM = "load"
"""The ``_id`` of the claim; that of a marker is a version."""

STAYS: dict[str, object] = {"dropping": {"$exists": False}}
"""The filter of markers and claims whose database nobody is removing."""

_STAGED = "_mediatool_load_"
_BEAT = 1.0  # seconds
_DURABLE = WriteConcern(w="majority", j=True)


def prefix_of(load: str) -> str:
    """The prefix of the names of a load's collections until they are complete."""
    return f"{_STAGED}{load[:8]}."


def is_own(name: str) -> bool:
    """Whether a collection is not part of the version, but ours or mongod's."""
    return name == MARKER or name.startswith((_STAGED, "system."))


def plain_name(name: str) -> str:
    """The name of a collection without the prefix of its load."""
    return name.partition(".")[2] if name.startswith(_STAGED) else name


def claim(db: Database[Any], load: str, patience: float) -> None:
    """Claim the database; raises Refused if another load is alive.

    A load counts as dead if its claim does not change for ``patience`` seconds.
    """
    markers, seen, since = db[MARKER], None, time.monotonic()
    while True:
        with suppress(DuplicateKeyError):
            markers.insert_one(_claim(load))
            return
        there = markers.find_one({"_id": CLAIM}) or {}
        if there != seen:
            if seen:
                raise Refused(
                    f"another load of {db.name} has been running since "
                    f"{there.get('began', 'now')} UTC; wait for it to end"
                )
            seen, since = there, time.monotonic()
        elif time.monotonic() - since >= patience:
            done = markers.replace_one(there, _claim(load))
            if done.matched_count:
                return
            raise Refused(f"another load of {db.name} has just started; wait for it to end")
        time.sleep(_BEAT / 4)


def _claim(load: str) -> dict[str, object]:
    began = datetime.now(UTC)
    return {"_id": CLAIM, "load": load, "beat": 0, "complete": False, "began": began}


@contextmanager
def heartbeat(markers: Collection[Any], load: str) -> Iterator[None]:
    """Increment the claim during the context, as long as it belongs to the load."""
    end = Event()

    def beat() -> None:
        while not end.wait(_BEAT):
            with suppress(PyMongoError):  # the server is away: the load itself will report it
                mine = {"_id": CLAIM, "load": load}
                if not markers.update_one(mine, {"$inc": {"beat": 1}}).matched_count:
                    return

    thread = Thread(target=beat, name="claim", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def is_alive(db: Database[Any], patience: float) -> bool:
    """Whether a load or a removal is under way: its claim or announcement changes in that time.

    Returns at once if there is neither.
    """
    first, since = _under_way(db), time.monotonic()
    while first and time.monotonic() - since < patience:
        time.sleep(_BEAT / 4)
        if _under_way(db) != first:
            return True
    return False


def _under_way(db: Database[Any]) -> list[dict[str, object]]:
    """The claim of a load, and the markers in which a removal is announced."""
    either = {"$or": [{"_id": CLAIM}, {"dropping": {"$exists": True}}]}
    return list(db[MARKER].find(either).sort("_id"))


def has_marker(db: Database[Any]) -> bool:
    """Whether the database has the marker of a finished load, of a version or a part of one."""
    of_old = {"$or": [{"complete": True}, {"archive": {"$exists": True}}]}
    return db[MARKER].find_one(of_old | STAYS) is not None


def announce_removal(db: Database[Any]) -> str:
    """Announce to every reader that the database is being removed; returns this removal's name.

    Journalled: a reader that protects the database after this sees the removal, or the removal sees
    the protection.
    """
    removal = str(uuid4())
    markers = db.get_collection(MARKER, write_concern=_DURABLE)
    markers.update_many(STAYS, {"$set": {"dropping": removal}})
    return removal


def withdraw_removal(db: Database[Any], removal: str) -> None:
    """Withdraw this removal's announcement; another removal's is kept."""
    db[MARKER].update_many({"dropping": removal}, {"$unset": {"dropping": ""}})


def drop_staged(db: Database[Any]) -> None:
    """Remove what dead loads left beside a complete version."""
    for name in db.list_collection_names():
        if name.startswith(_STAGED):
            db.drop_collection(name)


def abandon(db: Database[Any], load: str, prefix: str) -> None:
    """Remove what the load has made, and its claim; nothing if another load has taken over."""
    mine = {"_id": CLAIM, "load": load}
    if db[MARKER].find_one(mine) is None:
        return
    if prefix:
        drop_staged(db)
        db[MARKER].delete_one(mine)
    else:
        db.client.drop_database(db.name)


def journal(db: Database[Any], load: str) -> None:
    """Have the claim, and so all that was written before, journalled by a majority.

    Raises CheckFailed if another load has the claim.
    """
    _update(db, load, {"$inc": {"beat": 1}})


def _update(db: Database[Any], load: str, change: dict[str, object]) -> None:
    markers = db.get_collection(MARKER, write_concern=_DURABLE)
    if not markers.update_one({"_id": CLAIM, "load": load}, change).matched_count:
        raise CheckFailed(f"{db.name}: another load has taken it over; wait for that one to end")


def publish(db: Database[Any], load: str, marker: dict[str, object]) -> None:
    """Rename the load's collections, drop all others, and replace the claim by the marker.

    For a moment during this, the database is not complete. Raises CheckFailed if another load has
    the claim.
    """
    _update(db, load, {"$set": {"whole": True}})
    markers = db.get_collection(MARKER, write_concern=_DURABLE)
    markers.delete_many({"_id": {"$ne": CLAIM}})
    names, prefix = db.list_collection_names(), prefix_of(load)
    staged = {name for name in names if name.startswith(prefix)}
    for name in sorted(staged):
        db[name].rename(name.removeprefix(prefix), dropTarget=True)
    if staged:
        kept = {name.removeprefix(prefix) for name in staged}
        for name in names:
            if not is_own(name) and name not in kept:
                db.drop_collection(name)
    markers.insert_one(marker)
    markers.delete_one({"_id": CLAIM, "load": load})
