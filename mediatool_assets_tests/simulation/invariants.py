"""What must hold after every step, told from the stores themselves by code that is not ours.

Archives are read with ``tarfile`` and ``gzip``, documents with ``bson``, the rest with ``json``.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import bson

from mediatool_assets_tests.simulation.platform import PlatformTwin
from mediatool_assets_tests.simulation.source import Row
from mediatool_assets_tests.simulation.world import Violation

Contents: TypeAlias = frozenset[tuple[str, Row]]

EXPORTS = "postgres-exports/"
METADATA = EXPORTS + "metadata/"
REGISTRY = "mongodb-versions.json"
MARKS = "version-marks.json"


def keys_of(version: str) -> dict[str, str]:
    """The keys of a version, as the contract gives them."""
    day = f"{version[:4]}-{version[4:6]}-{version[6:8]}"
    return {
        "metadata": f"{METADATA}{day}/{version}.json",
        "raw": f"{EXPORTS}raw/{day}/{version}-raw.tar.gz",
        "transformed": f"{EXPORTS}transformed/{day}/{version}-transformed.tar.gz",
        "dump": f"mongodb-dumps/{day}/mediatool_{version}.tar.gz",
    }


def version_of(key: str) -> str | None:
    """The version whose metadata or archive the key is of."""
    name = key.rsplit("/", 1)[-1].removeprefix("mediatool_")[:15]
    return name if key in keys_of(name).values() else None


def members(data: bytes) -> dict[str, bytes]:
    """The files of an archive by their last name."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        return {
            each.name.rsplit("/", 1)[-1]: archive.extractfile(each).read()  # type: ignore[union-attr]
            for each in archive.getmembers()
            if each.isfile()
        }


def raw_content(data: bytes) -> Contents:
    """The rows of a raw archive."""
    return frozenset(
        (name.removesuffix(".ndjson"), tuple(sorted(json.loads(line).items())))
        for name, lines in members(data).items()
        if name.endswith(".ndjson")
        for line in lines.splitlines()
    )


def document_content(collections: dict[str, list[dict[str, Any]]]) -> Contents:
    """The rows that documents are made of: the model of the simulation, the other way round."""
    found: set[tuple[str, Row]] = set()
    for user in collections.get("users", []):
        found.add(("users", _row(user, id="_id", name="name")))
        for campaign in user["campaigns"]:
            row = {**campaign, "userId": user["_id"]}
            found.add(("campaigns", _row(row, id="id", user_id="userId", name="name")))
    for campaign in collections.get("campaignsAlone", []):
        found.add(("campaigns", _row(campaign, id="_id", user_id="userId", name="name")))
    for note in collections.get("notes", []):
        names = {"id": "_id", "campaign_id": "campaignId", "said": "said"}
        found.add(("notes", _row(note, **names | ({"mood": "mood"} if "mood" in note else {}))))
    return frozenset(found)


def _row(document: dict[str, Any], **names: str) -> Row:
    return tuple(sorted((column, document.get(name)) for column, name in names.items()))


@dataclass(eq=False)
class Watch:
    """Looks at everything that is written, and deleted."""

    platform: PlatformTwin
    written: dict[str, str] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    """Keys and databases that somebody else has damaged."""
    aged: set[str] = field(default_factory=set)
    """Versions of which a rule of the bucket has deleted a part: metadata may outlive archives."""
    unanswered: Counter[str] = field(default_factory=Counter)
    """Versions by how many have asked to pin or promote them, and have no answer."""
    dirty: bool = False

    def __post_init__(self) -> None:
        """Watch this platform."""
        self.platform.bucket.on_write.append(self.wrote)
        self.platform.bucket.on_delete.append(self.deleted)
        self.platform.mongodb.on_drop.append(self.dropped)
        self.platform.world.invariants.append(self.look)

    # --- bytes that were written never change, and a version that is listed is whole --------------

    def wrote(self, key: str, data: bytes) -> None:
        """An object appeared, or was replaced."""
        self.dirty = True
        version = version_of(key)
        if version is not None:
            digest = hashlib.sha256(data).hexdigest()
            if self.written.setdefault(key, digest) != digest:
                raise Violation(f"{key} was written once, and now with other bytes")
            if key == keys_of(version)["metadata"] and version not in self.published:
                self.require_whole(version, json.loads(data))
                self.published.add(version)
        elif key == REGISTRY:
            self.require_registry(data)
        elif key == MARKS:
            json.loads(data)
        elif key.startswith(METADATA):
            raise Violation(f"{key} is no metadata of a version, and lies where only that belongs")

    def require_whole(self, version: str, metadata: dict[str, Any]) -> None:
        """What a version's rows, archives and database have to be when it is listed."""
        bucket, keys = self.platform.bucket, keys_of(version)
        for kind in ("raw", "transformed", "dump"):
            found = bucket.content.get(keys[kind])
            if found is None:
                raise Violation(f"{version} is listed as complete, and has no {kind} archive")
            said = metadata["exports"][kind]["sha256"]
            if hashlib.sha256(found.data).hexdigest() != said and keys[kind] not in self.damaged:
                raise Violation(
                    f"{version}: the metadata has another SHA-256 of its {kind} archive"
                )
        raw = bucket.content[keys["raw"]].data
        rows = raw_content(raw)
        if rows not in self.platform.postgres.instants:
            raise Violation(f"{version} has rows that the source never had in one instant")
        snapshot = json.loads(members(raw)["manifest.json"])["source"]["snapshot_id"]
        taken = self.platform.postgres.taken[snapshot]
        if taken.isoformat() != metadata["export_date"]:
            raise Violation(f"{version} has rows of {taken}")
        for kind in ("transformed", "dump"):
            files = members(bucket.content[keys[kind]].data)
            documents = {
                name.removesuffix(".bson"): bson.decode_all(data)
                for name, data in files.items()
                if name.endswith(".bson")
            }
            if document_content(documents) != rows:
                raise Violation(f"{version}: the {kind} archive has other rows than the raw one")
        if f"mediatool_{version}" not in self.damaged:
            self.require_database(version, rows)

    def require_database(self, version: str, rows: Contents) -> None:
        """The database of a version holds its rows, and is marked."""
        found = self.platform.mongodb.databases_.get(f"mediatool_{version}")
        if found is None or not any(m.get("complete") is True for m in found.markers):
            raise Violation(f"{version} is listed as complete, and its database is not")
        documents = {
            name: [bson.decode(each) for each in collection.documents.values()]
            for name, collection in found.collections.items()
        }
        if document_content(documents) != rows:
            raise Violation(f"the database of {version} has other rows than its raw archive")

    # --- the registry -----------------------------------------------------------------------------

    def require_registry(self, data: bytes) -> None:
        """It is JSON, in order, and lists nothing that was never complete."""
        listed = [entry["version"] for entry in json.loads(data)]
        if listed != sorted(set(listed)):
            raise Violation("the registry is not in order")
        if unknown := set(listed) - self.published:
            raise Violation(f"the registry lists {unknown}, which was never complete")
        if sum(bool(entry.get("promoted")) for entry in json.loads(data)) > 1:
            raise Violation("the registry has two promoted versions")

    def listed(self) -> list[str]:
        """The versions that have metadata."""
        found = (version_of(k) for k in self.platform.bucket.content if k.startswith(METADATA))
        return sorted(version for version in found if version is not None)

    def require_agreement(self) -> None:
        """The registry says what metadata and marks say."""
        bucket, marks = self.platform.bucket, self.marks()
        promoted = standing(marks)[-1:]
        wanted = []
        for version in self.listed():
            metadata = json.loads(bucket.content[keys_of(version)["metadata"]].data)
            entry = {
                "version": version,
                "database_name": metadata["databases_created"]["mongodb"],
                "source_postgres_db": metadata["databases_created"]["postgres"],
                "created_at": metadata["export_complete"],
                "purpose": metadata["purpose"],
                "notes": marks.get("notes", {}).get(version, metadata["notes"]),
            }
            if version in marks.get("pinned", {}):
                entry["pinned"] = True
            if [version] == promoted:
                entry["promoted"] = True
            wanted.append(entry)
        stored = json.loads(bucket.content[REGISTRY].data) if REGISTRY in bucket.content else []
        if stored != wanted:
            raise Violation(f"the registry is {stored}, and metadata and marks say {wanted}")

    def require_local_copy(self) -> None:
        """The registry beside is that in the bucket."""
        if self.platform.registry.read_bytes() != self.platform.bucket.content[REGISTRY].data:
            raise Violation("the local copy of the registry is not the one in the bucket")

    # --- what is pinned, promoted or last stays ---------------------------------------------------

    def marks(self) -> dict[str, Any]:
        """The document of marks."""
        found = self.platform.bucket.content.get(MARKS)
        return json.loads(found.data) if found is not None else {}

    def protected(self) -> dict[str, str]:
        """The versions that must not go, and why."""
        marks = self.marks()
        found = dict.fromkeys(marks.get("pinned", {}), "pinned")
        kept = standing(marks)[-2:]
        found |= dict.fromkeys(kept, "promoted, or what rollback goes back to")
        listed = self.listed()
        daily = [v for v in listed if self.purpose(v) == "daily_backup"]
        return found | dict.fromkeys(daily[-1:], "the last daily version")

    def still_pinned(self, version: object) -> bool:
        """Whether it is pinned now."""
        return str(version) in self.marks().get("pinned", {})

    @contextmanager
    def asked(self, version: object) -> Iterator[None]:
        """While somebody pins or promotes it; without an answer, it was not promised to stay."""
        self.unanswered[str(version)] += 1
        yield
        self.unanswered[str(version)] -= 1

    def may_be_refused(self, version: str, reason: str) -> bool:
        """Whether a mark has no answer yet, and what goes makes ``keep`` and ``promote`` refuse."""
        pinned, promoted = reason == "pinned", reason.startswith("promoted")
        is_gone = promoted or (pinned and version not in self.listed())
        return is_gone and self.unanswered[version] > 0

    def purpose(self, version: str) -> str:
        """What it was made for."""
        found = self.platform.bucket.content[keys_of(version)["metadata"]].data
        return str(json.loads(found)["purpose"])

    def deleted(self, key: str, how: str) -> None:
        """An object went."""
        self.dirty = True
        version = version_of(key)
        if version is None or version not in self.published:
            return
        self.written.pop(key, None)
        metadata = keys_of(version)["metadata"]
        still = set(self.listed()) | ({version} if key == metadata else set())
        reason = self.protected().get(version)
        if reason is None and how != "expired":  # the rule for tests takes the last one too
            reason = "the last version" if version == max(still, default=None) else None
        if reason is not None and not self.may_be_refused(version, reason):
            raise Violation(f"{key} was {how}, and {version} is {reason}")
        if how == "expired":
            self.aged.add(version)
        elif key != metadata and version in still:
            raise Violation(f"{key} was {how}, and {version} is listed as complete")

    def dropped(self, database: str) -> None:
        """A complete database is being dropped."""
        version = database.removeprefix("mediatool_")
        reason = self.protected().get(version)
        if reason is not None and not self.may_be_refused(version, reason):
            raise Violation(f"{database} is dropped, and {version} is {reason}")
        complete = [
            name
            for name, found in self.platform.mongodb.databases_.items()
            if any(m.get("complete") is True for m in found.markers)
        ]
        if database == max(complete, default=None):
            raise Violation(f"{database} is dropped, and it is the newest complete one")

    # --- after every step -------------------------------------------------------------------------

    def look(self) -> None:
        """Nothing half-made is listed, whatever was just done."""
        if not self.dirty:
            return
        self.dirty = False
        content = self.platform.bucket.content
        for version in set(self.listed()) - self.aged:
            for kind, key in keys_of(version).items():
                if key not in content:
                    raise Violation(f"{version} is listed as complete, and has no {kind} archive")


def standing(marks: dict[str, Any]) -> list[str]:
    """The promotions that were not withdrawn."""
    return [p["version"] for p in marks.get("promotions", []) if "withdrawn" not in p]


def day_of(version: str) -> datetime:
    """When it was begun."""
    return datetime.strptime(version, "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
