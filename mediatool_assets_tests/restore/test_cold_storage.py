"""Every reader of a version whose archives lie in GLACIER: told when, then given the bytes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.compare.flow import open_both
from mediatool_assets.core.errors import InColdStorage
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key, metadata_key
from mediatool_assets.export.flow import adopt
from mediatool_assets.load.flow import LoadOptions, load
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Stores
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.verify.flow import verify
from mediatool_assets.versions.flow import fetch
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.finished import finish, load_and_dump, make
from mediatool_assets_tests.moto_server import QUIET, moto_bucket
from mediatool_assets_tests.twins import DirectoryObjects

pytestmark = QUIET

VERSION, OTHER = (Version(datetime(2003, 7, day, tzinfo=UTC)) for day in (1, 2))
KINDS = ("raw", "transformed", "dump")


@pytest.fixture(scope="module")
def made(
    settings: Settings, pool: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DirectoryObjects]:
    """A bucket with a complete version, and another's raw archive and metadata."""
    documents = MongoDocuments.of(settings)
    folder = tmp_path_factory.mktemp("bucket")
    objects = DirectoryObjects(folder / "objects")
    make(objects, VERSION)
    load_and_dump(objects, documents, pool, VERSION)
    finish(objects, documents, pool, VERSION, folder / "mongodb-versions.json")
    make(objects, OTHER)
    metadata, _ = objects.get(metadata_key(VERSION))
    other = metadata.replace(str(VERSION).encode(), str(OTHER).encode())
    objects.put(metadata_key(OTHER), other.replace(b"2003-07-01", b"2003-07-02"))
    yield objects
    documents.drop(mongodb_database(VERSION))


@pytest.fixture
def cold(made: DirectoryObjects) -> Iterator[S3Objects]:
    """The same in moto's S3, all archives in GLACIER; a copy is there as soon as asked for."""
    with moto_bucket() as objects:
        for info in made.list(""):
            archive = info.key.endswith(".tar.gz")
            objects.client.put_object(
                Bucket=objects.bucket,
                Key=info.key,
                Body=made.get(info.key)[0],
                StorageClass="GLACIER" if archive else "STANDARD",
            )
        yield objects


Read = Callable[[S3Objects, MongoDocuments, Workspace, Path], object]
READERS: dict[str, Read] = {
    "fetch": lambda objects, _, __, folder: fetch(objects, VERSION, "raw", folder),
    "compare": lambda objects, _, __, ___: open_both(
        *[partial(objects.open, archive_key("raw", VERSION))] * 2
    ),
    "adopt": lambda objects, _, pool, __: adopt(objects, pool.executor, VERSION),
    "load": lambda objects, documents, pool, _: load(
        objects,
        documents,
        pool,
        VERSION,
        LoadOptions(database=mongodb_database(OTHER), replace=True),
    ),
    "dump": lambda objects, documents, pool, _: load(
        objects,
        documents,
        pool,
        VERSION,
        LoadOptions(kind="dump", database=mongodb_database(OTHER), replace=True),
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_is_told_and_reads_later(
    cold: S3Objects, documents: MongoDocuments, pool: Workspace, tmp_path: Path, name: str
) -> None:
    """The first attempt asks for the copy and leaves nothing; the second does the work."""
    with pytest.raises(InColdStorage, match=r"GLACIER; a copy .* and is available by"):
        READERS[name](cold, documents, pool, tmp_path)
    assert not any(tmp_path.iterdir())
    assert READERS[name](cold, documents, pool, tmp_path)
    documents.drop(mongodb_database(OTHER))


def test_a_comparison_asks_for_both_sides_at_once(cold: S3Objects) -> None:
    """Nobody waits five hours to be told to wait for the other side."""
    given = [partial(cold.open, archive_key("raw", each)) for each in (VERSION, OTHER)]
    with pytest.raises(InColdStorage, match=str(OTHER)):  # the one that is there last
        open_both(*given)
    one, other = open_both(*given)
    assert ArchiveReader(one).manifest.version == str(VERSION)
    assert ArchiveReader(other).manifest.version == str(OTHER)


def test_postgres_gets_no_database_before_its_archive_is_there(
    cold: S3Objects, settings: Settings, pool: Workspace
) -> None:
    """The server is not even asked."""
    target = PostgresTarget.of(settings)
    with pytest.raises(InColdStorage, match="was requested"):
        restore_postgres(cold, target, pool, VERSION)
    assert ArchiveReader(cold.open(archive_key("raw", VERSION))).manifest.version == str(VERSION)


def test_what_was_not_read_is_not_passed(
    cold: S3Objects, documents: MongoDocuments, pool: Workspace
) -> None:
    """A verification asks for every archive, finds nothing out, and then passes."""

    def outcomes() -> list[str]:
        verdict = verify(Stores(cold, documents), pool, VERSION)
        return [check.outcome for check in verdict.checks if check.part in KINDS]

    assert outcomes() == ["unknown"] * 3
    assert outcomes() == ["passed"] * 3
