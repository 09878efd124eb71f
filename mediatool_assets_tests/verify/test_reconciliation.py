"""Accounting: a version whose counts do not add up from the source to the dump is not published."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.core.errors import BadArchive, CheckFailed, CountMismatch, NotFound, Refused
from mediatool_assets.core.manifest import FORMAT, ArchiveKind, Manifest, Member
from mediatool_assets.core.setting_values import Targets
from mediatool_assets.core.version import AS_DESCRIBED, DatabaseNames, Version
from mediatool_assets.stores.ports import DocumentStore
from mediatool_assets.verify.publish import (
    VersionArchives,
    compare,
    homes_in_all,
    losses,
    unresolved,
)
from mediatool_assets.versions.catalog import publish, require_source_counts, source_counts
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version.parse("20250621-143000")
HOMES = {"documents": 2, "embedded": 1, "orphans": 1, "folded": 0, "left_out": 0}
PRINT = "2:" + "a" * 32
OTHER = "2:" + "b" * 32


@dataclass(frozen=True)
class Marked:
    """A document store whose database has this marker."""

    fingerprint: str | None = PRINT
    database_names: DatabaseNames = AS_DESCRIBED

    def marker(self, database: str) -> dict[str, object] | None:
        """The marker."""
        assert database == "mediatool_20250621-143000"
        if self.fingerprint is None:
            return None
        content: dict[str, object] = {"users": self.fingerprint}
        return {"documents": {"users": 2}, "fingerprints": content, "bytes": {"users": 9}}


def archive(kind: ArchiveKind, *members: Member, **facts: object) -> ArchiveReader:
    """What reconciliation reads of an archive: its name and its manifest."""
    manifest = Manifest(FORMAT, kind, str(VERSION), members, facts=facts)
    return cast(
        ArchiveReader, SimpleNamespace(source=SimpleNamespace(name=kind), manifest=manifest)
    )


def made(
    rows: dict[str, Any] | None = None, *, into: str = PRINT, dumped: str = PRINT, table: int = 4
) -> VersionArchives:
    """A version; by default its counts add up."""
    counts = {"users": {"in": 4, **HOMES}} if rows is None else rows
    collection = Member("users.bson", 2, 9, (), fingerprint=into, collection="users")
    return VersionArchives(
        archive("raw", Member("users.ndjson", table, 9, (), table="users"), counted={"users": 4}),
        archive("transformed", collection, rows=counts),
        archive("dump", Member("u.bson", 2, 9, (), fingerprint=dumped, collection="users")),
    )


def account(version: VersionArchives, documents: Marked | None = Marked()) -> None:
    """Compare; the store is what reconciliation asks of one."""
    compare(version, cast(DocumentStore, documents), VERSION)


def test_what_adds_up_passes() -> None:
    """Every row has a home, and database and dump have the documents of the archive."""
    account(made())


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ({"users": {"in": 3, **HOMES}}, "rows transformed"),
        ({"users": {"in": 5, **HOMES}}, "rows transformed"),
        ({"users": HOMES}, "rows transformed"),
        ({"users": {"in": 4, **HOMES, "orphans": 0}}, "rows that are accounted for"),
        ({"users": {"in": 4, **HOMES, "folded": 1}}, "rows that are accounted for"),
        ({"users": {"in": 4, "documents": 2}}, "rows that are accounted for"),
    ],
)
def test_a_row_without_a_home(rows: dict[str, dict[str, int]], problem: str) -> None:
    """One that is lost, or counted twice, keeps the version from being published."""
    with pytest.raises(CountMismatch, match=problem):
        account(made(rows))


def test_what_is_not_counted_is_none() -> None:
    """A home that the archive does not name has no rows."""
    account(made({"users": {"in": 4, "documents": 4}}))
    with pytest.raises(CountMismatch) as caught:
        account(made({"users": {"in": 4, "documents": 2}}))
    assert (caught.value.expected, caught.value.found) == (4, 2)
    rows = {"a": {"in": 4, "documents": 4}, "b": {"in": 3, "embedded": 2, "orphans": 1}}
    assert homes_in_all(archive("transformed", rows=rows)) == {
        "documents": 4, "embedded": 2, "orphans": 1, "folded": 0, "left_out": 0,
    }  # fmt: skip


@pytest.mark.parametrize("rows", [{}, {"users": {"in": 4, **HOMES}, "more": {"in": 0}}])
def test_a_table_in_one_of_two(rows: dict[str, dict[str, int]]) -> None:
    """Each table of the raw archive is accounted for, and no other."""
    odd = "more" if rows else "users"
    with pytest.raises(
        CheckFailed, match=f"tables {odd}: only in the raw or only in the transformed archive"
    ):
        account(made(rows))


@pytest.mark.parametrize(
    ("version", "documents", "problem"),
    [
        (made(), Marked(OTHER), "documents loaded"),
        (made(dumped=OTHER), Marked(), "documents dumped"),
        (made(into=OTHER, dumped=OTHER), Marked(), "documents loaded"),
    ],
)
def test_other_documents(version: VersionArchives, documents: Marked, problem: str) -> None:
    """Database and dump have to have the fingerprints of the transformed archive."""
    with pytest.raises(CountMismatch, match=problem):
        account(version, documents)


def test_a_collection_in_one_of_two() -> None:
    """A dump without a collection, or with one more, is another."""
    version = made()
    empty = archive("dump")
    with pytest.raises(CountMismatch, match="documents dumped"):
        account(replace(version, dump=empty))
    assert version.dump is not None
    more = Member("more.bson", 1, 9, (), fingerprint=PRINT, collection="more")
    with pytest.raises(CountMismatch, match="documents dumped"):
        account(
            replace(version, dump=archive("dump", *version.dump.manifest.members, more)),
        )


@pytest.mark.parametrize("documents", [None, Marked(None)])
def test_no_database(documents: Marked | None) -> None:
    """A version without a complete database is not complete."""
    with pytest.raises(NotFound, match="absent or half-loaded"):
        account(made(), documents)


@pytest.mark.parametrize("part", ["raw", "transformed", "dump"])
def test_an_archive_of_another_version(part: str) -> None:
    """Whatever else it holds."""
    version = made()
    manifest = Manifest(FORMAT, "raw", "20250622-143000", ())
    foreign = cast(
        ArchiveReader, SimpleNamespace(manifest=manifest, source=SimpleNamespace(name=part))
    )
    with pytest.raises(CountMismatch, match="version"):
        account(replace(version, **{part: foreign}))


@pytest.mark.parametrize("mongodb", [True, False])
def test_the_archives_of_a_versions_targets(tmp_path: Path, *, mongodb: bool) -> None:
    """With MongoDB a dump is required; without it, one that is there is an error."""
    objects, targets = DirectoryObjects(tmp_path), Targets(mongodb=mongodb)
    kinds: list[ArchiveKind] = ["raw", "transformed", "dump"]
    for kind in kinds[: 3 if mongodb else 2]:
        with pytest.raises(NotFound):
            VersionArchives.of(objects, VERSION, targets)
        publish(objects, kind, VERSION, ArchiveWriter.finish)
    found = VersionArchives.of(objects, VERSION, targets)
    assert [each.manifest.kind for each in found] == kinds[: 3 if mongodb else 2]
    if not mongodb:
        publish(objects, "dump", VERSION, ArchiveWriter.finish)
        with pytest.raises(Refused, match="was begun with MongoDB"):
            VersionArchives.of(objects, VERSION, targets)


def test_facts_that_are_no_counts() -> None:
    """A manifest that says something else is a damaged archive, and what is missing is none."""
    assert homes_in_all(made().transformed) == HOMES
    assert unresolved(made().transformed) == {}
    assert losses(made().transformed) == {}
    for read in (homes_in_all, unresolved, losses):
        with pytest.raises(BadArchive, match="no count of its"):
            read(archive("transformed", rows="many", unresolved=[1], losses=3))
    with pytest.raises(BadArchive, match="no count of its rows"):
        homes_in_all(archive("transformed"))


def test_the_sources_own_counts() -> None:
    """The archive has to have the rows that PostgreSQL counted, of every table that it counted."""
    require_source_counts(made().raw)
    assert source_counts(made().raw) == {"users": 4}
    assert source_counts(archive("raw")) == {}
    for rows in (3, 5):
        with pytest.raises(CountMismatch, match="rows of the source"):
            require_source_counts(made(table=rows).raw)
    with pytest.raises(CountMismatch, match="rows of the source"):
        require_source_counts(archive("raw", counted={"users": 0}))
    with pytest.raises(BadArchive, match="no count of the source"):
        source_counts(archive("raw", counted=["users"]))
