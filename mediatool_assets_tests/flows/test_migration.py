"""Migration of an older bucket: both documents move, and no mark is lost whoever writes besides."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.domain.errors import AlreadyExists, DamagedInput, Refused, Unreachable
from mediatool_assets.domain.keys import (
    MARKS_KEY,
    METADATA_PREFIX,
    OLD_MARKS_KEY,
    OLD_REGISTRY_KEY,
    REGISTRY_KEY,
    metadata_key,
)
from mediatool_assets.domain.marks import Marks
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.bucket.migration import migrate
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import catalog, marking, marks
from mediatool_assets.flows.versions.registry import register
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_deletion import S3Deletion
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.twins import DirectoryObjects

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
VERSIONS = [Version.parse(f"20240621-14300{second}") for second in range(8)]
MARKED = (
    Marks()
    .annotated(VERSIONS[0], "the first")
    .keeping(VERSIONS[1], AT, "me")
    .promoting(VERSIONS[2], AT, "me")
)


def older(objects: ObjectStore) -> None:
    """Fill a bucket as the version before 2026-11-28 left it."""
    for version in VERSIONS:
        objects.put(metadata_key(version), example(str(version)).to_json())
    objects.put(OLD_REGISTRY_KEY, b"[]")
    objects.put(OLD_MARKS_KEY, MARKED.to_json())


def keep_as_before(objects: ObjectStore, version: Version) -> None:
    """What ``mediatool keep`` of the version before 2026-11-28 did; raises MsgspecError, it too."""
    while True:
        found, etag = objects.get(OLD_MARKS_KEY) if objects.head(OLD_MARKS_KEY) else (b"{}", None)
        edited = msgspec.json.decode(found, type=Marks).keeping(version, AT, "older")
        with suppress(AlreadyExists):
            objects.put(OLD_MARKS_KEY, edited.to_json(), replacing=etag)
            return


@dataclass(frozen=True)
class TwinDeletion:
    """A Deletion of a twin, as far as a migration needs it."""

    objects: DirectoryObjects

    def hide(self, key: str) -> None:
        """Delete the object."""
        (self.objects.root / "objects" / key).unlink()

    def __getattr__(self, name: str) -> object:
        """No other method is there."""
        raise AttributeError(name)


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """An older bucket."""
    objects = DirectoryObjects(tmp_path / "bucket")
    older(objects)
    return objects


def test_an_older_bucket_is_read(twin: DirectoryObjects, tmp_path: Path) -> None:
    """Its marks are told, a run registers its version; a change asks for the move first."""
    assert marks.read(twin) == MARKED
    register(twin)
    (promoted,) = (entry.version for entry in catalog.registry(twin) if entry.promoted)
    assert promoted == str(VERSIONS[2])
    local = tmp_path / "mongodb-versions.json"
    with pytest.raises(Refused, match="mediatool bucket migrate"):
        marking.keep(twin, VERSIONS[3], local, at=AT, who="me")
    assert marks.read(twin) == MARKED


def test_both_documents_move(objects: S3Objects, tmp_path: Path) -> None:
    """Afterwards nothing but metadata is under its prefix, and marks change; once is enough."""
    older(objects)
    assert migrate(objects, S3Deletion(objects)) == (OLD_MARKS_KEY, OLD_REGISTRY_KEY)
    assert marks.read(objects) == MARKED
    keys = [info.key for info in objects.list("")]
    assert keys == [REGISTRY_KEY, *map(metadata_key, VERSIONS), MARKS_KEY]
    marking.keep(objects, VERSIONS[3], tmp_path / "r.json", at=AT, who="me")
    assert migrate(objects, S3Deletion(objects)) == ()
    assert marks.read(objects).pinned.keys() == {str(VERSIONS[1]), str(VERSIONS[3])}


def test_no_mark_of_an_older_tool_is_lost(objects: S3Objects) -> None:
    """Of eight that mark during the move each has its mark in the end, or was refused."""
    older(objects)

    def keep(version: Version) -> bool:
        try:
            keep_as_before(objects, version)
        except msgspec.MsgspecError:
            return False
        return True

    with ThreadPoolExecutor(9) as threads:
        kept = [threads.submit(keep, version) for version in VERSIONS]
        moved = threads.submit(migrate, objects, S3Deletion(objects))
        taken = {str(v) for v, done in zip(VERSIONS, kept, strict=True) if done.result()}
        assert OLD_MARKS_KEY in moved.result()
    migrate(objects, S3Deletion(objects))  # of those that came after it
    assert marks.read(objects).pinned.keys() == taken | {str(VERSIONS[1])}
    assert marks.read(objects).promoted == str(VERSIONS[2])
    assert [info.key for info in objects.list(METADATA_PREFIX)] == list(map(metadata_key, VERSIONS))


@dataclass(frozen=True)
class Dying(DirectoryObjects):
    """A bucket whose writer dies before a write."""

    lives: Iterator[int] = field(default_factory=lambda: iter(()))

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write, or die."""
        if next(self.lives, None) is None:
            raise Unreachable("killed")
        return super().put(key, data, replacing=replacing)


@pytest.mark.parametrize("lives", range(4))
def test_a_killed_move_is_finished_by_the_next(
    twin: DirectoryObjects, tmp_path: Path, lives: int
) -> None:
    """The marks can be read at every moment; what was changed meanwhile is not changed back."""
    local = tmp_path / "r.json"
    dying = Dying(twin.root, iter(range(lives)))
    with pytest.raises(Unreachable):
        migrate(dying, TwinDeletion(twin))  # type: ignore[arg-type]  # as far as it is needed
    assert marks.read(twin) == MARKED
    if lives:
        with pytest.raises(msgspec.MsgspecError):
            keep_as_before(twin, VERSIONS[5])
    if lives == 3:
        marking.unkeep(twin, VERSIONS[1], local)
    assert len(migrate(twin, TwinDeletion(twin))) == 2  # type: ignore[arg-type]  # as above
    assert bool(marks.read(twin).pinned) == (lives < 3)
    assert marks.read(twin).promoted == MARKED.promoted
    assert not any("mongodb" in info.key for info in twin.list(METADATA_PREFIX))


def test_what_an_older_tool_marks_later_is_merged(twin: DirectoryObjects) -> None:
    """It finds no marks any more and begins a document; the next move takes that along."""
    migrate(twin, TwinDeletion(twin))  # type: ignore[arg-type]  # as above
    keep_as_before(twin, VERSIONS[6])
    assert str(VERSIONS[6]) not in marks.read(twin).pinned
    assert migrate(twin, TwinDeletion(twin)) == (OLD_MARKS_KEY,)  # type: ignore[arg-type]  # as above
    assert marks.read(twin) == MARKED.keeping(VERSIONS[6], AT, "older")


def test_marks_that_cannot_be_read_stay_where_they_are(twin: DirectoryObjects) -> None:
    """A move is refused, and changes nothing."""
    _, etag = twin.get(OLD_MARKS_KEY)
    twin.put(OLD_MARKS_KEY, b"[]", replacing=etag)
    with pytest.raises(DamagedInput, match=r"mongodb-versions-marks\.json cannot be read"):
        migrate(twin, TwinDeletion(twin))  # type: ignore[arg-type]  # as above
    assert twin.get(OLD_MARKS_KEY)[0] == b"[]"
    assert twin.head(MARKS_KEY) is None
