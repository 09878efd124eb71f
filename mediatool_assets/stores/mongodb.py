"""MongoDB, one versioned database at a time: whole BSON documents in and out, never decoded.

Inserts whole BSON documents as they are, in as few messages as mongod allows.

Translates MongoDB's errors into messages without values of documents, except ``_id``.

Lists and drops databases of versions, for retention.
"""

import atexit
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import bson
from bson import CodecOptions
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from mediatool_assets.archive.reader import cut_documents, split_documents
from mediatool_assets.core.errors import BadSettings, CheckFailed, Full, Refused, Unreachable
from mediatool_assets.core.inventory import DatabaseState, FoundDatabase
from mediatool_assets.core.manifest import CollectionInfo
from mediatool_assets.core.metadata import ProtectionCheck, never_protected
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import AS_DESCRIBED, DatabaseNames, version_of_database
from mediatool_assets.stores.mongodb_claim import (
    CLAIM,
    MARKER,
    STAYS,
    abandon,
    announce_removal,
    claim,
    drop_staged,
    has_marker,
    heartbeat,
    is_alive,
    is_own,
    journal,
    plain_name,
    prefix_of,
    publish,
    withdraw_removal,
)
from mediatool_assets.stores.user_files import full_disk

PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""Decodes options, indexes and ``_id`` so that they encode to the same bytes again."""


def identity(document: bytes) -> str:
    """The ``_id`` of a document for a message, cut to 80 characters."""
    return repr(bson.decode(document, PLAIN).get("_id"))[:80]


def refusal(errors: Sequence[dict[str, Any]], documents: Sequence[bytes]) -> str:
    """The number of refused documents of a message, the first one's ``_id``, and the reason.

    ``errors`` are those of single documents, as mongod returned them.
    """
    if not errors:
        return "the server did not confirm the write on enough members"
    return (
        f"{len(errors)} of {len(documents)} documents were refused, first _id "
        f"{identity(documents[errors[0]['index']])}: {_reason(errors[0])}"
    )


def _reason(write_error: dict[str, Any]) -> str:
    """Why mongod refused a document, without the document's values."""
    if write_error["code"] == 11000:
        return f"another document has the same {', '.join(write_error.get('keyPattern', ['key']))}"
    rules = write_error.get("errInfo", {}).get("details", {}).get("schemaRulesNotSatisfied", [])
    if rules:
        return f"the validator's {', '.join(sorted(_broken(rules)))}"
    if write_error["code"] == 121:
        return "the validator refuses it"
    return f"mongod's error {write_error['code']}"


def _broken(rules: list[dict[str, Any]]) -> Iterator[str]:
    """The rules of a ``$jsonSchema`` that a document violates, each with its field."""
    for rule in rules:
        for part in rule.get("propertiesNotSatisfied", []):
            for detail in part["details"]:
                yield f"{detail.get('operatorName', 'rule')} of {part['propertyName']}"
        if "missingProperties" in rule:
            yield f"required of {', '.join(rule['missingProperties'])}"
        elif "propertiesNotSatisfied" not in rule:
            yield str(rule.get("operatorName", "rule"))


_FULL = 14031  # OutOfDiskSpace
_NO_ROOM = ("no space left", "out of disk", "disk space", "space quota", "storage quota")


def is_full(code: object, words: object) -> bool:
    """Whether a server refused because it is full: mongod by its code, others by their message."""
    return code == _FULL or any(each in str(words).lower() for each in _NO_ROOM)


def server_words(error: OperationFailure) -> str:
    """The server's message for an error; without values for a duplicate key."""
    details = error.details or {}
    name = str(details.get("codeName", f"error {error.code}"))
    return name if error.code == 11000 else f"{name}: {details.get('errmsg', error)}"


LARGEST = 16 << 20
"""Bytes of a document: mongod's maxBsonObjectSize in every version.

The driver refuses to send a command with more bytes of documents than that.
"""

_MOST = 100_000  # documents in a message: mongod's maxWriteBatchSize
_NO_FIELDS = bson.encode({})


class _DocumentRun(RawBSONDocument):
    """Documents one after the other, in place of one: the driver copies ``raw`` into the message.

    ``insert_many`` makes several objects for each document, which takes five times as long.
    """

    def __init__(self, documents: bytes) -> None:
        super().__init__(_NO_FIELDS)
        self._documents = documents

    @property
    def raw(self) -> bytes:
        """All of them."""
        return self._documents


def insert(
    db: Database[Any], collection: str, documents: bytes
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Insert unordered; yields the documents of each message, and mongod's answer to it.

    The answer has ``writeErrors`` and ``writeConcernError`` if something was refused. None of the
    documents is larger than LARGEST.
    """
    concern = db.write_concern
    stated = {} if concern.is_server_default else {"writeConcern": concern.document}
    for message in _messages(documents):
        command = {"insert": collection, "ordered": False, **stated}
        command["documents"] = [_DocumentRun(message)]
        yield message, db.command(command, codec_options=PLAIN)


def _messages(documents: bytes) -> Iterator[bytes]:
    """The documents in parts, each for one message."""
    size = len(documents)
    if 0 < size <= LARGEST and cut_documents(documents, 0, size, _MOST) == size:
        yield documents
        return
    first = end = count = 0
    for document in split_documents(documents):
        if count == _MOST or (count and end + len(document) - first > LARGEST):
            yield documents[first:end]
            first, count = end, 0
        end, count = end + len(document), count + 1
    if end > first:
        yield documents[first:end]


_SYSTEM = frozenset({"admin", "config", "local"})
_REQUEST_MS = 1_800_000  # for one request; the longest builds an index on the largest collection
_CREDENTIALS = frozenset({13, 18, 8000})  # Unauthorized, AuthenticationFailed, Atlas's own
_RAW: CodecOptions[RawBSONDocument] = PLAIN.with_options(document_class=RawBSONDocument)


@dataclass(frozen=True, slots=True)
class MongoDocuments:
    """A MongoDB server. It holds only the URL; each process connects at its first request.

    Every method refuses, with Refused, a database that is neither named after a version nor the
    ``other`` one, which somebody named; no load begins where something is that no load made. It
    raises Unreachable where the server does not answer or refuses the credentials, and CheckFailed
    where it refuses what it was given.
    """

    url: Url = field(repr=False)
    answer_ms: int = 10_000
    """The time limit to find the server; a local one takes 4 s to start."""
    other: str | None = None
    patience: float = 15.0
    """For how many seconds the claim of another load may stay the same before it counts as dead."""
    database_names: DatabaseNames = AS_DESCRIBED

    @classmethod
    def of(cls, settings: Settings, other: str | None = None) -> "MongoDocuments":
        """The server of ``MEDIATOOL_MONGODB_URL``; raises BadSettings where it is not set."""
        url = settings.required_url("mongodb_url")
        return cls(url, other=other, database_names=settings.database_names)

    @property
    def server(self) -> str:
        """``host:port``, for messages and records."""
        return self.url.hosts

    def marker(self, database: str) -> dict[str, object] | None:
        """The marker of a complete database; None if it is not complete."""
        with self._open(database) as db:
            return db.get_collection(MARKER, PLAIN).find_one({"complete": True, **STAYS})

    def names(self) -> list[str]:
        """The databases named after a version, in order."""
        with self._translated():
            found = _client(self.url, self.answer_ms).list_database_names()
        return sorted(name for name in found if self._is_ours(name))

    def label(self, database: str) -> dict[str, object] | None:
        """The marker, or the claim of an incomplete database; None if no load made it.

        A claim has ``began``, the time; ``dropping`` says that the database was being removed.
        """
        with self._open(database) as db:
            found = list(db.get_collection(MARKER, PLAIN).find())
        return min(found, key=lambda each: each["_id"] == CLAIM, default=None)

    def exists(self, database: str) -> bool:
        """Whether the database has any collection."""
        with self._open(database) as db:
            return bool(db.list_collection_names())

    def is_busy(self, database: str) -> bool:
        """Whether a load or a removal of the database shows a sign of life within the patience."""
        with self._open(database) as db:
            return is_alive(db, self.patience)

    def drop(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove the database. Its marker is replaced first: a partly removed one is not complete.

        Raises Refused, without a change, if it has become protected.
        """
        with self._open(database) as db:
            removal = announce_removal(db)
            try:
                reason = protection()
            except BaseException:
                withdraw_removal(db, removal)
                raise
            if reason is not None:
                withdraw_removal(db, removal)
                raise Refused(f"{database} is not dropped: {reason}")
            db[MARKER].update_many({}, {"$set": {"complete": False}})
            db.client.drop_database(database)

    def create(self, database: str, collection: str, options: dict[str, object]) -> None:
        """Create an empty collection with its validator and other options."""
        with self._open(database, collection) as db:
            db.command({"create": collection, **options})

    def insert(self, database: str, collection: str, documents: bytes) -> None:
        """Insert whole documents unchanged; CheckFailed names the ``_id`` of a refused one.

        mongod moves ``_id`` to the front and fills in an empty Timestamp at the top level: such a
        document is
        stored differently, and its collection's fingerprint shows it.
        """
        where = f"{database}.{plain_name(collection)}"
        with self._open(database, collection) as db:
            if len(documents) > LARGEST:
                largest = max(split_documents(documents), key=len)
                if len(largest) > LARGEST:
                    raise CheckFailed(
                        f"{where}: _id {identity(largest)} has {len(largest)} bytes, "
                        f"more than MongoDB's {LARGEST}; split it in the model"
                    )
            for message, answer in insert(db, collection, documents):
                self._check_inserted(where, message, answer)

    def _check_inserted(self, where: str, documents: bytes, answer: dict[str, Any]) -> None:
        """Raise Full or CheckFailed if mongod's answer says that it refused something."""
        refused, unconfirmed = answer.get("writeErrors", []), answer.get("writeConcernError")
        for each in filter(None, [*refused, unconfirmed]):
            if is_full(each.get("code"), each.get("errmsg")):
                raise self._full("a batch of documents was refused")
        if refused or unconfirmed:
            raise CheckFailed(
                f"{where}: {refusal(refused, list(split_documents(documents)))}; "
                "correct the model or the rows, and export again"
            )

    def create_indexes(
        self, database: str, collection: str, indexes: Sequence[dict[str, object]]
    ) -> None:
        """Build the indexes listed in ``metadata.json``; the one of ``_id`` exists already."""
        wanted = [index for index in indexes if index["name"] != "_id_"]
        with self._open(database, collection) as db:
            if wanted:
                db.command({"createIndexes": collection, "indexes": wanted})

    @contextmanager
    def loading(self, database: str, load: str) -> Iterator[str]:
        """Claim the database for one load during the context; gives its collections' prefix.

        Raises Refused if another load is alive, or the database exists and no load made it.
        """
        prefix = self.begin(database, load)
        with self._open(database) as db, heartbeat(db[MARKER], load):
            try:
                yield prefix
            except BaseException:
                with suppress(PyMongoError):  # the error that ended the load is the one to report
                    abandon(db, load, prefix)
                raise

    def begin(self, database: str, load: str) -> str:
        """Claim the database without a heartbeat; returns the prefix."""
        self._refuse_foreign(database)
        with self._open(database) as db:
            claim(db, load, self.patience)
            if has_marker(db):
                drop_staged(db)
                return prefix_of(load)
            if db[MARKER].count_documents({}) > 1 or len(db.list_collection_names()) > 1:
                db.client.drop_database(database)
                claim(db, load, self.patience)
        return ""

    def make_durable(self, database: str, load: str) -> None:
        """Journal what was written, by a write to the claim that a majority acknowledges.

        Raises CheckFailed if another load has taken over the database.
        """
        with self._open(database) as db:
            journal(db, load)

    def mark(
        self,
        database: str,
        load: str,
        marker: dict[str, object],
        *,
        complete: bool = True,
    ) -> None:
        """Rename the load's collections to their final names, and replace the claim by the marker.

        Journalled and acknowledged by a majority, like every write before. Raises CheckFailed if
        another
        load has taken over the database.
        """
        with self._open(database) as db:
            publish(db, load, {**marker, "complete": complete})

    def collections(self, database: str, prefix: str = "") -> list[CollectionInfo]:
        """The collections of the database in order of name, without mongod's and our own.

        With ``prefix``: those of a load, named without the prefix.
        """
        with self._open(database) as db:
            return [
                CollectionInfo(
                    info["name"].removeprefix(prefix), info.get("options", {}), _indexes(db, info)
                )
                for info in sorted(db.list_collections(), key=lambda info: str(info["name"]))
                if (info["name"].startswith(prefix) if prefix else not is_own(info["name"]))
            ]

    def count(self, database: str, collection: str) -> int:
        """The current number of documents, counted by the index of ``_id``."""
        with self._open(database, collection) as db:
            return db[collection].count_documents({}, hint="_id_")

    def bounds(self, database: str, collection: str, step: int) -> list[bytes]:
        """Every ``step``-th ``_id`` in order except the first, as BSON; empty if there are few.

        mongod scans its index once and returns only these.
        """
        found: list[bytes] = []
        with self._open(database, collection) as db:
            while True:
                cursor = _range(db[collection], found[-1] if found else None, None, {"_id": 1})
                chosen = b"".join(cursor.skip(step).limit(1))
                if not chosen:
                    return found
                found.append(chosen)

    def documents(
        self,
        database: str,
        collection: str,
        first: bytes | None = None,
        end: bytes | None = None,
        batch: int | None = None,
    ) -> Iterator[bytes]:
        """All documents from ``first`` to before ``end``, in batches, in order of ``_id``."""
        with self._open(database, collection) as db:
            cursor = _range(db[collection], first, end, None)
            yield from cursor if batch is None else cursor.batch_size(batch)

    def facts(self) -> dict[str, str | int | None]:
        """The server version, for the manifest."""
        with self._translated():
            server = _client(self.url, self.answer_ms).server_info()
            return {"server_version": str(server["version"])}

    def _refuse_foreign(self, database: str) -> None:
        """Raise Refused for one of the server's own databases, or one with other content."""
        with self._open(database) as db:
            names = () if database in _SYSTEM else db.list_collection_names()
        if database in _SYSTEM or (names and MARKER not in names):
            raise Refused(
                f"the database {database} was not made by a load, so it is never replaced; "
                "name another one, or drop it yourself"
            )

    def _is_ours(self, database: str) -> bool:
        return version_of_database(database, self.database_names.mongodb) is not None

    @contextmanager
    def _open(self, database: str, collection: str | None = None) -> Iterator[Database[Any]]:
        """One of our databases, its driver's errors translated; Refused for any other."""
        if database != self.other and not self._is_ours(database):
            raise Refused(
                f"{database!r} is neither a version's database nor the one named by --database; "
                "no other is read or changed"
            )
        if collection == MARKER:
            raise Refused(f"{MARKER} is reserved for the marker; give the collection another name")
        with self._translated():
            yield _client(self.url, self.answer_ms).get_database(database, PLAIN)

    def _full(self, said: str) -> Full:
        return Full(
            f"MongoDB at {self.server} has no room left ({said}); drop what is not needed "
            "(`mediatool prune`) or give it more, and run it again"
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate the driver's errors; no message contains the password."""
        host = self.server
        try:
            yield
        except ConnectionFailure as error:
            if (full := full_disk(host)) is not None:
                raise full from error
            raise Unreachable(
                f"MongoDB at {host} does not answer; start the server (a local one: "
                "`mediatool up`), or correct MEDIATOOL_MONGODB_URL"
            ) from error
        except OperationFailure as error:
            if is_full(error.code, error):
                raise self._full(server_words(error)) from error
            if error.code in _CREDENTIALS:
                raise Unreachable(
                    f"MongoDB at {host} refuses the credentials or the right to do this "
                    f"({server_words(error)}); correct the user in MEDIATOOL_MONGODB_URL"
                ) from error
            raise CheckFailed(
                f"MongoDB at {host} refused: {server_words(error)}; correct the model or the "
                "rows, and export again"
            ) from error
        except ConfigurationError as error:
            raise BadSettings([f"MEDIATOOL_MONGODB_URL cannot be used: {error}"]) from error
        except PyMongoError as error:
            raise CheckFailed(f"MongoDB at {host}: {error}; run it again") from error


@lru_cache
def _client(url: Url, answer_ms: int) -> MongoClient[Any]:
    """This process's client of a server, closed at exit."""
    try:
        parse_uri(url.reveal(), warn=False)  # the client only warns about a wrong option
        client: MongoClient[Any] = MongoClient(
            url.reveal(),
            appname="mediatool",
            serverSelectionTimeoutMS=answer_ms,
            connectTimeoutMS=answer_ms,
            socketTimeoutMS=_REQUEST_MS,
            uuidRepresentation="standard",
            retryWrites=False,  # a batch sent twice would fail; the whole load is retried
            readPreference="primary",
        )
    except (ConfigurationError, TypeError, ValueError):
        raise BadSettings(
            [
                f"MEDIATOOL_MONGODB_URL has a parameter that MongoDB refuses, or {url.hosts} "
                "is not found; write mongodb://user:password@host:port/?authSource=admin"
            ]
        ) from None  # the driver's message can contain a part of the password
    atexit.register(_end, client)
    return client


def _end(client: MongoClient[Any]) -> None:
    """Close a client; one that has lost its server would wait for it, to end its sessions there."""
    if client.nodes:
        client.close()


def _range(
    collection: Collection[Any],
    first: bytes | None,
    end: bytes | None,
    projection: dict[str, int] | None,
) -> Any:
    """A cursor of raw batches between bounds of the index, for ``_id`` values of all types."""
    cursor = collection.find_raw_batches({}, projection).hint("_id_").sort("_id", 1)
    if first is not None:
        cursor = cursor.min([("_id", _raw_id(first))])
    if end is not None:
        cursor = cursor.max([("_id", _raw_id(end))])
    return cursor


def _raw_id(document: bytes) -> Any:
    """The ``_id`` of a document; it encodes to the same bytes again."""
    return bson.decode(document, _RAW)["_id"]


def _indexes(db: Database[Any], info: MutableMapping[str, Any]) -> tuple[dict[str, object], ...]:
    """The indexes of a listed collection; a view has none."""
    if info.get("type") == "view":
        return ()
    return tuple(dict(index) for index in db[info["name"]].list_indexes())


@dataclass(frozen=True, slots=True)
class MongoDatabases:
    """A DatabaseServer over MongoDB; it touches only databases with the name of a version."""

    documents: MongoDocuments
    kind: Literal["mongodb"] = "mongodb"

    @property
    def server(self) -> str:
        """``host:port``."""
        return self.documents.server

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases of versions, in order of name."""
        prefix = self.documents.database_names.mongodb
        for name in self.documents.names():
            if (named := version_of_database(name, prefix)) is not None:
                version, sanitized = named
                label = self.documents.label(name)
                began = (label or {}).get("began")
                archive = (label or {}).get("archive")
                yield FoundDatabase(
                    "mongodb",
                    name,
                    version,
                    _mongodb_state(label),
                    made=began if isinstance(began, datetime) else None,
                    archive=archive if isinstance(archive, str) else None,
                    sanitized=sanitized,
                )

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove a database of a version."""
        self.documents.drop(database, protection)


def _mongodb_state(label: dict[str, object] | None) -> DatabaseState:
    if label is None:
        return "foreign"
    if "dropping" in label:
        return "unfinished"
    if label.get("complete") is True:
        return "complete"
    return "partial" if "archive" in label else "unfinished"
