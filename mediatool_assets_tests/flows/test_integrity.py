"""Integrity: every planted defect is found and named by table, key and column, and no other is.

What a version alone cannot tell (a table that was emptied, or lost a column, before the export) is
the comparison's and the daily checks' to find: the last tests say so.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import bson
import msgspec
import psycopg
import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from psycopg import sql
from pymongo.collection import Collection

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.domain import integrity as reports
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.integrity import Area, Defect, Integrity, Line
from mediatool_assets.domain.keys import Kind, archive_key, mongodb_database
from mediatool_assets.domain.keys import postgres_database as restored_name
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.settings import SHIPPED_MODEL, Settings, Url
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.raw import raw_as_usual
from mediatool_assets.flows.export import export
from mediatool_assets.flows.integrity import integrity
from mediatool_assets.flows.model_file import load_model
from mediatool_assets.flows.restore import restore_postgres
from mediatool_assets.flows.transform import transform
from mediatool_assets.seed import seed
from mediatool_assets.stores.local import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres import PostgresSource, PostgresTarget
from mediatool_assets_tests.compared import compared, plain
from mediatool_assets_tests.flows.finished import finish, load_and_dump
from mediatool_assets_tests.planting import (
    Document,
    lines_of,
    live_collection,
    restored_database,
    rewritten,
    with_member,
)
from mediatool_assets_tests.twins import DirectoryObjects

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A complete version of the demo source: archives, MongoDB, and a restored PostgreSQL."""

    version: Version
    objects: DirectoryObjects
    documents: MongoDocuments
    target: PostgresTarget
    pool: Executor
    model: Model

    def report(self, *, sample: float | None = None, days: int = 0) -> Integrity:
        """The report of so many days from now."""
        with TemporaryDirectory() as scratch:
            return integrity(
                self.objects,
                self.documents,
                self.target,
                self.pool,
                self.version,
                self.model,
                Path(scratch),
                clock=lambda: NOW + timedelta(days),
                sample=sample,
            )

    def collection(self, name: str) -> AbstractContextManager[Collection[Document]]:
        """A live collection, that takes whatever it is given."""
        return live_collection(self.documents, self.version, name)

    def restored(self) -> AbstractContextManager[Callable[[str], None]]:
        """Executes statements in the restored database."""
        return restored_database(self.target, self.version)

    def path(self, kind: Kind) -> Path:
        """The file that an archive is, here."""
        return self.objects.root / "objects" / archive_key(kind, self.version)

    def reader(self, kind: Kind) -> ArchiveReader:
        """An archive, as it is now."""
        return ArchiveReader(LocalFile(self.path(kind)))

    def rows(self, table: str) -> list[bytes]:
        """The lines of a table."""
        return lines_of(self.path("raw"), table)


@pytest.fixture(scope="module")
def source(stack: Stack) -> Iterator[Url]:
    """The demo source, small."""
    server = stack.environment["MEDIATOOL_RESTORE_POSTGRES_URL"]
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = Url(server.rpartition("/")[0] + f"/{name}")
        seed(url, scale=0.001, full=True, day=0, schema="media_tool")
        yield url
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def made(
    source: Url, settings: Settings, pool: Executor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    """One version for all tests of this file; each puts back what it changes."""
    folder = tmp_path_factory.mktemp("made")
    version = Version(datetime(2005, 1, 1, tzinfo=UTC))
    objects, target = DirectoryObjects(folder), PostgresTarget.of(settings)
    documents, model = MongoDocuments.of(settings), load_model(SHIPPED_MODEL)
    export(PostgresSource(source, "media_tool"), objects, pool, version, folder)
    transform(objects, pool, version, model, folder)
    load_and_dump(objects, documents, pool, version)
    restore_postgres(objects, target, pool, version)
    finish(objects, documents, pool, version, folder / "registry.json")
    yield Made(version, objects, documents, target, pool, model)
    documents.drop(mongodb_database(version))
    with psycopg.connect(target.url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{restored_name(version)}" WITH (FORCE)'.encode())


def failed(report: Integrity, area: Area) -> dict[str, Line]:
    """The failed lines of an area, by what they are of; the report reads back as it was."""
    assert report.verdict == "failed"
    data = reports.encode(report)
    assert json.loads(reports.encode(reports.decode(data))) == json.loads(data)
    return {x.thing: x for x in report.lines if x.area == area and x.outcome == "failed"}


def areas(report: Integrity) -> set[str]:
    """The areas in which something did not pass."""
    return {line.area for line in report.lines if line.outcome != "passed"}


def values(defect: Defect) -> tuple[object, object]:
    """What was expected and what was found, as far as it may be shown."""
    assert defect.has_values
    return plain(defect.expected), plain(defect.found)


def key(defect: Defect) -> dict[str, object]:
    """The key of the row."""
    return {name: plain(value) for name, value in defect.key.items()}


def test_a_sound_version_is_intact(made: Made) -> None:
    """Every area is looked at, everything passes, and the report reads back as it was."""
    report = made.report()
    assert [line for line in report.lines if line.outcome != "passed"] == []
    assert report.verdict == "passed"
    assert {line.area for line in report.lines} == {
        "stores", "counts", "fingerprints", "values", "losses", "copies", "references",
        "duplicates", "soft deletes", "indexes", "structure",
    }  # fmt: skip
    members = made.reader("raw").manifest.tables()
    by_value = {x.thing: x.figures for x in report.lines if x.area == "values"}
    assert by_value.keys() == members.keys() - {"schema_migrations"}  # which the model leaves out
    assert {t: f["rows in documents"] for t, f in by_value.items()} == {
        table: members[table].rows for table in by_value
    }
    assert reports.decode(reports.encode(report)) == report


def test_every_line_says_what_was_checked_and_how(made: Made) -> None:
    """With its figures and its duration; references with the number of their orphans."""
    report = made.report()
    assert all(line.checked and line.how and line.seconds >= 0 for line in report.lines)
    [reps] = [x for x in report.lines if x.thing == "campaigns.sales_rep_user_id -> "
              "reps.zoho_user_id"]  # fmt: skip
    assert int(reps.figures["orphans"] or 0) > 0  # most name a rep whom no table has
    [deleted] = [x for x in report.lines if x.thing == "campaigns" and x.area == "soft deletes"]
    assert deleted.figures["raw"] == deleted.figures["mongodb"]
    [lost] = [x for x in report.lines if x.thing == "campaigns_history.valid_from"]
    assert lost.area == "losses"
    assert int(lost.figures["microseconds"] or 0) > 0


def test_a_value_changed_by_one_digit_is_named(made: Made) -> None:
    """Table, key, column, and both values; nothing else is blamed but the content's fingerprint."""
    with made.collection("campaigns") as campaigns:
        before = campaigns.find_one({"budget": {"$type": "decimal"}})
        assert before is not None
        text = str(before["budget"])
        other = text[:-1] + ("1" if text[-1] != "1" else "2")
        found = changed(made, campaigns, before, {"$set": {"budget": Decimal128(other)}})
    [defect] = failed(found, "values")["campaigns"].defects
    assert (defect.store, defect.table, defect.column) == ("mongodb", "campaigns", "budget")
    assert key(defect) == {"id": before["_id"]}
    assert values(defect) == (f"{Decimal(text):f}", f"{Decimal(other):f}")
    assert areas(found) == {"values", "fingerprints"}
    assert failed(found, "fingerprints").keys() == {"campaigns"}


def changed(
    made: Made, collection: Collection[Document], document: Document, update: Document
) -> Integrity:
    """The report while one document is another; it is put back."""
    raw = collection.database.get_collection(
        collection.name, bson.CodecOptions(document_class=RawBSONDocument)
    )
    kept = raw.find_one({"_id": document["_id"]})
    assert kept is not None
    collection.update_one({"_id": document["_id"]}, update)
    try:
        return made.report()
    finally:
        raw.replace_one({"_id": document["_id"]}, kept)


@pytest.mark.parametrize(
    ("collection", "update", "table", "column"),
    [
        ("lineItems", {"$set": {"flightDays": Int64(3)}}, "line_items", "flight_days"),
        ("lineItems", {"$set": {"price": 1.5}}, "line_items", "price"),
        ("lineItems", {"$set": {"pacing.type": ""}}, "line_items", "pacing_type"),
        ("lineItems", {"$set": {"pacing.details": {"a": 1}}}, "line_items", "pacing_details"),
        ("lineItems", {"$set": {"mediaTraderUserIds": [None]}}, "line_items",
         "media_trader_user_ids"),
        ("platformEntities", {"$set": {"payload.more": 0.5}}, "media_platform_entities",
         "metadata"),
        ("teams", {"$set": {"reps.0.since": datetime(1999, 1, 1)}}, "reps_x_teams", None),
    ],
)  # fmt: skip
def test_types_arrays_and_documents_are_compared(
    made: Made, collection: str, update: Document, table: str, column: str | None
) -> None:
    """A value of another type, an element, a field deep within, a folded row: none is the same."""
    path = next(iter(update["$set"])).removesuffix(".more")
    with made.collection(collection) as live:
        document = live.find_one({path: {"$exists": True}})
        assert document is not None
        found = changed(made, live, document, update)
    assert failed(found, "values").keys() == {table}
    defects = failed(found, "values")[table].defects
    if column is None:  # a folded row has no key but itself: one is missing, one too many
        assert [defect.what for defect in defects] == ["missing", "surplus"]
    else:
        assert [defect.column for defect in defects] == [column]


def test_a_time_off_by_a_millisecond_is_named(made: Made) -> None:
    """BSON's own precision; what is finer it cannot hold, and that is a declared loss."""
    with made.collection("users") as users:
        before = users.find_one()
        assert before is not None
        later = before["createdAt"] + timedelta(milliseconds=1)
        found = changed(made, users, before, {"$set": {"createdAt": later}})
    [defect] = failed(found, "values")["users"].defects
    assert (defect.column, key(defect)["id"]) == ("created_at", str(before["_id"].as_uuid()))
    assert values(defect)[1] == later.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
    assert not failed(found, "losses")


def test_personal_values_are_never_shown(made: Made) -> None:
    """A name that changed is told by its length."""
    with made.collection("users") as users:
        before = users.find_one()
        assert before is not None
        found = changed(made, users, before, {"$set": {"name": "Somebody Else", "email": 5}})
    first, second = failed(found, "values")["users"].defects
    assert values(first)[1] == {"hidden": True, "length": len("Somebody Else")}
    assert (first.column, second.column) == ("name", "email")
    text = reports.encode(found).decode()
    assert before["name"] not in text
    assert before["email"] not in text
    assert "Somebody" not in text


def test_a_document_that_is_missing_is_named(made: Made) -> None:
    """By the key of its row; counts and fingerprint of the collection fail as well."""
    with made.collection("mediaBuys") as buys:
        document = buys.find_one_and_delete({})
        assert document is not None
        found = made.report()
        buys.insert_one(document)
    [defect] = failed(found, "values")["media_buys"].defects
    assert (defect.what, key(defect)) == ("missing", {"id": raw_text(document["_id"])})
    assert failed(found, "counts").keys() == {"mediaBuys"}


def raw_text(value: object) -> object:
    """An ``_id`` as the raw archive has it."""
    return str(value.as_uuid()) if isinstance(value, bson.Binary) else value


def test_a_duplicate_is_named(made: Made) -> None:
    """A second document of a row, under another ``_id``, is one too many."""
    with made.collection("accounts") as accounts:
        document = accounts.find_one()
        assert document is not None
        accounts.insert_one({**document, "_id": "doubled1"})
        found = made.report()
        accounts.delete_one({"_id": "doubled1"})
    [defect] = failed(found, "values")["accounts"].defects
    assert (defect.what, key(defect)) == ("surplus", {"id": "doubled1"})
    assert failed(found, "counts").keys() == {"accounts"}


def test_an_embedded_array_that_is_shortened_is_named(made: Made) -> None:
    """By the row that is gone from it, though the number of documents is right."""
    with made.collection("lineItems") as items:
        document = items.find_one({"mediaPlans.0": {"$exists": True}})
        assert document is not None
        found = changed(made, items, document, {"$pop": {"mediaPlans": -1}})
    [defect] = failed(found, "values")["line_item_media_buys"].defects
    assert defect.what == "missing"
    assert key(defect) == {"id": raw_text(document["mediaPlans"][0]["id"])}
    assert not failed(found, "counts")


def test_an_embedded_row_in_another_document_is_named(made: Made) -> None:
    """All its values are right, and it lies where it does not belong."""
    with made.collection("lineItems") as items:
        [one, two] = items.find({"mediaPlans.0": {"$exists": True}}).limit(2)
        plan = one["mediaPlans"][0]
        items.update_one({"_id": one["_id"]}, {"$pop": {"mediaPlans": -1}})
        found = changed(made, items, two, {"$push": {"mediaPlans": plan}})
        items.update_one(
            {"_id": one["_id"]}, {"$push": {"mediaPlans": {"$each": [plan], "$position": 0}}}
        )
    [defect] = failed(found, "values")["line_item_media_buys"].defects
    assert (defect.what, defect.field) == ("differs", "(the document that it lies in)")
    assert key(defect) == {"id": raw_text(plan["id"])}


def test_a_copied_value_that_is_stale_is_named(made: Made) -> None:
    """Look-ups, unions and counts say what the rows say that they are taken from."""
    with made.collection("campaigns") as campaigns:
        document = campaigns.find_one({"accountName": {"$ne": None}})
        assert document is not None
        update = {
            "$set": {"accountName": "Other", "lineItemCount": 99, "team.mediaTraders": [None]}
        }
        found = changed(made, campaigns, document, update)
    lines = failed(found, "copies")
    assert lines.keys() == {
        "campaigns.accountName", "campaigns.lineItemCount", "campaigns.team.mediaTraders"
    }  # fmt: skip
    assert {key(d)["id"] for line in lines.values() for d in line.defects} == {document["_id"]}
    assert not failed(found, "values")


def test_a_collection_that_is_emptied_is_found(made: Made) -> None:
    """Its rows are missing, one by one."""
    with made.collection("channels") as channels:
        kept = list(channels.find())
        channels.delete_many({})
        found = made.report()
        channels.insert_many(kept)
    line = failed(found, "values")["channels"]
    assert {key(defect)["id"] for defect in line.defects} == {row["_id"] for row in kept}
    assert failed(found, "counts")["channels"].figures["MongoDB"] == 0


def test_a_field_that_is_dropped_is_named(made: Made) -> None:
    """And one that no rule of the model explains."""
    with made.collection("reps") as reps:
        kept = list(reps.find())
        reps.update_many({}, {"$unset": {"isActive": ""}, "$set": {"mystery": 1}})
        found = made.report()
        for document in kept:
            reps.replace_one({"_id": document["_id"]}, document)
    line = failed(found, "values")["reps"]
    assert line.figures["differs"] == len(kept)
    assert {defect.column or defect.field for defect in line.defects} == {"is_active", "mystery"}


def test_a_missing_index_is_named(made: Made) -> None:
    """In MongoDB by its fields, in the restored PostgreSQL by its name."""
    with made.collection("campaigns") as campaigns, made.restored() as execute:
        campaigns.drop_index("accountId_1")
        index = made_index(made)
        execute(f"DROP INDEX {index.name}")
        found = made.report()
        campaigns.create_index("accountId")
        execute(index.definition)
    lines = failed(found, "indexes")
    assert lines.keys() == {"campaigns", f"{index.table} in PostgreSQL"}
    assert "accountId: 1" in lines["campaigns"].reason
    assert index.name in lines[f"{index.table} in PostgreSQL"].reason


@dataclass(frozen=True)
class PlainIndex:
    """An index that no constraint needs."""

    table: str
    name: str
    definition: str


def made_index(made: Made) -> PlainIndex:
    """The first of them, not of ``campaigns``."""
    schema = msgspec.json.decode(made.reader("raw").read_file("schema.json"))
    return next(
        PlainIndex(table["name"], index["name"], index["definition"])
        for table in schema["tables"]
        for index in table.get("indexes", ())
        if not index["unique"] and table["name"] != "campaigns"
    )


def test_a_microsecond_in_the_restored_database_is_named(made: Made) -> None:
    """PostgreSQL holds microseconds, and so does its comparison with the raw archive."""
    with made.restored() as execute:
        update = "UPDATE teams SET created_at = created_at {} interval '1 microsecond' WHERE id = 1"
        execute(update.format("+"))
        found = made.report()
        execute(update.format("-"))
    [defect] = failed(found, "values")["teams in PostgreSQL"].defects
    assert (defect.store, defect.column) == ("postgres", "created_at")
    before, after = (datetime.fromisoformat(str(value)) for value in values(defect))
    assert after - before == timedelta(microseconds=1)
    assert areas(found) == {"values", "fingerprints"}


def test_a_row_lost_in_the_restored_database_is_named(made: Made) -> None:
    """And a table that was emptied there."""
    with made.restored() as execute:
        execute("CREATE TEMP TABLE kept AS TABLE teams_history")
        execute("DELETE FROM teams_history")
        found = made.report()
        execute("INSERT INTO teams_history SELECT * FROM kept")
    line = failed(found, "values")["teams_history in PostgreSQL"]
    assert {defect.what for defect in line.defects} == {"missing"}
    assert failed(found, "counts")["teams_history"].figures["restored PostgreSQL"] == 0


def test_a_column_that_is_gone_from_the_restored_database_is_named(made: Made) -> None:
    """By its table."""
    with made.restored() as execute:
        execute("ALTER TABLE attachments RENAME COLUMN file_name TO other")
        found = made.report()
        execute("ALTER TABLE attachments RENAME COLUMN other TO file_name")
    [line] = failed(found, "structure").values()
    assert line.thing == "attachments in PostgreSQL"
    assert "missing columns: file_name" in line.reason


@contextmanager
def edited(made: Made, kind: Kind) -> Iterator[Path]:
    """A file that may be spoilt, and is put back."""
    path = made.path(kind)
    data, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o600)
    yield path
    path.write_bytes(data)
    path.chmod(mode)


def test_a_truncated_dump_is_found(made: Made) -> None:
    """Nothing is known of its collections, which is not passed; all else still is."""
    with edited(made, "dump") as path:
        path.write_bytes(path.read_bytes()[:-100])
        found = made.report()
    assert failed(found, "stores").keys() == {"dump"}
    unknown = [line for line in found.lines if line.outcome == "unknown"]
    assert {line.area for line in unknown} == {"counts", "fingerprints"}
    assert all("cut short" in line.reason for line in unknown)
    assert areas(found) == {"stores", "counts", "fingerprints"}


def test_a_damaged_block_of_a_dump_is_found(made: Made) -> None:
    """Its collection is named."""
    member = made.reader("dump").manifest.collections()["teams"]
    with edited(made, "dump") as path:
        data = bytearray(path.read_bytes())
        at = member.blocks[0].offset + member.blocks[0].length // 2
        data[at : at + 3] = b"\xff\x00\xff"
        path.write_bytes(data)
        found = made.report()
    assert failed(found, "fingerprints").keys() == {"teams"}


@pytest.mark.parametrize("kind", ["raw", "transformed", "dump"])
@pytest.mark.parametrize(
    ("edit", "area"),
    [
        ({"fingerprint": f"1:{1:032x}"}, "fingerprints"),
        ({"rows": 1_000_000}, "stores"),  # which its own blocks contradict
    ],
)
def test_an_edited_manifest_is_found(
    made: Made, kind: Kind, edit: dict[str, Any], area: Area
) -> None:
    """What was changed is named; and the SHA-256 tells that something was."""
    with edited(made, kind) as path:
        with_member(path, "teams", **edit)
        found = made.report()
    assert failed(found, "stores").keys() == {kind}
    assert any("teams" in x.thing or "teams" in x.reason for x in failed(found, area).values())


def test_a_row_lost_in_the_archive_is_named(made: Made) -> None:
    """Though the archive agrees with itself: by the count, by MongoDB, and by who refers to it."""
    lines = made.rows("channels")
    lost = msgspec.json.decode(lines[0])["id"]
    with edited(made, "raw") as path:
        rewritten(path, "channels", lines[1:])
        found = made.report()
    assert failed(found, "counts")["channels"].figures["source"] == len(lines)
    for thing in ("channels", "channels in PostgreSQL"):
        [defect] = failed(found, "values")[thing].defects
        assert (defect.what, key(defect)) == ("surplus", {"id": lost})
    assert "tactics.channel_id -> channels.id" in failed(found, "references")
    assert failed(found, "copies")


def test_a_table_that_is_emptied_in_the_archive_is_found(made: Made) -> None:
    """Also where the count was made to agree: documents and restored rows are left over."""
    rows = len(made.rows("accounts"))
    with edited(made, "raw") as path:
        rewritten(path, "accounts", [], counted=0)
        found = made.report()
    assert failed(found, "counts")["accounts"].figures["metadata"] == rows
    assert failed(found, "values")["accounts"].figures["surplus"] == rows


def test_a_doubled_row_in_the_archive_is_named(made: Made) -> None:
    """Its key stands twice."""
    lines = made.rows("users")
    doubled = msgspec.json.decode(lines[0])["id"]
    with edited(made, "raw") as path:
        rewritten(path, "users", [*lines, lines[0]])
        found = made.report()
    line = failed(found, "duplicates")["users.id"]
    assert [key(defect) for defect in line.defects] == [{"id": doubled}]
    assert failed(found, "counts").keys() == {"users"}


def test_what_is_not_known_has_not_passed(made: Made) -> None:
    """A server that does not answer, one that nobody named, another model, a database gone."""
    nowhere = replace(made.documents, url=Url("mongodb://127.0.0.1:1/"), answer_ms=200)
    silent = replace(made, documents=nowhere).report()
    assert silent.verdict == "unknown"
    assert {x.outcome for x in silent.lines if x.area == "values"} == {"unknown"}
    assert {x.outcome for x in silent.lines if x.area == "references"} == {"passed"}
    far = PostgresTarget(Url("postgresql://127.0.0.1:1/postgres"))
    assert replace(made, target=far).report().verdict == "unknown"
    with pytest.raises(NotFound, match="not a complete version"):
        replace(made, version=Version(datetime(1999, 1, 1, tzinfo=UTC))).report()


def test_documents_that_another_model_made_are_not_known_to_be_wrong(made: Made) -> None:
    """What the one at hand explains passes all the same, under whatever name."""
    items = made.model.collections["lineItems"]
    other = replace(items, shape=replace(items.shape, renames=()))
    collections = {**made.model.collections, "lineItems": other}
    found = replace(made, model=replace(made.model, collections=collections)).report()
    unknown = {line.thing: line for line in found.lines if line.outcome == "unknown"}
    assert unknown.keys() == {"line_items"}
    assert "another model" in unknown["line_items"].reason
    renamed = replace(made, model=replace(made.model, source="elsewhere.yaml")).report()
    assert renamed.verdict == "passed"


def test_a_sample_finds_every_lost_row_and_each_value_in_its_turn(made: Made) -> None:
    """Keys are looked for every day; a changed value is found on one day of four."""
    with made.collection("campaigns") as campaigns:
        document = campaigns.find_one()
        assert document is not None
        campaigns.update_one({"_id": document["_id"]}, {"$set": {"goalsKpis": "other"}})
        days = [made.report(sample=25, days=day) for day in range(4)]
        campaigns.replace_one({"_id": document["_id"]}, document)
        assert campaigns.delete_one({"_id": document["_id"]}).deleted_count == 1
        lost = [made.report(sample=25, days=day) for day in range(2)]
        campaigns.insert_one(document)
    found = ["campaigns" in failed(report, "values") for report in days]
    assert sorted(found) == [False, False, False, True]
    assert all("campaigns" in failed(report, "values") for report in lost)
    assert days[0].sample == 25


def test_nothing_is_left_of_the_defects(made: Made) -> None:
    """Every test put back what it had changed, so that none found what another had planted."""
    assert made.report().verdict == "passed"


def test_what_only_an_earlier_version_can_tell(made: Made, source: Url, tmp_path: Path) -> None:
    """A table emptied or a column dropped at the source is a sound version; comparison names it."""
    later = Version(made.version.moment + timedelta(days=1))
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute("SET search_path TO media_tool")
        connection.execute("DELETE FROM attachments")
        connection.execute("DELETE FROM users_history")
        connection.execute("ALTER TABLE rate_card DROP COLUMN notes")
    export(PostgresSource(source, "media_tool"), made.objects, made.pool, later, tmp_path)
    files = [LocalFile(replace(made, version=v).path("raw")) for v in (made.version, later)]
    found = compared(tmp_path, (files[0], files[1]), made.model)
    lost = found.details["users_history"]
    assert (lost.count_v2, lost.removed) == (0, lost.count_v1)
    [dropped] = [c for c in found.schema_changes if (c.what, c.name) == ("column", "notes")]
    assert dropped.table == "rate_card"
    assert dropped.severity == "breaking"
    emptied = raw_as_usual(made.objects, later, ["users_history", "rate_card"], {})
    assert {table: finding.outcome for table, finding in emptied.items()} == {
        "users_history": "failed",
        "rate_card": "failed",
    }
