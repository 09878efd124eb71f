"""Archives of format 1, as they were written until 2026-11-28: read and verified for ever.

``format_1/`` is the bucket of a small version with its model, made by the tool of that day.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile, split_lines
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.compare.flow import compare
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.manifest import Manifest, Member
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.load.flow import load
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Stores
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.transform.flow import transform
from mediatool_assets.verify.flow import verify
from mediatool_assets.versions.flow import fetch
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database, postgres_database
from mediatool_assets_tests.twins import DirectoryObjects

BUCKET = Path(__file__).with_name("format_1")
VERSION = Version.parse("20250621-143000")
KINDS: tuple[VersionArchive, ...] = ("raw", "transformed", "dump")
NOW = datetime(2026, 11, 28, tzinfo=UTC)
ROWS = {"customers": 40, "orders": 2400, "returns": 0}


@pytest.fixture
def old(tmp_path: Path) -> DirectoryObjects:
    """The old bucket, to write in."""
    shutil.copytree(BUCKET, tmp_path / "old" / "objects")
    return DirectoryObjects(tmp_path / "old")


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_whole(kind: VersionArchive) -> None:
    """Every kind of archive: its index, its tar headers, every file and fingerprint."""
    archive = ArchiveReader(LocalFile(BUCKET / archive_key(kind, VERSION)))
    assert archive.manifest.format == "mediatool-archive/1"
    archive.check_tar()
    for member in archive.manifest.members:
        assert (member.digest, len(member.sha256)) == ("", 64)
        archive.verify(member)


def test_a_changed_row_is_found_where_the_file_is_read_whole(tmp_path: Path) -> None:
    """Format 1 cannot prove a block, yet gzip's CRC and the file's SHA-256 find a changed byte."""
    data = bytearray((BUCKET / archive_key("raw", VERSION)).read_bytes())
    path = tmp_path / "a.tar.gz"
    path.write_bytes(data)
    member = ArchiveReader(LocalFile(path)).member("orders.ndjson")
    data[member.blocks[1].offset + 400] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadArchive, match=r"orders\.ndjson, block 2 of 3"):
        ArchiveReader(LocalFile(path)).verify(member)


def test_a_file_with_another_sha_256_is_refused() -> None:
    """Read whole, or as a stream; it is named."""
    archive = ArchiveReader(LocalFile(BUCKET / archive_key("raw", VERSION)))
    assert archive.read_file("schema.sql").startswith(b"--")
    (old,) = (member for member in archive.manifest.members if member.name == "schema.sql")
    other = msgspec.structs.replace(old, sha256="0" * 64)
    archive._index = replace(archive._index, manifest=_with(archive.manifest, other))
    for read in (lambda: archive.read_file("schema.sql"), lambda: archive.verify(other)):
        with pytest.raises(BadArchive, match=r"schema\.sql does not have its SHA-256"):
            read()


def _with(manifest: Manifest, member: Member) -> Manifest:
    members = (member if each.name == member.name else each for each in manifest.members)
    return msgspec.structs.replace(manifest, members=tuple(members))


@pytest.fixture
def target(settings: Settings, documents: MongoDocuments) -> Iterator[PostgresTarget]:
    """The server of restored databases; those of the version are dropped behind."""
    target = PostgresTarget.of(settings)
    yield target
    target.drop(postgres_database(VERSION))
    documents.drop(mongodb_database(VERSION))


def test_a_version_is_loaded_restored_verified_and_fetched(
    old: DirectoryObjects,
    documents: MongoDocuments,
    target: PostgresTarget,
    pool: Workspace,
    tmp_path: Path,
) -> None:
    """All that reads a version reads that of the old format; what was half made is adopted."""
    load(old, documents, pool, VERSION)
    assert restore_postgres(old, target, pool, VERSION).rows == ROWS
    verdict = verify(Stores(old, documents, target), replace(pool, clock=lambda: NOW), VERSION)
    assert verdict.outcome == "passed", verdict.checks
    for kind in KINDS:
        assert fetch(old, VERSION, kind, tmp_path / "fetched").is_file()
    archived = transform(old, pool, VERSION, load_model(BUCKET / "model.yaml"))
    assert archived.manifest.format == "mediatool-archive/1"


def test_it_is_compared_with_an_archive_of_today(pool: Workspace, tmp_path: Path) -> None:
    """Row by row: the one that was changed is the only difference."""
    old = LocalFile(BUCKET / archive_key("raw", VERSION))
    new = tmp_path / "new.tar.gz"
    rewrite(ArchiveReader(old), new, tmp_path)
    found = compare((old, LocalFile(new)), replace(pool, clock=lambda: NOW))
    assert (found.verdict, found.errors) == ("different", ())
    assert {name for name, each in found.details.items() if each.differs} == {"orders"}
    assert found.details["orders"].changed == 1


def rewrite(archive: ArchiveReader, path: Path, scratch: Path) -> None:
    """The archive in today's format, with another total of order 7."""
    with path.open("wb") as file:
        writer = ArchiveWriter(file, "raw", VERSION)
        for member in archive.manifest.members:
            content = b"".join(archive.blocks(member.blocks))
            if member.table is None:
                writer.add_file(member.name, content)
                continue
            rows = [row.replace(b'"8.75"', b'"8.76"') for row in split_lines(content)]
            spool = spool_rows(scratch / "spool", [rows])
            writer.add_rows(member.name, [spool], table=member.table)
        writer.finish()
