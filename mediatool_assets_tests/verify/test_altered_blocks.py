"""A block that somebody changed is refused by whoever reads it, and named."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import bson
import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.compare.flow import compare
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.version import Kind, Version, archive_key, bson_member
from mediatool_assets.load.flow import load
from mediatool_assets.query.handles import archive_of
from mediatool_assets.query.session import ParquetCache, query_session, tables_of
from mediatool_assets.sanitize.flow import LocalFolder, Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.versions import catalog
from mediatool_assets.versions.flow import fetch_member
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.altered_archives import altered
from mediatool_assets_tests.complete_versions import USERS, complete, users
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.transformed import transformed
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version.parse("20250621-143000")
OTHER = Version.parse("20250622-143000")
NAMES = [f"Ada Ashgrove {n:02}" for n in range(50)]
TEAMS = table("teams", id="integer")
PLACE = r"users\.ndjson, block 3 of 4 \(bytes \d+-\d+\): it does not have its SHA-256"
RULES = "tables: {users: {id: keep, name: redact}, teams: {id: keep}}"


@dataclass(frozen=True)
class Bench:
    """A version of which a block of ``users`` was changed, and what reads it."""

    objects: DirectoryObjects
    pool: Workspace
    scratch: Path

    @property
    def raw(self) -> ArchiveReader:
        """The changed archive."""
        return catalog.reader(self.objects, "raw", VERSION)


@pytest.fixture
def bench(pool: Workspace, tmp_path: Path) -> Bench:
    """Two versions; in the first one's archive a name is another, and nothing else."""
    objects = DirectoryObjects(tmp_path / "bucket")
    complete(objects, str(OTHER), {TEAMS: [{"id": 1}], USERS: users(*NAMES, "one more")})
    complete(objects, str(VERSION), {TEAMS: [{"id": 1}], USERS: users(*NAMES)})
    alter(objects, "raw", "users.ndjson", tmp_path / "altered")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Bench(objects, pool, scratch)


def alter(objects: DirectoryObjects, kind: Kind, name: str, path: Path) -> None:
    """Put an archive with another Ada in the place of the version's own."""
    source = objects.open(archive_key(kind, VERSION))
    altered(ArchiveReader(source), name, b"Ashgrove 30", b"Bellwood 30", path)
    objects.put(archive_key(kind, VERSION), path.read_bytes(), replacing=source.etag)


def by_fetch(bench: Bench) -> None:
    """One table from the bucket."""
    fetch_member(bench.objects, VERSION, "raw", "users", bench.scratch / "out")


def by_io_manager(bench: Bench) -> None:
    """Row by row, as assets of others read."""
    list(archive_of(bench.objects, "raw", VERSION).table("users"))


def by_arrow(bench: Bench) -> None:
    """Whole, as a data frame."""
    archive_of(bench.objects, "raw", VERSION).table("users").to_arrow()


def by_sql(bench: Bench) -> None:
    """A query."""
    cache = ParquetCache(bench.scratch / "cache", 1 << 30)
    with query_session([tables_of(bench.raw)], cache, bench.scratch) as session:
        session.run_all("SELECT count(*) FROM users")


def by_sanitize(bench: Bench) -> None:
    """A sanitized copy."""
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    place, key = LocalFolder(bench.scratch / "out"), MaskingKey(bytes(range(32)))
    source = bench.raw.source
    sanitize(source, place, "out.tar.gz", bench.pool, Sanitizing(load_rules(rules), key))


def by_compare(bench: Bench) -> None:
    """The problem that a comparison reports of that side."""
    sides = bench.raw.source, catalog.reader(bench.objects, "raw", OTHER).source
    found = compare(sides, replace(bench.pool, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)))
    assert found.verdict == "unknown"
    raise BadArchive(bench.raw.source.name, str(found.errors))


def by_verify(bench: Bench) -> None:
    """Every file, whole."""
    for member in bench.raw.manifest.members:
        bench.raw.verify(member)


READERS = [by_fetch, by_io_manager, by_arrow, by_sql, by_sanitize, by_compare, by_verify]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_changed_block_is_refused(bench: Bench, read: Callable[[Bench], None]) -> None:
    """Every reader names the archive, the table and the block, and leaves nothing behind."""
    with pytest.raises(BadArchive, match=PLACE) as caught:
        read(bench)
    assert archive_key("raw", VERSION) in str(caught.value)
    assert not [*bench.scratch.rglob("*.ndjson"), *bench.scratch.rglob("*.tar.gz")]
    assert not list(bench.scratch.rglob("*.parquet"))


def test_other_tables_of_the_archive_are_read(bench: Bench) -> None:
    """A range is proven by itself: what was not changed is as good as ever."""
    path = fetch_member(bench.objects, VERSION, "raw", "teams", bench.scratch / "out")
    assert path == bench.scratch / "out" / str(VERSION) / "teams.ndjson"
    assert path.read_bytes() == b'{"id":1}\n'


def test_a_changed_document_is_not_loaded(
    documents: MongoDocuments, pool: Workspace, tmp_path: Path
) -> None:
    """Nor is a database left of what was inserted before it."""
    objects, database = DirectoryObjects(tmp_path / "bucket"), mongodb_database(VERSION)
    people = [bson.encode({"_id": n, "name": name}) for n, name in enumerate(NAMES)]
    transformed(objects, VERSION, {"users": people})
    name = bson_member(database, "users")
    alter(objects, "transformed", name, tmp_path / "altered")
    with pytest.raises(BadArchive, match=rf"{name}, block \d of \d .*: it does not have its SHA"):
        load(objects, documents, pool, VERSION)
    assert not documents.exists(database)
