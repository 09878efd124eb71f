"""Fetching: the file is there only when every byte of it is right."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import BadArchive, NotFound, Refused
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key, metadata_key
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.versions import catalog
from mediatool_assets.versions.flow import fetch
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.finished import finish, load_and_dump, make
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2003, 1, 1, tzinfo=UTC))
KINDS: list[VersionArchive] = ["raw", "transformed", "dump"]


@pytest.fixture(scope="module")
def made(
    settings: Settings, pool: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DirectoryObjects]:
    """A bucket with one complete version."""
    documents = MongoDocuments.of(settings)
    folder = tmp_path_factory.mktemp("bucket")
    objects = DirectoryObjects(folder / "objects")
    make(objects, VERSION)
    load_and_dump(objects, documents, pool, VERSION)
    finish(objects, documents, pool, VERSION, folder / "mongodb-versions.json")
    yield objects
    documents.drop(mongodb_database(VERSION))


@pytest.fixture
def bucket_twin(made: DirectoryObjects, tmp_path: Path) -> DirectoryObjects:
    """A copy of it, to be damaged."""
    objects = DirectoryObjects(tmp_path / "copy")
    for info in made.list(""):
        objects.put(info.key, made.get(info.key)[0])
    return objects


@pytest.mark.parametrize("kind", KINDS)
def test_fetched(bucket_twin: DirectoryObjects, tmp_path: Path, kind: VersionArchive) -> None:
    """The archive is in the folder under its own name, byte for byte, and nothing else is."""
    folder = tmp_path / "new" / "folder"
    path = fetch(bucket_twin, VERSION, kind, folder)
    key = archive_key(kind, VERSION)
    assert path == folder / Path(key).name
    assert path.read_bytes() == bucket_twin.get(key)[0]
    assert list(folder.iterdir()) == [path]


def test_progress(bucket_twin: DirectoryObjects, tmp_path: Path) -> None:
    """Whoever watches is told the bytes that have come, up to all of them."""
    told: list[tuple[object, ...]] = []
    path = fetch(
        bucket_twin,
        VERSION,
        "raw",
        tmp_path,
        progress=lambda *report: told.append(report),
    )
    size = path.stat().st_size
    assert told[-1] == ("fetch", size, size, "bytes")


def test_a_file_that_is_there(bucket_twin: DirectoryObjects, tmp_path: Path) -> None:
    """The same file is kept as it is; another one is neither taken nor touched."""
    path = fetch(bucket_twin, VERSION, "raw", tmp_path)
    before = path.stat()
    assert fetch(bucket_twin, VERSION, "raw", tmp_path) == path
    assert path.stat() == before
    path.write_bytes(b"mine")
    with pytest.raises(Refused, match=r"raw\.tar\.gz exists already"):
        fetch(bucket_twin, VERSION, "raw", tmp_path)
    assert path.read_bytes() == b"mine"


def test_a_version_that_is_not_complete(bucket_twin: DirectoryObjects, tmp_path: Path) -> None:
    """An archive of a version without metadata is not offered, though it is there."""
    other = Version.parse("20030102-000000")
    raw = bucket_twin.get(archive_key("raw", VERSION))[0]
    bucket_twin.put(archive_key("raw", other), raw)
    with pytest.raises(NotFound, match="not a complete version"):
        fetch(bucket_twin, other, "raw", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", ["a byte", "the end", "everything"])
def test_a_damaged_archive(bucket_twin: DirectoryObjects, tmp_path: Path, change: str) -> None:
    """Of an archive that is not what was published no file is left, not even a part."""
    key = archive_key("dump", VERSION)
    data = bytearray(bucket_twin.get(key)[0])
    if change == "a byte":
        data[len(data) // 2] ^= 1
    elif change == "the end":
        del data[-1]
    else:
        data[:] = b"another"
    bucket_twin.put(key, bytes(data), replacing=bucket_twin.open(key).etag)
    with pytest.raises(BadArchive, match="SHA-256"):
        fetch(bucket_twin, VERSION, "dump", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_members_are_verified(bucket_twin: DirectoryObjects, tmp_path: Path) -> None:
    """An archive that was damaged before its SHA-256 was taken does not pass either."""
    key = archive_key("raw", VERSION)
    data = bytearray(bucket_twin.get(key)[0])
    member = bucket_twin.open(key)
    block = _first_block(bucket_twin, key)
    data[block + 12] ^= 1
    bucket_twin.put(key, bytes(data), replacing=member.etag)
    _sign(bucket_twin, bytes(data))
    with pytest.raises(BadArchive):
        fetch(bucket_twin, VERSION, "raw", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def _first_block(objects: DirectoryObjects, key: str) -> int:
    return ArchiveReader(objects.open(key)).manifest.members[0].blocks[0].offset


def _sign(objects: DirectoryObjects, data: bytes) -> None:
    """Have the metadata say that ``data`` is the raw archive."""
    metadata = catalog.read(objects, VERSION)
    raw = msgspec.structs.replace(metadata.exports.raw, sha256=hashlib.sha256(data).hexdigest())
    exports = msgspec.structs.replace(metadata.exports, raw=raw)
    changed = msgspec.structs.replace(metadata, exports=exports).to_json()
    key = metadata_key(VERSION)
    objects.put(key, changed, replacing=objects.open(key).etag)
