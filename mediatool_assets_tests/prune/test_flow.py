"""Prune on real servers: exactly what the plan drops goes, for good, and nothing else."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pymongo
import pytest
from psycopg import sql

from mediatool_assets.core.bucket import LIFECYCLE, TESTING, LifecycleRule, configuration
from mediatool_assets.core.errors import CheckFailed, Refused
from mediatool_assets.core.inventory import FoundDatabase
from mediatool_assets.core.metadata import Marker, ProtectionCheck, Purpose, never_protected
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import (
    AS_DESCRIBED,
    MARKS_KEY,
    METADATA_PREFIX,
    REGISTRY_KEY,
    Version,
    archive_key,
    metadata_key,
)
from mediatool_assets.prune.flow import carry_out, plan
from mediatool_assets.prune.rules import Policy
from mediatool_assets.stores.mongodb import MongoDatabases, MongoDocuments
from mediatool_assets.stores.ports import DatabaseServer, Pruning
from mediatool_assets.stores.postgres_target import PostgresDatabases
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_bucket import S3Bucket, S3Deletion
from mediatool_assets.versions import catalog
from mediatool_assets_tests.database_names import mongodb_database, postgres_database
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.moto_server import moto_server

NOW = datetime.now(UTC) + timedelta(days=40)
"""Later than every object of the tests was written: all of them are 40 days old."""


def of(days: float) -> Version:
    """The version of so many days ago."""
    return Version.at(NOW - timedelta(days=days))


@dataclass(frozen=True)
class Only:
    """A server of which only the databases of some versions are seen: others are other tests'."""

    whole: DatabaseServer
    versions: frozenset[Version]
    kind: Any = field(init=False)

    def __post_init__(self) -> None:
        """Be of the server's kind."""
        object.__setattr__(self, "kind", self.whole.kind)

    @property
    def server(self) -> str:
        """The server's name."""
        return self.whole.server

    def databases(self) -> Iterator[FoundDatabase]:
        """Those of the versions."""
        return (each for each in self.whole.databases() if each.version in self.versions)

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove one of them."""
        assert database in {each.name for each in self.databases()}
        self.whole.remove(database, protection)


class World:
    """A bucket with versioning, a MongoDB and a PostgreSQL, to be filled with versions."""

    def __init__(self, settings: Settings, objects: S3Objects) -> None:
        self.objects, self._settings = objects, settings
        self.documents = MongoDocuments.of(settings)
        self.versions: set[Version] = set()
        self.client: pymongo.MongoClient[Any] = pymongo.MongoClient(
            settings.required_url("mongodb_url").reveal()
        )
        objects.client.put_bucket_versioning(
            Bucket=objects.bucket, VersioningConfiguration={"Status": "Enabled"}
        )

    @property
    def stores(self) -> Pruning:
        """What prune works on."""
        versions = frozenset(self.versions)
        return Pruning(
            self.objects,
            S3Deletion(self.objects),
            (
                Only(MongoDatabases(self.documents), versions),
                Only(PostgresDatabases.of(self._settings), versions),
            ),
            S3Bucket(self.objects.bucket, self.objects.endpoint_url),
        )

    def export(self, days: float, purpose: Purpose | None = "daily_backup") -> Version:
        """A version's archives and, with a purpose, its metadata and tags."""
        version = of(days)
        self.versions.add(version)
        for kind in ("raw", "transformed", "dump"):
            self.objects.put(archive_key(kind, version), b"archive")
        if purpose is not None:
            metadata = msgspec.structs.replace(example(str(version)), purpose=purpose)
            self.objects.put(metadata_key(version), metadata.to_json())
            catalog.update_tags(self.objects, metadata)
        return version

    def mongodb(self, version: Version, *, complete: bool = True) -> str:
        """A database of the version, or one of which the load died."""
        self.versions.add(version)
        name = mongodb_database(version)
        self.documents.begin(name, "one")
        self.documents.create(name, "users", {})
        if complete:
            archive = self.objects.uri(archive_key("transformed", version))
            self.documents.mark(name, "one", {"_id": str(version), "archive": archive})
        return name

    def postgres(self, version: Version, comment: str | None = None, suffix: str = "") -> str:
        """A restored database of the version, unless the comment says something else."""
        self.versions.add(version)
        name = postgres_database(version) + suffix
        marker = str(Marker(str(version), True, 0)) if comment is None else comment
        with self.admin() as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            admin.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), marker)
            )
        return name

    def admin(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A session on the PostgreSQL server."""
        return psycopg.connect(
            self._settings.required_url("restore_postgres_url").reveal(),
            autocommit=True,
            dbname=database,
        )

    def databases(self) -> set[str]:
        """Every database of both servers."""
        with self.admin() as admin:
            names = {name for (name,) in admin.execute("SELECT datname FROM pg_database")}
        return names | set(self.client.list_database_names())

    def stored(self) -> set[str]:
        """Every key of the bucket that has a version or a delete marker."""
        pages = self.objects.client.get_paginator("list_object_versions")
        return {
            item["Key"]
            for page in pages.paginate(Bucket=self.objects.bucket)
            for item in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        }

    def close(self) -> None:
        """Remove every database that was made here."""
        with self.admin() as admin:
            for version in self.versions:
                self.client.drop_database(mongodb_database(version))
                for suffix in ("", ".restoring"):
                    name = sql.Identifier(postgres_database(version) + suffix)
                    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        self.client.close()


@pytest.fixture
def world(settings: Settings, objects: S3Objects) -> Iterator[World]:
    """An empty one."""
    world = World(settings, objects)
    yield world
    world.close()


def test_exactly_the_plan(world: World, tmp_path: Any) -> None:
    """What the plan drops is gone with all its versions and markers; all else is as it was."""
    pinned, promoted = world.export(41), world.export(42)
    catalog.change(world.objects, lambda m: m.keeping(pinned, NOW, "me"))
    catalog.change(world.objects, lambda m: m.promoting(promoted, NOW, "me"))
    old, foreign, used, died = (world.export(days) for days in (43, 44, 45, 46))
    nights = [world.export(days) for days in (0.1, 1.1, 2.1)]
    young, test, other = (world.export(days, "testing") for days in (3, 9, 10))
    catalog.change(world.objects, lambda m: m.keeping(other, NOW, "me"))
    broken_off, failed = world.export(11, None), world.export(12, None)
    for key in catalog.keys_of(broken_off, AS_DESCRIBED)[1:]:
        world.objects.tag(key, dict([TESTING]))
    copy = archive_key("sanitized", old)
    world.objects.put(copy, b"sanitized")
    twice = archive_key("raw", test)
    world.objects.client.delete_object(Bucket=world.objects.bucket, Key=twice)
    world.objects.put(twice, b"once more")

    for version in (pinned, promoted, *nights, young, other, failed):  # a run can finish that one
        world.mongodb(version)
    drops = {world.mongodb(version) for version in (old, test, broken_off)}
    drops |= {world.mongodb(died, complete=False), world.postgres(old)}
    drops.add(world.postgres(died, suffix=".restoring"))
    world.mongodb(of(0.2), complete=False)
    world.postgres(foreign, comment="made by hand")
    for version in nights:
        world.postgres(version)
    exports = {str(test), str(broken_off)}

    with ExitStack() as open_sessions:
        open_sessions.enter_context(world.admin(world.postgres(used)))
        before, stored = world.databases(), world.stored()
        decisions = plan(world.stores, Policy(daily=3, weekly=0, monthly=0), NOW)
        dropped = {d.name for d in decisions if not d.keep}
        assert dropped == drops | exports | {copy}
        assert (world.databases(), world.stored()) == (before, stored)
        done = carry_out(world.stores, decisions, tmp_path / "mongodb-versions.json")
    assert ({d.name for d in done.dropped}, done.failed, done.left) == (dropped, {}, [])
    assert world.databases() == before - drops
    keys = {*catalog.keys_of(test, AS_DESCRIBED), *catalog.keys_of(broken_off, AS_DESCRIBED), copy}
    assert world.stored() == (stored - keys) | {REGISTRY_KEY}
    again = plan(world.stores, Policy(daily=3, weekly=0, monthly=0), NOW)
    assert {d.name for d in again if not d.keep} <= {postgres_database(used)}  # idle by now
    reasons = {d.name: d.reason for d in decisions}
    assert "in use: 1 session" in reasons[postgres_database(used)]
    assert "pinned by me" in reasons[mongodb_database(pinned)]
    assert "applications use it" in reasons[mongodb_database(promoted)]


@dataclass
class Dying:
    """A Deletion that is killed after so many objects."""

    whole: S3Deletion
    lives: int

    def __getattr__(self, name: str) -> Any:
        """Everything else is the whole one's."""
        return getattr(self.whole, name)

    def remove(self, key: str) -> None:
        """Remove an object, or die."""
        if not self.lives:
            raise KeyboardInterrupt
        self.lives -= 1
        self.whole.remove(key)


@pytest.mark.parametrize("lives", [1, 3])
def test_a_killed_prune_is_finished_by_the_next(world: World, tmp_path: Any, lives: int) -> None:
    """Nobody is offered what is half gone, and the next prune takes the rest."""
    newest, test = world.export(0.1), world.export(9, "testing")
    world.mongodb(newest)
    name = world.mongodb(test)
    local = tmp_path / "mongodb-versions.json"
    decisions = plan(world.stores, Policy(), NOW)
    dying: Any = Dying(world.stores.deletion, lives)  # type: ignore[arg-type]  # S3's it is
    with pytest.raises(KeyboardInterrupt):
        carry_out(replace(world.stores, deletion=dying), decisions, local)
    assert [entry.version for entry in catalog.registry(world.objects)] == [str(newest)]
    again = plan(world.stores, Policy(), NOW)
    assert {d.name for d in again if not d.keep} == {name, str(test)}
    done = carry_out(world.stores, again, local)
    assert (done.failed, done.left) == ({}, [])
    assert world.stored() == {*catalog.keys_of(newest, AS_DESCRIBED), REGISTRY_KEY}
    assert not world.documents.exists(name)


def test_what_a_failed_version_left(world: World, tmp_path: Any) -> None:
    """Archives and database go if its day has a complete version; not if it is completed now."""
    world.mongodb(world.export(0.1))
    night = of(20).moment.replace(hour=2, minute=0, second=0)
    age = (NOW - night).total_seconds() / 86400
    failed, finished = (world.export(age - hours / 24, None) for hours in (0, 1))
    whole = world.export(age - 2 / 24)
    databases = [world.mongodb(version) for version in (failed, finished)]
    decisions = plan(world.stores, Policy(), NOW)
    dropped = {d.name for d in decisions if not d.keep}
    assert dropped == {str(failed), str(finished), *databases}
    metadata = example(str(finished)).to_json()
    world.objects.put(metadata_key(finished), metadata)
    stored = world.stored()
    done = carry_out(world.stores, decisions, tmp_path / "mongodb-versions.json")
    assert {d.name for d in done.dropped} == {str(failed), databases[0]}
    assert [world.documents.marker(name) is not None for name in databases] == [False, True]
    assert all("it was completed" in done.failed[name] for name in (str(finished), databases[1]))
    gone = set(catalog.keys_of(failed, AS_DESCRIBED)[1:])
    assert world.stored() == (stored - gone) | {REGISTRY_KEY}
    assert f"{whole} is complete" in {d.name: d.reason for d in decisions}[str(failed)]


def test_a_version_whose_metadata_is_damaged_stays(world: World) -> None:
    """Also where nothing else knows it any more: neither archives nor databases go."""
    world.export(0.1)
    damaged = world.export(30, "testing")
    key = metadata_key(damaged)
    world.objects.put(key, b"{}", replacing=world.objects.get(key)[1])
    names = {world.mongodb(damaged), world.postgres(damaged)}
    world.mongodb(of(0.1))
    world.postgres(of(0.1))
    reasons = {d.name: d.reason for d in plan(world.stores, Policy(), NOW) if d.keep}
    assert names <= reasons.keys()
    assert {reasons[name] for name in names} == {
        "its metadata cannot be read: put back an earlier version of the object first"
    }


def test_a_pin_after_the_plan_holds(world: World, tmp_path: Any) -> None:
    """Who pins a version while a plan is read still finds it, all of it."""
    world.export(0.1)
    test = world.export(9, "testing")
    world.mongodb(of(0.1))
    name = world.mongodb(test)
    decisions = plan(world.stores, Policy(), NOW)
    assert {d.name for d in decisions if not d.keep} == {name, str(test)}
    catalog.change(world.objects, lambda m: m.keeping(test, NOW, "me"))
    stored = world.stored()
    done = carry_out(world.stores, decisions, tmp_path / "mongodb-versions.json")
    assert done.dropped == []
    assert all(
        "since the plan was made, it was pinned by me" in reason for reason in done.failed.values()
    )
    assert done.failed.keys() == {name, str(test)}
    assert world.stored() == stored | {REGISTRY_KEY}
    assert world.documents.marker(name) is not None


@dataclass(frozen=True)
class Meanwhile:
    """Deletes as S3 does; somebody acts right behind that of the metadata."""

    whole: S3Deletion
    act: Callable[[], object]

    def __getattr__(self, name: str) -> Any:
        """All else is the bucket's."""
        return getattr(self.whole, name)

    def remove(self, key: str) -> None:
        """Delete, and let them act."""
        self.whole.remove(key)
        if key.startswith(METADATA_PREFIX):
            self.act()


def test_a_pin_while_the_metadata_goes_holds(world: World, tmp_path: Any) -> None:
    """The metadata comes back as it was, and the archives and the database never went."""
    world.export(0.1)
    test = world.export(9, "testing")
    world.mongodb(of(0.1))
    name = world.mongodb(test)
    data, _ = world.objects.get(metadata_key(test))
    stored = world.stored()
    decisions = plan(world.stores, Policy(), NOW)
    pin = lambda: catalog.change(world.objects, lambda m: m.keeping(test, NOW, "me"))  # noqa: E731
    stores = replace(world.stores, deletion=Meanwhile(S3Deletion(world.objects), pin))
    done = carry_out(stores, decisions, tmp_path / "mongodb-versions.json")
    assert done.dropped == []
    assert done.failed.keys() == {name, str(test)}
    assert world.objects.get(metadata_key(test))[0] == data
    assert world.stored() == stored | {REGISTRY_KEY, MARKS_KEY}
    assert world.documents.marker(name) is not None
    assert str(test) in {entry.version for entry in catalog.registry(world.objects)}


def test_an_empty_bucket_drops_no_database(world: World) -> None:
    """Pointed at a bucket that knows none of the versions, nothing whole goes."""
    for days in (0.1, 9, 40):
        world.mongodb(of(days))
        name = mongodb_database(of(days))
        world.client[name]["_mediatool_version"].update_one({}, {"$set": {"archive": "s3://a/b"}})
        world.postgres(of(days))
    decisions = plan(world.stores, Policy(daily=0, weekly=0, monthly=0), NOW)
    assert len(decisions) == 6
    assert all(decision.keep for decision in decisions)


def test_a_database_in_use_is_not_torn_away(world: World) -> None:
    """A session that came after the plan goes on; the message says who has to end."""
    name = world.postgres(of(40))
    with world.admin(name) as reader:
        with pytest.raises(CheckFailed, match="is in use; end the sessions"):
            world.stores.servers[1].remove(name)
        assert reader.execute("SELECT 1").fetchone() == (1,)
    foreign = world.postgres(of(41), comment="made by hand")
    with pytest.raises(Refused, match="was not made by a restore"):
        world.stores.servers[1].remove(foreign)


@pytest.fixture
def lockable() -> Iterator[S3Objects]:
    """A bucket of moto's with Object Lock and lifecycle rules, which the local server lacks."""
    with moto_server() as url:
        objects = S3Objects(f"bucket-{uuid.uuid4()}", url)
        objects.client.create_bucket(Bucket=objects.bucket, ObjectLockEnabledForBucket=True)
        yield objects


def test_object_lock_holds(lockable: S3Objects, tmp_path: Any) -> None:
    """A retention and a legal hold, on any version of an object, keep its whole version."""
    stores = Pruning(
        lockable, S3Deletion(lockable), (), S3Bucket(lockable.bucket, lockable.endpoint_url)
    )
    client, bucket = lockable.client, lockable.bucket
    for days, purpose in ((0.1, "daily_backup"), (9, "testing"), (10, "testing"), (11, "testing")):
        metadata = msgspec.structs.replace(example(str(of(days))), purpose=purpose)
        for key in catalog.keys_of(of(days), AS_DESCRIBED)[1:]:
            lockable.put(key, b"archive")
        lockable.put(metadata_key(of(days)), metadata.to_json())
    retained, held = archive_key("dump", of(9)), archive_key("raw", of(10))
    until = datetime.now(UTC) + timedelta(days=3)
    client.put_object_retention(
        Bucket=bucket, Key=retained, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}
    )
    client.delete_object(Bucket=bucket, Key=retained)
    lockable.put(retained, b"another version")
    client.put_object_legal_hold(Bucket=bucket, Key=held, LegalHold={"Status": "ON"})
    decisions = {d.version: d for d in plan(stores, Policy(), NOW)}
    assert {v for v, d in decisions.items() if not d.keep} == {of(11)}
    assert f"Object Lock until {until:%Y-%m-%d %H:%M}" in decisions[of(9)].reason
    assert "legal hold" in decisions[of(10)].reason
    for key in (retained, held):
        before = stores.deletion.left(key)
        with pytest.raises(Refused, match="Object"):
            stores.deletion.remove(key)
        assert stores.deletion.left(key) == before > 0
    done = carry_out(stores, decisions.values(), tmp_path / "mongodb-versions.json")
    assert ([d.version for d in done.dropped], done.failed, done.left) == ([of(11)], {}, [])
    assert sum(map(stores.deletion.left, catalog.keys_of(of(11), AS_DESCRIBED))) == 0


def test_a_plan_against_the_live_rules_is_refused(lockable: S3Objects) -> None:
    """Live rules that delete sooner what the plan keeps stop it; the declared ones do not."""
    settings = S3Bucket(lockable.bucket, lockable.endpoint_url)
    stores = Pruning(lockable, S3Deletion(lockable), (), settings)
    assert settings.write("lifecycle", configuration(LIFECYCLE)) is None
    assert plan(stores, Policy(), NOW) == ()
    sooner = LifecycleRule("tests", tag=TESTING, expire_days=3)
    assert settings.write("lifecycle", configuration([sooner])) is None
    with pytest.raises(
        Refused,
        match="rule tests deletes test exports after 3 days, the plan keeps them for 7 days",
    ):
        plan(stores, Policy(), NOW)
    assert MARKS_KEY not in {info.key for info in lockable.list("")}
