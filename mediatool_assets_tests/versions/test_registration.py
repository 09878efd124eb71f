"""The registry: many writers, none of whose entries is lost, and a local copy that is whole."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.core import metadata
from mediatool_assets.core.metadata import RegistryEntry
from mediatool_assets.core.version import REGISTRY_KEY, Version, metadata_key
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_bucket import S3Deletion
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import keep_newest_last, register, write_local_registry
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.twins import DirectoryObjects

VERSIONS = [f"20250621-14300{second}" for second in range(8)]


def finish(objects: ObjectStore, version: str, local: Path) -> None:
    """What the end of each run does, after its archives are there."""
    objects.put(metadata_key(Version.parse(version)), example(version).to_json())
    register(objects)
    write_local_registry(objects, local)


@pytest.fixture
def threads() -> Iterator[Executor]:
    """Eight writers in one process."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.mark.parametrize("writers", ["processes", "threads"])
def test_runs_that_finish_together(
    objects: S3Objects, tmp_path: Path, writers: str, request: pytest.FixtureRequest
) -> None:
    """Of runs that finish at once, as threads or as processes, each one's entry is there."""
    executor: Executor = request.getfixturevalue(writers)
    local = tmp_path / "mongodb-versions.json"
    for future in [executor.submit(finish, objects, version, local) for version in VERSIONS]:
        future.result()
    stored, _ = objects.get(REGISTRY_KEY)
    assert [entry["version"] for entry in json.loads(stored)] == VERSIONS
    assert local.read_bytes() == stored


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """A bucket with four complete versions and no registry."""
    objects = DirectoryObjects(tmp_path / "objects")
    for version in VERSIONS[:4]:
        objects.put(metadata_key(Version.parse(version)), example(version).to_json())
    return objects


WHOLE = tuple(RegistryEntry.of(example(version)) for version in VERSIONS[:4])


@pytest.mark.parametrize(
    "stored",
    [
        None,
        b"",
        b"[",
        b"[]",
        metadata.registry_to_json(WHOLE[1:3]),
        metadata.registry_to_json(WHOLE[::-1]),
    ],
    ids=["none", "empty file", "damaged", "empty", "entries missing", "disordered"],
)
def test_the_registry_is_made_whole(twin: DirectoryObjects, stored: bytes | None) -> None:
    """Whatever was there, after a registration each complete version has its entry, in order."""
    if stored is not None:
        twin.put(REGISTRY_KEY, stored)
    register(twin)
    assert metadata.registry_from_json(twin.get(REGISTRY_KEY)[0]) == WHOLE == catalog.registry(twin)


def test_a_version_that_is_gone(twin: DirectoryObjects) -> None:
    """An entry whose version has no metadata file any more goes with it."""
    register(twin)
    (twin.root / "objects" / metadata_key(Version.parse(VERSIONS[0]))).unlink()
    register(twin)
    assert catalog.registry(twin) == WHOLE[1:]


def test_nothing_new(twin: DirectoryObjects) -> None:
    """A registry that is up to date is not written again."""
    register(twin)
    before = twin.head(REGISTRY_KEY)
    register(twin)
    assert twin.head(REGISTRY_KEY) == before


def test_the_newest_version_is_the_last_of_a_listing(objects: S3Objects) -> None:
    """Also after the metadata of older days was written: the same bytes, under the same tags."""
    backfilled = [VERSIONS[2], VERSIONS[0], VERSIONS[1]]
    for version in backfilled:
        metadata_of = msgspec.structs.replace(example(version), purpose="testing")
        objects.put(metadata_key(Version.parse(version)), metadata_of.to_json())
    newest = metadata_key(Version.parse(VERSIONS[2]))
    before = objects.get(newest)[0]
    keep_newest_last(objects)
    *others, last = sorted(
        (info.modified.replace(microsecond=0), info.size, info.key) for info in objects.list("")
    )
    assert last[2] == newest
    assert last[0] > others[-1][0]
    assert objects.get(newest)[0] == before
    assert S3Deletion(objects).tags(newest) == {"purpose": "testing"}
    written = objects.head(newest)
    keep_newest_last(objects)
    assert objects.head(newest) == written


def test_the_local_file(twin: DirectoryObjects, tmp_path: Path) -> None:
    """The local file has the bucket's bytes, its folder is made, and nothing else is left there."""
    register(twin)
    local = tmp_path / "home" / "mongodb-versions.json"
    write_local_registry(twin, local)
    write_local_registry(twin, local)
    assert local.read_bytes() == twin.get(REGISTRY_KEY)[0]
    assert list(local.parent.iterdir()) == [local]
    assert stat.S_IMODE(local.stat().st_mode) == 0o644


def test_the_local_file_is_replaced_whole(
    twin: DirectoryObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that fails half way leaves the old file, every byte, and no other."""
    register(twin)
    local = tmp_path / "home" / "mongodb-versions.json"
    write_local_registry(twin, local)
    before = local.read_bytes()
    complete: Callable[[int], None] = os.fsync

    def fail(descriptor: int) -> None:
        complete(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_local_registry(twin, local)
    assert local.read_bytes() == before
    assert list(local.parent.iterdir()) == [local]
