"""Defects by their names: what plants each in a version's stores, and what is red and told then."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bson.decimal128 import Decimal128

from mediatool_assets.core.version import Kind, archive_key
from mediatool_assets_tests.drills.checked_version import Made
from mediatool_assets_tests.planting import (
    lines_of,
    live_collection,
    restored_database,
    rewritten,
    with_member,
)

INTACT = "data_integrity_report: intact"

Planted = AbstractContextManager[None]


@dataclass(frozen=True)
class Defect:
    """What is planted, the checks that find it, and what names it.

    ``red`` has words of each check's description, ``named`` words of one row of the report, and
    ``told`` a pattern of a line that each command prints.
    """

    plant: Callable[[Made], Planted]
    red: Mapping[str, str]
    told: Mapping[str, str]
    named: tuple[str, ...] = field(default=())


@contextmanager
def archive(made: Made, kind: Kind, spoil: Callable[[Path], None]) -> Iterator[None]:
    """An archive in the bucket that is another."""
    key, client = archive_key(kind, made.version), made.objects.client
    data, _ = made.objects.get(key)
    with TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(data)
        spoil(path)
        client.put_object(Bucket=made.objects.bucket, Key=key, Body=path.read_bytes())
    yield
    client.put_object(Bucket=made.objects.bucket, Key=key, Body=data)


def row_lost(made: Made) -> Planted:
    """An archive that agrees with itself, and lacks a row."""

    def spoil(path: Path) -> None:
        lines = lines_of(path, "accounts")
        kept = [line for line in lines if json.loads(line)["id"] != "b2"]
        assert len(kept) == len(lines) - 1
        rewritten(path, "accounts", kept)

    return archive(made, "raw", spoil)


def value_changed(made: Made) -> Planted:
    """An archive that agrees with itself, and has another name of an account."""

    def spoil(path: Path) -> None:
        lines = lines_of(path, "accounts")
        other = [line.replace(b'"Boo"', b'"Foo"') for line in lines]
        assert other != lines
        rewritten(path, "accounts", other)

    return archive(made, "raw", spoil)


def truncated(made: Made) -> Planted:
    """A dump without its last bytes."""

    def spoil(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-100])

    return archive(made, "dump", spoil)


def manifest_edited(kind: Kind, made: Made) -> Planted:
    """Another fingerprint of accounts."""
    return archive(
        made, kind, lambda path: with_member(path, "accounts", fingerprint=f"3:{1:032x}")
    )


@contextmanager
def digit_changed(made: Made) -> Iterator[None]:
    """In the budget of one campaign."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        for budget in ("3.26", "3.25"):
            changed = campaigns.update_one({"_id": "3"}, {"$set": {"budget": Decimal128(budget)}})
            assert changed.modified_count == 1
            if budget == "3.26":
                yield


@contextmanager
def document_missing(made: Made) -> Iterator[None]:
    """A campaign."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        document = campaigns.find_one_and_delete({"_id": "3"})
        assert document is not None
        yield
        campaigns.insert_one(document)


@contextmanager
def document_doubled(made: Made) -> Iterator[None]:
    """An account, under another ``_id``."""
    with live_collection(made.documents, made.version, "accounts") as accounts:
        accounts.insert_one({**(accounts.find_one({"_id": "a1"}) or {}), "_id": "doubled1"})
        yield
        accounts.delete_one({"_id": "doubled1"})


@contextmanager
def array_shortened(made: Made) -> Iterator[None]:
    """By the first plan of a campaign."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        document = campaigns.find_one({"_id": "1"})
        assert document is not None
        assert document["plans"][0]["id"] == 2
        campaigns.update_one({"_id": "1"}, {"$pop": {"plans": -1}})
        yield
        campaigns.replace_one({"_id": "1"}, document)


@contextmanager
def microsecond_later(made: Made) -> Iterator[None]:
    """In the restored PostgreSQL."""
    later = (
        "UPDATE campaigns SET created_at = created_at {} interval '1 microsecond' WHERE id = '4'"
    )
    with restored_database(made.target, made.version) as execute:
        execute(later.format("+"))
        yield
        execute(later.format("-"))


@contextmanager
def index_missing_in_mongodb(made: Made) -> Iterator[None]:
    """That on a reference."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        campaigns.drop_index("accountId_1")
        yield
        campaigns.create_index("accountId")


@contextmanager
def index_missing_in_postgresql(made: Made) -> Iterator[None]:
    """Of the restored database."""
    with restored_database(made.target, made.version) as execute:
        execute("DROP INDEX campaigns_account")
        yield
        execute("CREATE INDEX campaigns_account ON campaigns (account_id)")


DEFECTS = {
    "a row lost in the archive": Defect(
        row_lost,
        {
            "raw/accounts: counted": "accounts: ",
            "metadata: accounted": "accounts: 2 rows, 3 read",
            "metadata: archives_whole": "raw: ",
            INTACT: "accounts: 1 too many",
        },
        {"integrity": "^mongodb +accounts +id = b2 +surplus$", "verify": "raw: "},
        ("accounts", "id = b2", "surplus"),
    ),
    "a value changed in the archive, and its manifest with it": Defect(
        value_changed,
        {"metadata: archives_whole": "raw: it does not have the SHA-256",
         INTACT: "accounts: 1 different in name"},
        {"integrity": "^mongodb +accounts +id = b2 +differs +name +(hidden, 3 characters *){2}$",
         "verify": "raw: "},
        ("accounts", "id = b2", "differs", "name"),
    ),
    "a digit changed in MongoDB": Defect(
        digit_changed,
        {INTACT: "campaigns: 1 different in budget"},
        {"integrity": r"^mongodb +campaigns +id = 3 +differs +budget +3\.25 +3\.26$",
         "verify": "mongodb: campaigns:"},
        ("campaigns", "id = 3", "differs", "budget", "3.25", "3.26"),
    ),
    "a document missing": Defect(
        document_missing,
        {"mongodb/campaigns: loaded": "campaigns: 4 documents, and 5",
         INTACT: "campaigns: 1 missing"},
        {"integrity": "^mongodb +campaigns +id = 3 +missing$",
         "verify": "mongodb: campaigns:"},
        ("campaigns", "id = 3", "missing"),
    ),
    "a document doubled": Defect(
        document_doubled,
        {"mongodb/accounts: loaded": "accounts: 4 documents, and 3",
         INTACT: "accounts: 1 too many"},
        {"integrity": "^mongodb +accounts +id = doubled1 +surplus$",
         "verify": "mongodb: accounts:"},
        ("accounts", "id = doubled1", "surplus"),
    ),
    "an embedded array shortened": Defect(
        array_shortened,
        {INTACT: "plans: 1 missing"},
        {"integrity": "^mongodb +plans +id = 2 +missing$", "verify": "mongodb: campaigns:"},
        ("plans", "id = 2", "missing"),
    ),
    "a microsecond in the restored PostgreSQL": Defect(
        microsecond_later,
        {INTACT: "campaigns in PostgreSQL: 1 different in created_at"},
        {"integrity": r"^postgres +campaigns +id = 4 +differs +created_at .*\.123456.* .*\.123457",
         "verify": "postgres: campaigns:"},
        ("campaigns", "id = 4", "differs", "created_at", ".123456", ".123457"),
    ),
    "an index missing in MongoDB": Defect(
        index_missing_in_mongodb,
        {INTACT: "campaigns: missing: accountId: 1"},
        {"integrity": "missing: accountId: 1"},
    ),
    "an index missing in the restored PostgreSQL": Defect(
        index_missing_in_postgresql,
        {INTACT: "campaigns in PostgreSQL: missing: campaigns_account"},
        {"integrity": "missing: campaigns_account"},
    ),
    "a dump truncated": Defect(
        truncated,
        {"dump: dumped": "cut short", "metadata: archives_whole": "dump: ", INTACT: "dump: "},
        {"integrity": "cut short", "verify": "dump: "},
    ),
    "a raw manifest edited": Defect(
        partial(manifest_edited, "raw"),
        {"raw/accounts: counted": "accounts: ", "metadata: archives_whole": "raw: ",
         INTACT: "accounts: "},
        {"integrity": "accounts", "verify": "raw: accounts"},
    ),
    "a transformed manifest edited": Defect(
        partial(manifest_edited, "transformed"),
        {"mongodb/accounts: loaded": "accounts: 3:", "metadata: archives_whole": "accounts",
         INTACT: "accounts: "},
        {"integrity": "accounts", "verify": "transformed: "},
    ),
    "a dump's manifest edited": Defect(
        partial(manifest_edited, "dump"),
        {"dump: dumped": "accounts: 3:", "metadata: archives_whole": "accounts",
         INTACT: "accounts: "},
        {"integrity": "accounts", "verify": "dump: "},
    ),
}  # fmt: skip
