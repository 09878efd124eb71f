"""MongoDB's twin: a DocumentStore and DatabaseServer in memory, each command of it a point."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import bson
from bson.raw_bson import RawBSONDocument

from mediatool_assets.archive.reader import split_documents
from mediatool_assets.core.errors import CheckFailed, Full, MediatoolError, Refused, Unreachable
from mediatool_assets.core.inventory import DatabaseState, FoundDatabase
from mediatool_assets.core.manifest import CollectionInfo
from mediatool_assets.core.metadata import ProtectionCheck, never_protected
from mediatool_assets.core.version import AS_DESCRIBED, DatabaseNames, version_of_database
from mediatool_assets_tests.simulation.world import (
    LONG_AGO,
    PROCESS_FAULTS,
    Fault,
    Process,
    World,
    raising,
)

Result = TypeVar("Result")

_BATCH = 5
_JOURNAL = timedelta(seconds=0.1)


@dataclass
class Claim:
    """One load's claim; ``owner`` shows that it lives."""

    load: str
    began: datetime
    owner: Process | None


@dataclass
class Collection:
    """Documents by ``_id``."""

    options: dict[str, object]
    indexes: list[dict[str, object]]
    documents: dict[bytes, bytes] = field(default_factory=dict)


@dataclass
class Database:
    """Collections, the marker and the claim."""

    collections: dict[str, Collection] = field(default_factory=dict)
    markers: list[dict[str, object]] = field(default_factory=list)
    claim: Claim | None = None

    @property
    def is_empty(self) -> bool:
        """mongod has no empty databases."""
        return not (self.collections or self.markers or self.claim)


def _away() -> Unreachable:
    return Unreachable("MongoDB at twin does not answer; start it")


def _full() -> Full:
    return Full("MongoDB at twin has no room left; drop what is not needed")


AWAY = Fault("the server does not answer, nothing done", before=raising(_away))
LOST = Fault("done, and the answer was lost", after=raising(_away))
COMMAND_FAULTS = (AWAY, LOST, *PROCESS_FAULTS)
WRITE_FAULTS = (*COMMAND_FAULTS, Fault("its disk is full", before=raising(_full)))


@dataclass(eq=False)
class Documents:
    """The server. What was written since its last journal flush goes with a crash of it."""

    world: World
    kind: Literal["mongodb"] = "mongodb"
    databases_: dict[str, Database] = field(default_factory=dict)
    journal: dict[str, Database] = field(default_factory=dict)
    flushed: datetime = LONG_AGO
    on_drop: list[Callable[[str], None]] = field(default_factory=list)
    database_names: DatabaseNames = AS_DESCRIBED

    @property
    def server(self) -> str:
        """``host:port``."""
        return "twin:27017"

    def crash(self) -> None:
        """mongod is killed and started again: what was not journalled is lost."""
        if self.world.time - self.flushed > _JOURNAL:
            self.flush()
        self.databases_ = self.journal
        self.flush()

    def flush(self) -> None:
        """What mongod does each 100 ms, and for a write concern with ``j``."""
        self.flushed = self.world.time
        self.journal = {
            name: Database(
                {
                    n: Collection(c.options, list(c.indexes), dict(c.documents))
                    for n, c in db.collections.items()
                },
                [dict(marker) for marker in db.markers],
                db.claim,
            )
            for name, db in self.databases_.items()
        }

    # --- DocumentStore ---------------------------------------------------------------------------

    def marker(self, database: str) -> dict[str, object] | None:
        """The complete marker."""

        def act() -> dict[str, object] | None:
            found = self._database(database).markers
            stays = (m for m in found if "dropping" not in m)
            return next((dict(m) for m in stays if m.get("complete") is True), None)

        return self._call(f"marker of {database}", act)

    def exists(self, database: str) -> bool:
        """Whether it holds anything."""
        return self._call(f"look for {database}", lambda: not self._database(database).is_empty)

    def is_busy(self, database: str) -> bool:
        """Whether a load is alive; nothing is said of removals."""

        def act() -> bool:
            claim = self._database(database).claim
            owner = claim.owner if claim is not None else None
            return owner is not None and not owner.is_dead and not owner.is_stalled

        return self._call(f"look whether {database} is loaded", act)

    def drop(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """The marker first says so, journalled; then what protects it is asked for."""

        def announce() -> list[dict[str, object]]:
            found = [m for m in self._database(database).markers if "dropping" not in m]
            for marker in found:
                marker["dropping"] = "a removal"
            self.flush()
            return found

        def withdraw() -> None:
            for marker in announced:
                marker.pop("dropping", None)

        def mark() -> None:
            if any(m.get("complete") is True for m in self._database(database).markers):
                for listener in self.on_drop:
                    listener(database)
            for marker in self._database(database).markers:
                marker.update(complete=False)

        announced = self._call(f"announce that {database} is dropped", announce)
        try:
            if (reason := protection()) is not None:
                raise Refused(f"{database} is not dropped: {reason}")
        except MediatoolError:
            self._call(f"let {database} stay", withdraw)
            raise
        self._call(f"mark {database} as being dropped", mark)
        self._call(f"drop {database}", lambda: self._drop(database))

    @contextmanager
    def loading(self, database: str, load: str) -> Iterator[str]:
        """Claim the database for one load."""
        prefix = self._begin(database, load)
        try:
            yield prefix
        except BaseException:
            with suppress(MediatoolError):
                self._call(f"abandon {database}", lambda: self._abandon(database, load, prefix))
            raise

    def create(self, database: str, collection: str, options: dict[str, object]) -> None:
        """An empty collection."""

        def act() -> None:
            found = self._make(database).collections
            if collection in found:
                raise CheckFailed(f"{database}.{collection} exists already; run it again")
            found[collection] = Collection(options, [{"name": "_id_", "key": {"_id": 1}, "v": 2}])

        self._call(f"create {database}.{collection}", act, WRITE_FAULTS)

    def insert(self, database: str, collection: str, documents: bytes) -> None:
        """Whole documents."""

        def act() -> None:
            found = self._make(database).collections
            into = found.setdefault(collection, Collection({}, []))
            twice = 0
            for document in split_documents(documents):
                identity = bson.encode({"": RawBSONDocument(document)["_id"]})
                twice += identity in into.documents
                into.documents.setdefault(identity, document)
            if twice:
                raise CheckFailed(f"{database}.{collection}: {twice} with the same _id")

        self._call(f"insert into {database}.{collection}", act, WRITE_FAULTS)

    def create_indexes(
        self, database: str, collection: str, indexes: Sequence[dict[str, object]]
    ) -> None:
        """As asked."""

        def act() -> None:
            found = self._make(database).collections.setdefault(collection, Collection({}, []))
            have = {index["name"] for index in found.indexes}
            found.indexes += [dict(i) for i in indexes if i["name"] not in have]

        self._call(f"index {database}.{collection}", act, WRITE_FAULTS)

    def make_durable(self, database: str, load: str) -> None:
        """What was written stays when it crashes."""
        self._call(f"journal {database}", lambda: self._journalled(database, load), WRITE_FAULTS)

    def _journalled(self, database: str, load: str) -> None:
        if (found := self._database(database)).claim is None or found.claim.load != load:
            raise CheckFailed(
                f"{database}: another load has taken it over; wait for that one to end"
            )
        self.flush()

    def mark(
        self,
        database: str,
        load: str,
        marker: dict[str, object],
        *,
        complete: bool = True,
    ) -> None:
        """In the steps that ``mongodb_claim.publish`` takes."""

        def unmark() -> None:
            self._database(database).markers.clear()

        def rename() -> None:
            db, prefix = self._database(database), _prefix(load)
            staged = {n: c for n, c in db.collections.items() if n.startswith(prefix)}
            if staged:
                db.collections = {n.removeprefix(prefix): c for n, c in staged.items()}

        def insert() -> None:
            self._make(database).markers.append({**marker, "complete": complete})
            self.flush()

        def unclaim() -> None:
            db = self._database(database)
            if db.claim is not None and db.claim.load == load:
                db.claim = None
            self.flush()

        for name, act in (
            ("show that the load is whole", lambda: self._journalled(database, load)),
            ("remove the old marker", unmark),
            ("rename the collections", rename),
            ("write the marker", insert),
            ("remove the claim", unclaim),
        ):
            self._call(f"{database}: {name}", act, WRITE_FAULTS)

    def collections(self, database: str, prefix: str = "") -> list[CollectionInfo]:
        """In order of name."""

        def act() -> list[CollectionInfo]:
            return [
                CollectionInfo(name.removeprefix(prefix), dict(c.options), tuple(c.indexes))
                for name, c in sorted(self._database(database).collections.items())
                if (name.startswith(prefix) if prefix else not name.startswith(_STAGED))
            ]

        return self._call(f"collections of {database}", act)

    def count(self, database: str, collection: str) -> int:
        """How many."""
        return self._call(
            f"count {database}.{collection}", lambda: len(self._documents(database, collection))
        )

    def bounds(self, database: str, collection: str, step: int) -> list[bytes]:
        """Every ``step``-th ``_id``."""

        def act() -> list[bytes]:
            documents = self._documents(database, collection)[step::step]
            return [bson.encode({"_id": RawBSONDocument(d)["_id"]}) for d in documents]

        return self._call(f"bounds of {database}.{collection}", act)

    def documents(
        self,
        database: str,
        collection: str,
        first: bytes | None = None,
        end: bytes | None = None,
        batch: int | None = None,
    ) -> Iterator[bytes]:
        """In batches, each a request: what is written between two of them shows."""
        after = -1
        while True:

            def act(after: int = after) -> list[bytes]:
                found = [
                    d
                    for d in self._documents(database, collection)
                    if (first is None or _key(d) >= _key(first))
                    and (end is None or _key(d) < _key(end))
                ]
                return found[after + 1 : after + 1 + min(batch or _BATCH, _BATCH)]

            found = self._call(f"read {database}.{collection}", act)
            if not found:
                return
            yield b"".join(found)
            after += len(found)

    def facts(self) -> dict[str, str | int | None]:
        """Its version."""
        return {"server_version": "6.0.5"}

    # --- DatabaseServer --------------------------------------------------------------------------

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases of versions."""
        names = self._call("list databases", lambda: sorted(self.databases_))
        for name in names:
            named = version_of_database(name, self.database_names.mongodb)
            if named is None:
                continue
            version, sanitized = named
            label = self._call(f"label of {name}", lambda name=name: self._label(name))  # type: ignore[misc]
            if label is None:
                continue
            archive = label.get("archive")
            began = label.get("began")
            yield FoundDatabase(
                "mongodb",
                name,
                version,
                _state(label),
                made=began if isinstance(began, datetime) else None,
                archive=archive if isinstance(archive, str) else None,
                sanitized=sanitized,
            )

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Drop it."""
        self.drop(database, protection)

    # --- inside ----------------------------------------------------------------------------------

    def _call(
        self, what: str, act: Callable[[], Result], faults: tuple[Fault, ...] = COMMAND_FAULTS
    ) -> Result:
        def crash(world: World, process: Process) -> None:
            self.crash()
            if faults is WRITE_FAULTS:  # a read is tried again by the driver, or finds a new socket
                raise _away()

        def journalled() -> Result:
            if self.world.time - self.flushed > _JOURNAL:
                self.flush()
            return act()

        crashes = Fault("mongod crashes, and is up again", before=crash)
        return self.world.call(what, journalled, (*faults, crashes))

    def _database(self, name: str) -> Database:
        return self.databases_.get(name, Database())

    def _make(self, name: str) -> Database:
        return self.databases_.setdefault(name, Database())

    def _documents(self, database: str, collection: str) -> list[bytes]:
        found = self._database(database).collections.get(collection)
        return sorted(found.documents.values(), key=_key) if found else []

    def _label(self, name: str) -> dict[str, object] | None:
        db = self._database(name)
        if db.markers:  # beside which a load that was killed right then leaves its claim
            return dict(db.markers[0])
        if db.claim is not None:
            return {"_id": "load", "began": db.claim.began, "complete": False}
        return None if db.is_empty else {}

    def _drop(self, database: str) -> None:
        self.databases_.pop(database, None)

    def _begin(self, database: str, load: str) -> str:
        taken = False
        while not taken:
            taken = self._call(f"claim {database}", lambda: self._claim(database, load))
            if not taken:
                self.world.sleep(15)
                self._call(f"take over the claim of {database}", lambda: self._take_over(database))

        def prepare() -> str:
            db = self._database(database)
            if any(m.get("complete") or "archive" in m for m in db.markers if "dropping" not in m):
                db.collections = {
                    n: c for n, c in db.collections.items() if not n.startswith(_STAGED)
                }
                return _prefix(load)
            self.databases_[database] = Database(claim=db.claim)
            return ""

        return self._call(f"prepare {database}", prepare)

    def _claim(self, database: str, load: str) -> bool:
        db = self._make(database)
        if db.claim is not None:
            return False
        db.claim = Claim(load, self.world.time, self.world.process)
        return True

    def _take_over(self, database: str) -> None:
        """Unless its load shows that it lives."""
        claim = self._database(database).claim
        owner = claim.owner if claim is not None else None
        if owner is not None and not owner.is_dead and not owner.is_stalled:
            raise Refused(f"another load of {database} has been running; wait for it to end")
        self._make(database).claim = None

    def _abandon(self, database: str, load: str, prefix: str) -> None:
        db = self._database(database)
        if db.claim is None or db.claim.load != load:
            return
        if prefix:
            db.collections = {n: c for n, c in db.collections.items() if not n.startswith(_STAGED)}
            db.claim = None
        else:
            self._drop(database)


_STAGED = "_mediatool_load_"


def _prefix(load: str) -> str:
    return f"{_STAGED}{load[:8]}."


def _key(document: bytes) -> tuple[str, object]:
    identity = RawBSONDocument(document)["_id"]
    return type(identity).__name__, identity


def _state(label: dict[str, object]) -> DatabaseState:
    if not label:
        return "foreign"
    if "dropping" in label:
        return "unfinished"
    if label.get("complete") is True:
        return "complete"
    return "partial" if "archive" in label else "unfinished"
