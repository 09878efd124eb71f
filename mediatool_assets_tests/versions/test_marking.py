"""Marks: writers that lose nothing of one another's, kills in between, and what follows."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.errors import DamagedInput, NotFound, Refused, Unreachable
from mediatool_assets.core.metadata import Marks, Purpose
from mediatool_assets.core.version import (
    AS_DESCRIBED,
    MARKS_KEY,
    REGISTRY_KEY,
    Version,
    metadata_key,
)
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.versions import flow as marking
from mediatool_assets.versions.records import register
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.twins import DirectoryObjects

VERSIONS = [Version.parse(f"20240621-14300{second}") for second in range(8)]
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def complete(objects: ObjectStore, version: Version, purpose: Purpose = "daily_backup") -> None:
    """Metadata and archives of a version, as far as marks are concerned."""
    metadata = msgspec.structs.replace(example(str(version)), purpose=purpose)
    for key in catalog.keys_of(version, AS_DESCRIBED)[1:]:
        objects.put(key, b"archive")
    objects.put(metadata_key(version), metadata.to_json())


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """A bucket with eight complete versions, of which the first is a test."""
    objects = DirectoryObjects(tmp_path / "bucket")
    for version in VERSIONS:
        complete(objects, version, "testing" if version == VERSIONS[0] else "daily_backup")
    return objects


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Where the registry's local copy goes."""
    return tmp_path / "home" / "mongodb-versions.json"


@pytest.fixture
def databases(documents: MongoDocuments) -> Iterator[MongoDocuments]:
    """MongoDB with a complete database of the first three versions."""
    for version in VERSIONS[:3]:
        name = mongodb_database(version)
        documents.begin(name, "one")
        documents.mark(name, "one", {"_id": str(version), "archive": "x"})
    yield documents
    for version in VERSIONS[:3]:
        documents.drop(mongodb_database(version))


@dataclass(frozen=True)
class Writer:
    """One writer of marks, as a command is: it annotates and pins its version."""

    objects: ObjectStore
    local: Path

    def __call__(self, version: Version) -> None:
        """Both marks, one after the other."""
        marking.annotate(self.objects, version, f"notes of {version}", self.local)
        marking.keep(self.objects, version, self.local, at=AT, who=str(version))


@pytest.fixture
def threads() -> Iterator[Executor]:
    """Eight writers in one process."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.mark.parametrize("writers", ["processes", "threads"])
def test_writers_at_once_lose_nothing(
    objects: S3Objects, local: Path, writers: str, request: pytest.FixtureRequest
) -> None:
    """Of marks that are made at once, by threads or processes, each one is there, in both files."""
    executor: Executor = request.getfixturevalue(writers)
    for version in VERSIONS:
        complete(objects, version)
    list(executor.map(Writer(objects, local), VERSIONS))
    found = catalog.read_marks(objects)
    names = [str(version) for version in VERSIONS]
    assert found.notes == {name: f"notes of {name}" for name in names}
    assert {name: pin.who for name, pin in found.pinned.items()} == {n: n for n in names}
    entries = json.loads(objects.get(REGISTRY_KEY)[0])
    assert [e["notes"] for e in entries] == [f"notes of {name}" for name in names]
    assert all(entry["pinned"] for entry in entries)
    assert local.read_bytes() == objects.get(REGISTRY_KEY)[0]


@dataclass(frozen=True)
class Dying(DirectoryObjects):
    """A bucket whose writer dies before it writes a key."""

    at: str = ""

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """As the bucket, up to that key."""
        if key == self.at:
            raise Unreachable("killed")
        return super().put(key, data, replacing=replacing)


@pytest.mark.parametrize("key", [MARKS_KEY, REGISTRY_KEY])
def test_a_kill_between_the_writes(
    twin: DirectoryObjects, databases: MongoDocuments, local: Path, key: str
) -> None:
    """Both files stay valid; what the marks say is told, and the next writer mends the registry."""
    marking.promote(twin, databases, VERSIONS[1], local, at=AT, who="me")
    before = twin.get(REGISTRY_KEY)[0]
    with pytest.raises(Unreachable, match="killed"):
        marking.promote(Dying(twin.root, key), databases, VERSIONS[2], local, at=AT, who="me")
    assert twin.get(REGISTRY_KEY)[0] == before == local.read_bytes()
    done = VERSIONS[1] if key == MARKS_KEY else VERSIONS[2]
    assert promoted(twin) == [str(done)]
    register(twin)
    stored = json.loads(twin.get(REGISTRY_KEY)[0])
    assert [e["version"] for e in stored if e.get("promoted")] == [str(done)]


def promoted(objects: ObjectStore) -> list[str]:
    """What the registry tells as promoted."""
    return [entry.version for entry in catalog.registry(objects) if entry.promoted]


def test_promotion_and_rollback(
    twin: DirectoryObjects, databases: MongoDocuments, local: Path
) -> None:
    """A rollback goes to the one before, another one further, and then there is none."""
    for version in (*VERSIONS[:3], VERSIONS[2]):
        marking.promote(twin, databases, version, local, at=AT, who="me")
        assert promoted(twin) == [str(version)]
    for version in (VERSIONS[1], VERSIONS[0]):
        after = marking.rollback(twin, databases, local, at=AT + timedelta(hours=1))
        assert promoted(twin) == [after.promoted] == [str(version)]
    with pytest.raises(Refused, match="there is no earlier promotion to return to"):
        marking.rollback(twin, databases, local, at=AT)
    assert [p.withdrawn is None for p in catalog.read_marks(twin).promotions] == [
        True,
        False,
        False,
    ]


def test_only_what_can_be_used_is_promoted(
    twin: DirectoryObjects, databases: MongoDocuments, local: Path
) -> None:
    """Not a version without metadata, or without its database: neither forward nor back."""
    with pytest.raises(NotFound, match="not a complete version"):
        marking.promote(twin, databases, Version.at(AT), local, at=AT, who="me")
    with pytest.raises(NotFound, match=f"restore {VERSIONS[5]} --to mongodb"):
        marking.promote(twin, databases, VERSIONS[5], local, at=AT, who="me")
    for version in VERSIONS[:2]:
        marking.promote(twin, databases, version, local, at=AT, who="me")
    databases.drop(mongodb_database(VERSIONS[0]))
    with pytest.raises(NotFound, match="does not exist or is not complete"):
        marking.rollback(twin, databases, local, at=AT)
    assert promoted(twin) == [str(VERSIONS[1])]


@dataclass(frozen=True)
class PrunedMeanwhile:
    """A bucket in which a prune that saw the marks as they were acts right after they change."""

    whole: DirectoryObjects
    prune: Callable[[], object]

    def __getattr__(self, name: str) -> Any:
        """All else is the bucket's."""
        return getattr(self.whole, name)

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write, and let the prune go on."""
        etag = self.whole.put(key, data, replacing=replacing)
        if key == MARKS_KEY:
            self.prune()
        return etag


def test_a_mark_that_came_too_late_is_none(
    twin: DirectoryObjects, databases: MongoDocuments, local: Path
) -> None:
    """What a prune took meanwhile is neither kept nor promoted: that is said, and no mark stays."""
    metadata = twin.root / "objects" / metadata_key(VERSIONS[0])
    pruned = PrunedMeanwhile(twin, lambda: metadata.unlink(missing_ok=True))
    with pytest.raises(NotFound, match="not a complete version"):
        marking.keep(pruned, VERSIONS[0], local, at=AT, who="me")
    assert catalog.read_marks(twin).pinned == {}
    marking.promote(twin, databases, VERSIONS[1], local, at=AT, who="me")
    dropped = PrunedMeanwhile(twin, lambda: databases.drop(mongodb_database(VERSIONS[2])))
    with pytest.raises(NotFound, match=f"restore {VERSIONS[2]} --to mongodb"):
        marking.promote(dropped, databases, VERSIONS[2], local, at=AT, who="me")
    assert promoted(twin) == [str(VERSIONS[1])]


def tagged(twin: DirectoryObjects) -> list[bool]:
    """Of each object of the test version, whether the bucket's rule would delete it."""
    return [bool(twin.tags(key)) for key in catalog.keys_of(VERSIONS[0], AS_DESCRIBED)]


def test_the_rule_for_tests_spares_what_is_kept(
    twin: DirectoryObjects, databases: MongoDocuments, local: Path
) -> None:
    """A test version is untagged while it is pinned, promoted or what a rollback goes to."""
    test, *others = VERSIONS[:3]
    marking.unkeep(twin, test, local)
    assert tagged(twin) == [True] * 4
    marking.keep(twin, test, local, at=AT, who="me")
    assert tagged(twin) == [False] * 4
    marking.unkeep(twin, test, local)
    assert tagged(twin) == [True] * 4
    marking.promote(twin, databases, test, local, at=AT, who="me")
    assert tagged(twin) == [False] * 4
    marking.promote(twin, databases, others[0], local, at=AT, who="me")
    assert tagged(twin) == [False] * 4
    marking.promote(twin, databases, others[1], local, at=AT, who="me")
    assert tagged(twin) == [True] * 4
    marking.rollback(twin, databases, local, at=AT)
    assert tagged(twin) == [False] * 4
    assert [bool(twin.tags(key)) for key in catalog.keys_of(others[0], AS_DESCRIBED)] == [False] * 4


@dataclass
class FailingTags:
    """A bucket that does not answer from the request of some number on that changes tags."""

    whole: DirectoryObjects
    left: int

    def __getattr__(self, name: str) -> Any:
        """All else is the bucket's."""
        return getattr(self.whole, name)

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Tag, if there are requests left."""
        if not self.left:
            raise Unreachable("503")
        self.left -= 1
        self.whole.tag(key, tags)


@pytest.mark.parametrize("command", ["keep", "promote", "rollback"])
@pytest.mark.parametrize("answered", range(4))
def test_no_protected_version_is_tagged_wherever_a_command_fails(
    twin: DirectoryObjects, databases: MongoDocuments, local: Path, command: str, answered: int
) -> None:
    """A mark is only made once the objects are untagged; the same command later makes it."""
    test, *others = VERSIONS[:3]
    if command == "rollback":
        for version in (test, *others):
            marking.promote(twin, databases, version, local, at=AT, who="me")
    else:
        marking.unkeep(twin, test, local)
    assert tagged(twin) == [True] * 4
    before = catalog.read_marks(twin)

    def run(objects: ObjectStore) -> None:
        if command == "keep":
            marking.keep(objects, test, local, at=AT, who="me")
        elif command == "promote":
            marking.promote(objects, databases, test, local, at=AT, who="me")
        else:
            marking.rollback(objects, databases, local, at=AT)

    with pytest.raises(Unreachable, match="503"):
        run(FailingTags(twin, answered))
    assert catalog.read_marks(twin) == before
    assert tagged(twin) == [True] * (4 - answered) + [False] * answered, "the metadata is the last"
    run(twin)
    assert tagged(twin) == [False] * 4
    assert str(test) in catalog.read_marks(twin).protected


@dataclass
class SlowTags:
    """A bucket in which somebody changes the marks before the first object is tagged."""

    whole: DirectoryObjects
    meanwhile: Callable[[], object]

    def __getattr__(self, name: str) -> Any:
        """All else is the bucket's."""
        return getattr(self.whole, name)

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Tag, after the other writer is done."""
        first, self.meanwhile = self.meanwhile, lambda: None
        first()
        self.whole.tag(key, tags)


def test_of_two_writers_of_marks_the_last_one_tags(twin: DirectoryObjects, local: Path) -> None:
    """A slow writer does not tag by its own marks what another one has pinned since."""
    slow = SlowTags(twin, lambda: marking.keep(twin, VERSIONS[0], local, at=AT, who="me"))
    marking.keep(twin, VERSIONS[0], local, at=AT, who="me")
    marking.unkeep(slow, VERSIONS[0], local)
    assert VERSIONS[0] in map(Version.parse, catalog.read_marks(twin).pinned)
    assert tagged(twin) == [False] * 4
    slow = SlowTags(twin, lambda: marking.unkeep(twin, VERSIONS[0], local))
    marking.keep(slow, VERSIONS[0], local, at=AT, who="me")
    assert tagged(twin) == [True] * 4


def test_a_pin_of_a_version_that_is_gone(twin: DirectoryObjects, local: Path) -> None:
    """It can be taken away; another version's cannot be made up."""
    marking.keep(twin, VERSIONS[1], local, at=AT, who="me")
    (twin.root / "objects" / metadata_key(VERSIONS[1])).unlink()
    assert marking.unkeep(twin, VERSIONS[1], local).pinned == {}
    for act in (marking.unkeep, lambda o, v, p: marking.annotate(o, v, "x", p)):
        with pytest.raises(NotFound, match="not a complete version"):
            act(twin, VERSIONS[1], local)


def test_damaged_marks_are_not_forgotten(twin: DirectoryObjects, local: Path) -> None:
    """Nobody changes them as if nothing was pinned; the registry keeps what it says of versions."""
    marking.keep(twin, VERSIONS[1], local, at=AT, who="me")
    before = catalog.registry(twin)
    (twin.root / "objects" / metadata_key(VERSIONS[7])).unlink()
    for damage in (b"{", b"[]", b"null", b"", b"\xff"):
        twin.put(MARKS_KEY, damage, replacing=twin.get(MARKS_KEY)[1])
        for act in (catalog.read_marks, lambda o: marking.unkeep(o, VERSIONS[0], local)):
            with pytest.raises(DamagedInput, match=r"version-marks\.json cannot be read"):
                act(twin)
        register(twin)
        assert catalog.registry(twin) == before[:7]
        assert catalog.known_marks(twin) is None


STEPS = st.sampled_from(["promote", "rollback", "keep", "unkeep", "annotate"])


@given(st.lists(st.tuples(STEPS, st.sampled_from(VERSIONS[:4]))))
def test_marks_against_a_stack(steps: list[tuple[str, Version]]) -> None:
    """Whatever is done in whatever order: a stack of promotions, a set of pins, a text each."""
    found, stack, pins, notes = Marks(), list[str](), set[str](), dict[str, str]()
    for step, version in steps:
        name = str(version)
        match step:
            case "promote":
                found = found.promoting(version, AT, "me")
                stack += [name] if stack[-1:] != [name] else []
            case "rollback" if len(stack) > 1:
                found = found.rolled_back(AT)
                stack.pop()
            case "keep":
                found = found.keeping(version, AT, "me")
                pins.add(name)
            case "unkeep":
                found = found.letting_go(version)
                pins.discard(name)
            case "annotate":
                found = found.annotated(version, f"{len(notes)}")
                notes[name] = f"{len(notes)}"
        assert found.promoted == (stack[-1] if stack else None)
        assert found.fallback == (stack[-2] if len(stack) > 1 else None)
        assert (set(found.pinned), found.notes) == (pins, notes)
        protected = {str(v) for v in VERSIONS if found.protection(v) is not None}
        assert protected == pins | set(stack[-2:])
        assert Marks.from_json(found.to_json()) == found
