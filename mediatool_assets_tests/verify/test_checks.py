"""Checks of a version: each planted defect turns its check red, and none is red without one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import bson
import msgspec
import pytest
from pymongo import MongoClient

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.core import schema
from mediatool_assets.core.errors import Unreachable
from mediatool_assets.core.model import Bounds
from mediatool_assets.core.outcomes import Finding
from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import Kind, Version, archive_key, metadata_key
from mediatool_assets.load.flow import LoadOptions, dump, load
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.mongodb_claim import MARKER
from mediatool_assets.verify.checks import (
    Findings,
    archives_whole,
    database_as_loaded,
    day_on_time,
    dump_as_loaded,
    losses_as_usual,
    raw_as_usual,
    raw_counted,
    references_as_usual,
    rows_accounted,
    schema_beside_model,
    unnamed,
)
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.finished import finish, load_and_dump, make
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.planting import lines_of, rewritten
from mediatool_assets_tests.raw_archives import raw_archive, table
from mediatool_assets_tests.transformed import transformed
from mediatool_assets_tests.twins import DirectoryObjects

ACCOUNTS = table("accounts", id="text", name="text")
RENAMED = table("accounts", id="text", title="text")
VERSION, BEFORE = Version.parse("20250621-143000"), Version.parse("20250620-020000")
WORKERS = 2


@pytest.fixture
def bucket_twin(tmp_path: Path) -> DirectoryObjects:
    """An empty bucket."""
    return DirectoryObjects(tmp_path / "objects")


class Silent(DirectoryObjects):
    """A bucket that does not answer when an object is opened."""

    def open(self, key: str) -> Bytes:  # type: ignore[override]  # it never comes to it
        """Raise, as a bucket's store does."""
        raise Unreachable(f"the bucket does not answer for {key}; try again")


def rows(number: int) -> list[dict[str, str]]:
    """Rows of ``accounts``, also under its other columns."""
    return [{"id": str(n), "name": "x"} for n in range(number)]


def earlier(
    objects: DirectoryObjects,
    version: Version = BEFORE,
    of: int = 100,
    columns: Table = ACCOUNTS,
    unresolved: Mapping[str, int] | None = None,
    losses: Mapping[str, dict[str, int]] | None = None,
    name: str = "accounts",
) -> None:
    """A complete version of before, as its metadata tells of it, and its raw archive."""
    fingerprint = schema.Schema("media_tool", (columns,)).fingerprint()
    raw_archive(objects, {columns: []}, version=version)
    made = example(str(version))
    exports = msgspec.structs.replace(
        made.exports,
        raw=msgspec.structs.replace(
            made.exports.raw, rows={name: of}, schema_fingerprint=fingerprint
        ),
        transformed=msgspec.structs.replace(
            made.exports.transformed, unresolved=dict(unresolved or {}), losses=dict(losses or {})
        ),
    )
    made = msgspec.structs.replace(made, exports=exports)
    objects.put(metadata_key(version), made.to_json())


def damage(objects: DirectoryObjects, kind: Kind, version: Version = VERSION) -> None:
    """Change one byte in the middle of the first block of an archive."""
    reader = catalog.reader(objects, kind, version)
    member = next(m for m in reader.manifest.members if m.blocks and m.rows)
    block = member.blocks[0]
    path = objects.root / "objects" / archive_key(kind, version)
    data = bytearray(path.read_bytes())
    data[block.offset + block.length // 2] ^= 0xFF
    path.write_bytes(data)


def test_the_archive_holds_what_the_source_had(bucket_twin: DirectoryObjects) -> None:
    """Every table is compared, an empty one too."""
    raw_archive(bucket_twin, {ACCOUNTS: rows(3), table("reps", id="integer"): []})
    found = raw_counted(bucket_twin, VERSION, ["accounts", "reps"], WORKERS)
    assert {name: f.outcome for name, f in found.items()} == {
        "accounts": "passed",
        "reps": "passed",
    }


@pytest.mark.parametrize(
    ("counted", "outcome"),
    [({"accounts": 4}, "failed"), ({}, "unknown"), ({"accounts": 3}, "passed")],
)
def test_a_row_that_is_missing_from_the_archive(
    bucket_twin: DirectoryObjects, counted: dict[str, int], outcome: str
) -> None:
    """One row less than PostgreSQL counted fails; without its count nothing has passed."""
    raw_archive(bucket_twin, {ACCOUNTS: rows(3)}, counted=counted)
    found = raw_counted(bucket_twin, VERSION, ["accounts"], WORKERS)
    assert found["accounts"].outcome == outcome


def test_a_table_that_is_not_in_the_archive(bucket_twin: DirectoryObjects) -> None:
    """It is named, and the others are compared all the same."""
    raw_archive(bucket_twin, {ACCOUNTS: rows(3)})
    found = raw_counted(bucket_twin, VERSION, ["accounts", "reps"], WORKERS)
    assert (found["accounts"].outcome, found["reps"].outcome) == ("passed", "failed")


def test_a_damaged_byte_in_the_raw_archive(bucket_twin: DirectoryObjects) -> None:
    """Of a complete version, the table that it is in fails, and no other.

    While the version is made, the steps that read the archive fail.
    """
    raw_archive(bucket_twin, {ACCOUNTS: rows(300), table("reps", id="integer"): [{"id": 1}]})
    damage(bucket_twin, "raw")

    def outcomes() -> list[str]:
        found = raw_counted(bucket_twin, VERSION, ["accounts", "reps"], WORKERS)
        return [found[name].outcome for name in ("accounts", "reps")]

    assert outcomes() == ["passed", "passed"]
    bucket_twin.put(metadata_key(VERSION), example(str(VERSION)).to_json())
    assert outcomes() == ["failed", "passed"]


@pytest.mark.parametrize(
    ("now", "outcome", "says"),
    [
        (101, "passed", "101 rows, and had 100"),
        (0, "failed", "is empty, and had 100 rows"),
        (80, "failed", "80 rows, and had 100: more than 10% less"),
        (250, "warned", "250 rows, and had 100: more than 50% more"),
    ],
)
def test_rows_against_the_version_before(
    bucket_twin: DirectoryObjects, now: int, outcome: str, says: str
) -> None:
    """They come from the metadata of earlier versions; a later version has no say."""
    earlier(bucket_twin)
    earlier(bucket_twin, Version.parse("20250622-020000"), of=100_000)
    raw_archive(bucket_twin, {ACCOUNTS: rows(now)})
    found = raw_as_usual(bucket_twin, VERSION, ["accounts"], {})["accounts"]
    assert found.outcome == outcome
    assert says in found.reason


def test_rows_against_the_last_versions(bucket_twin: DirectoryObjects) -> None:
    """Fourteen are looked at, and the bounds are learnt from how they went."""
    first = datetime(2025, 6, 1, 2, tzinfo=UTC)
    for night in range(18):
        earlier(bucket_twin, Version(first + timedelta(days=night)), of=1000 - 300 * (night % 2))
    raw_archive(bucket_twin, {ACCOUNTS: rows(450)})
    found = raw_as_usual(bucket_twin, VERSION, ["accounts"], {})["accounts"]
    assert found.outcome == "passed", found.reason
    assert found.figures["versions_compared"] == 14
    assert found.figures["may_lose_percent"] == 50.0


def test_the_model_s_bounds_count(bucket_twin: DirectoryObjects) -> None:
    """A table may be told to lose all of its rows."""
    earlier(bucket_twin)
    raw_archive(bucket_twin, {ACCOUNTS: []})
    bounds = {"accounts": Bounds(may_lose=1.0)}
    found = raw_as_usual(bucket_twin, VERSION, ["accounts"], bounds)["accounts"]
    assert found.outcome == "passed"


def test_the_first_version_has_nothing_to_be_held_against(bucket_twin: DirectoryObjects) -> None:
    """It passes, and says so."""
    raw_archive(bucket_twin, {ACCOUNTS: rows(3)})
    found = raw_as_usual(bucket_twin, VERSION, ["accounts"], {})["accounts"]
    assert found.outcome == "passed"
    assert "no earlier version" in found.reason


def test_a_column_that_was_dropped(bucket_twin: DirectoryObjects) -> None:
    """It is named, whatever became of the rows; so is the one that came."""
    earlier(bucket_twin, columns=RENAMED)
    raw_archive(bucket_twin, {ACCOUNTS: rows(100)})
    found = raw_as_usual(bucket_twin, VERSION, ["accounts"], {})["accounts"]
    assert found.outcome == "failed"
    assert "column title removed" in found.reason
    assert "column name added" in found.reason
    assert found.figures["rows"] == found.figures["rows_before"] == 100


def test_a_column_that_came(bucket_twin: DirectoryObjects) -> None:
    """It is a warning."""
    earlier(bucket_twin, columns=table("accounts", id="text"))
    raw_archive(bucket_twin, {ACCOUNTS: rows(100)})
    found = raw_as_usual(bucket_twin, VERSION, ["accounts"], {})["accounts"]
    assert (found.outcome, found.figures["schema_changes"]) == ("warned", 1)


@pytest.mark.parametrize(
    ("named", "outcome"), [(["reps"], "failed"), (["accounts", "reps"], "passed")]
)
def test_a_table_that_the_model_does_not_name_changes(
    bucket_twin: DirectoryObjects, named: list[str], outcome: str
) -> None:
    """Its lost column is told by the schema's own check, and by the table's where it is named."""
    earlier(bucket_twin, columns=RENAMED)
    raw_archive(bucket_twin, {ACCOUNTS: rows(100)})
    found = schema_beside_model(bucket_twin, VERSION, named)
    assert found.outcome == outcome
    assert ("column title removed" in found.reason) == (outcome == "failed")


def test_what_changed_cannot_be_told_without_the_archive_before(
    bucket_twin: DirectoryObjects,
) -> None:
    """Another schema, and no archive to compare it with: not passed."""
    earlier(bucket_twin, columns=RENAMED)
    (bucket_twin.root / "objects" / archive_key("raw", BEFORE)).unlink()
    raw_archive(bucket_twin, {ACCOUNTS: rows(100)})
    found = raw_as_usual(bucket_twin, VERSION, ["accounts"], {})["accounts"]
    assert found.outcome == "failed"
    assert archive_key("raw", BEFORE) in found.reason


@pytest.mark.parametrize(("now", "outcome"), [(3, "passed"), (40, "failed")])
def test_unresolved_references_that_jump(
    bucket_twin: DirectoryObjects, now: int, outcome: str
) -> None:
    """The collection that has them fails, by field; another one does not."""
    earlier(bucket_twin, unresolved={"campaigns.account": 3})
    facts = {"unresolved": {"campaigns.account": now}}
    transformed(bucket_twin, VERSION, {"campaigns": [], "teams": []}, facts=facts)
    found = references_as_usual(bucket_twin, VERSION, ["campaigns", "teams"])
    assert (found["campaigns"].outcome, found["teams"].outcome) == (outcome, "passed")
    assert found["campaigns"].figures["campaigns.account"] == now


@pytest.mark.parametrize(("now", "outcome"), [(3, "passed"), (40, "warned")])
def test_losses_that_jump(bucket_twin: DirectoryObjects, now: int, outcome: str) -> None:
    """They are a warning, by column and kind."""
    earlier(bucket_twin, losses={"campaigns.budget": {"digits": 3}})
    facts = {"losses": {"campaigns.budget": {"digits": now}}}
    transformed(bucket_twin, VERSION, {"campaigns": []}, facts=facts)
    found = losses_as_usual(bucket_twin, VERSION)
    assert found.outcome == outcome
    assert found.figures["campaigns.budget digits"] == now


@dataclass(frozen=True)
class Whole:
    """A version that was made to its end, on a real MongoDB."""

    objects: DirectoryObjects
    documents: MongoDocuments
    version: Version
    pool: Workspace

    def database(self) -> Findings:
        """What is found of its database."""
        names = ["accounts", "repsOrphans"]
        return database_as_loaded(self.objects, self.version, names, self.documents)

    def dump(self) -> str:
        """What is found of its dump."""
        return dump_as_loaded(self.objects, self.version, self.documents).outcome


@pytest.fixture
def whole(
    bucket_twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, tmp_path: Path
) -> Iterator[Whole]:
    """A version of its own for each test; its database is gone afterwards."""
    version = fresh_version()
    make(bucket_twin, version)
    load_and_dump(bucket_twin, documents, pool, version)
    finish(bucket_twin, documents, pool, version, tmp_path / "registry.json")
    yield Whole(bucket_twin, documents, version, pool)
    documents.drop(mongodb_database(version))


def test_a_whole_version_passes_every_check(whole: Whole) -> None:
    """Database, dump, rows and archives."""
    assert {f.outcome for f in whole.database().values()} == {"passed"}
    assert whole.dump() == "passed"
    assert rows_accounted(whole.objects, whole.version).outcome == "passed"
    assert archives_whole(whole.objects, whole.version, WORKERS).outcome == "passed"
    assert losses_as_usual(whole.objects, whole.version).outcome == "passed"


def test_a_document_that_is_gone_after_the_load(whole: Whole) -> None:
    """Its collection fails with both counts; the other one does not."""
    with MongoClient[dict[str, object]](whole.documents.url.reveal()) as client:
        client[mongodb_database(whole.version)]["accounts"].delete_one({"_id": "1"})
    found = whole.database()
    assert (found["accounts"].outcome, found["repsOrphans"].outcome) == ("failed", "passed")
    assert found["accounts"].figures["documents"] == 3
    assert found["accounts"].figures["documents_now"] == 2


def beside(whole: Whole, *collections: str) -> Finding:
    """What is found where the model names these collections, and no table."""
    stores = whole.objects, whole.version, whole.documents
    return unnamed(*stores, tables=[], collections=collections, workers=WORKERS)


def test_what_the_model_does_not_name_is_checked_too(whole: Whole) -> None:
    """Rows, bytes and documents of it; what has a check of its own is left to that."""
    assert beside(whole).outcome == "passed"
    with MongoClient[dict[str, object]](whole.documents.url.reveal()) as client:
        client[mongodb_database(whole.version)]["accounts"].delete_one({"_id": "1"})
    found = beside(whole, "repsOrphans")
    assert (found.outcome, "accounts: 2 documents, and 3" in found.reason) == ("failed", True)
    assert beside(whole, "accounts").outcome == "passed"
    damage(whole.objects, "raw", whole.version)
    assert beside(whole, "accounts").outcome == "failed"


def test_a_table_that_the_model_does_not_name_and_that_is_gone(whole: Whole) -> None:
    """It is found in the metadata of the version before."""
    before, drafts = Version.parse("20020101-000000"), table("drafts", id="text")
    earlier(whole.objects, before, columns=drafts, name="drafts")
    found = beside(whole)
    assert (found.outcome, found.figures["tables_gone"]) == ("failed", 1)
    assert "drafts: is empty, and had 100 rows" in found.reason


def test_a_database_without_its_marker(whole: Whole) -> None:
    """Half a database has passed nothing."""
    with MongoClient[dict[str, object]](whole.documents.url.reveal()) as client:
        client[mongodb_database(whole.version)].drop_collection(MARKER)
    assert {f.outcome for f in whole.database().values()} == {"failed"}
    assert whole.dump() == "failed"


def test_a_dump_of_something_else(whole: Whole) -> None:
    """A database that was loaded anew from another archive is not what was dumped."""
    (whole.objects.root / "objects" / archive_key("transformed", whole.version)).unlink()
    other = {"accounts": [bson.encode({"_id": "0"})], "repsOrphans": [bson.encode({"_id": 4})]}
    transformed(whole.objects, whole.version, other)
    load(whole.objects, whole.documents, whole.pool, whole.version, LoadOptions(replace=True))
    found = dump_as_loaded(whole.objects, whole.version, whole.documents)
    assert (found.outcome, found.figures["collections_that_differ"]) == ("failed", 1)
    assert found.reason.startswith("accounts: ")
    (whole.objects.root / "objects" / archive_key("dump", whole.version)).unlink()
    dump(whole.objects, whole.documents, whole.pool, whole.version)
    assert whole.dump() == "passed"


def test_rows_without_a_home(bucket_twin: DirectoryObjects) -> None:
    """A row that the transform does not account for is named by its table."""
    make(bucket_twin, VERSION, {"accounts": {"in": 3, "documents": 2}})
    found = rows_accounted(bucket_twin, VERSION)
    assert found.outcome == "failed"
    assert "accounts: 3 rows, 3 read, 2 accounted for" in found.reason


@pytest.mark.parametrize("kind", ["transformed", "dump"])
def test_a_damaged_archive_is_found_later(whole: Whole, kind: Kind) -> None:
    """One byte of either, and the check names the archive and the file in it."""
    damage(whole.objects, kind, whole.version)
    found = archives_whole(whole.objects, whole.version, WORKERS)
    assert found.outcome == "failed"
    assert f"{kind}: " in found.reason
    assert "SHA-256" in found.reason


def test_a_raw_archive_that_agrees_with_itself_and_was_another(whole: Whole) -> None:
    """A value was changed, and the manifest with it: only the metadata knows better."""
    path = whole.objects.root / "objects" / archive_key("raw", whole.version)
    path.chmod(0o600)
    lines = [line.replace(b'"x"', b'"y"') for line in lines_of(path, "accounts")]
    rewritten(path, "accounts", lines)
    stores = whole.objects, whole.version
    assert raw_counted(*stores, ["accounts"], WORKERS)["accounts"].outcome == "passed"
    found = archives_whole(*stores, WORKERS)
    assert found.outcome == "failed"
    assert "raw: it does not have the SHA-256 that its metadata gives" in found.reason


def test_a_store_that_does_not_answer_has_passed_nothing(
    tmp_path: Path, documents: MongoDocuments
) -> None:
    """Every check that needs it is unknown, and says why."""
    silent = Silent(tmp_path)
    silent.put(metadata_key(VERSION), example(str(VERSION)).to_json())
    found = [
        *raw_counted(silent, VERSION, ["accounts"], WORKERS).values(),
        *raw_as_usual(silent, VERSION, ["accounts"], {}).values(),
        *references_as_usual(silent, VERSION, ["campaigns"]).values(),
        *database_as_loaded(silent, VERSION, ["campaigns"], documents).values(),
        dump_as_loaded(silent, VERSION, documents),
        rows_accounted(silent, VERSION),
        losses_as_usual(silent, VERSION),
        archives_whole(silent, VERSION, WORKERS),
        day_on_time(silent, VERSION.day, VERSION.moment, VERSION.moment),
    ]
    assert {finding.outcome for finding in found} == {"unknown"}
    assert all("does not answer" in finding.reason for finding in found)


def test_the_day_s_newest_version(bucket_twin: DirectoryObjects) -> None:
    """A complete one is on time; one that was begun after it, and not finished, is not."""
    day, noon = date(2025, 6, 20), datetime(2025, 6, 20, 12, tzinfo=UTC)
    assert day_on_time(bucket_twin, day, noon, noon).outcome == "failed"
    earlier(bucket_twin)
    assert day_on_time(bucket_twin, day, noon, noon).outcome == "passed"
    raw_archive(bucket_twin, {ACCOUNTS: []}, version=Version.parse("20250620-110000"))
    found = day_on_time(bucket_twin, day, noon, noon)
    assert found.outcome == "failed"
    assert "20250620-110000 was begun and is not complete" in found.reason
