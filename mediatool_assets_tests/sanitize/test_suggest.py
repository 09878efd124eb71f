"""Suggest: rules for an archive that nobody has seen, which sanitize takes as they are."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.schema import ForeignKey
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.sanitize import rules as checks
from mediatool_assets.sanitize.detection import seen_in, suggested_rules
from mediatool_assets.sanitize.flow import LocalFolder, Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import Suggested, load_rules, schema_of, suggest
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.sanitizing_bench import KEY
from mediatool_assets_tests.raw_archives import VERSION, raw_archive, table
from mediatool_assets_tests.twins import DirectoryObjects

PEOPLE = table(
    "customers",
    id="uuid",
    crm_id="text",
    name="text",
    email="text",
    contact="text",
    mobile="text",
    website="text",
    number="text",
    remarks="text",
    color="text",
    salary="numeric",
    shoe_size="integer",
    born="date",
    met="date",
    created_at="timestamp with time zone",
    is_active="boolean",
    likes_fish="boolean",
    profile="jsonb",
    friends="uuid[]",
    tags="text[]",
    address="inet",
)
ORDERS = msgspec.structs.replace(
    table("orders", id="integer", customer_id="uuid", title="text", code="text"),
    foreign_keys=(ForeignKey("of", ("customer_id",), "customers", ("id",)),),
    unique_keys=(("code",),),
)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["2026-11-28", "1999-01-02"], "dates"),
        (["28.11.2026", "01/02/1999", "2026-11-28 03:04:05.678+00"], "dates"),
        (["+49 30 901820", "(555) 010-0199"], "telephone numbers"),
    ],
)
def test_dates_are_no_telephone_numbers(values: list[str], why: str) -> None:
    """Both are digits with points or hyphens; what a column holds is told by its dates."""
    notes = table("notes", id="integer", about="text")
    seen = seen_in([{"id": n, "about": value} for n, value in enumerate(values)], notes)
    first = next(suggested_rules(notes, notes.columns[1], seen["about"]))
    assert (first.rule, first.why, first.certain) == ("redact", why, why != "dates")


def uuid_of(n: int) -> str:
    """The n-th id."""
    return f"5bf32b6b-8449-4d0c-8556-{n:012x}"


def person(n: int) -> dict[str, Any]:
    """The n-th customer."""
    return {
        "id": uuid_of(n),
        "crm_id": str(4876123456789012345 + n),
        "name": f"Ada Ashgrove{'abcdefghij'[n % 10]}",
        "email": f"ada.{n}@example.com",
        "contact": f"bela.{n}@example.com",
        "mobile": f"+1 555 010 {n:04}",
        "website": f"https://example.com/{n}",
        "number": f"CN-{100 + n}",
        "remarks": f"Number {n} likes to talk about boats for hours, so take your time",
        "color": ["red", "green"][n % 2],
        "salary": f"{1000 + n}.50",
        "shoe_size": 40 + n % 5,
        "born": f"19{n + 40}-05-06",
        "met": "2025-05-06",
        "created_at": "2025-05-06T07:08:09+00:00",
        "is_active": True,
        "likes_fish": n % 2 == 0,
        "profile": {"nick": f"Nick{n}"},
        "friends": [uuid_of(n + 1)],
        "tags": [f"tag {n}"],
        "address": f"10.0.0.{n}",
    }


ROWS = {
    PEOPLE: [person(n) for n in range(20)],
    ORDERS: [
        {"id": n, "customer_id": uuid_of(n), "title": f"Boat {n}", "code": f"c{n}"}
        for n in range(10)
    ],
}
RULES = {
    "customers.id": "pseudonym uuid",
    "customers.crm_id": "pseudonym number",
    "customers.name": "pseudonym person",
    "customers.email": "pseudonym email",
    "customers.contact": "pseudonym email",
    "customers.mobile": "redact",
    "customers.website": "pseudonym url",
    "customers.number": "pseudonym number",
    "customers.remarks": "redact",
    "customers.color": "redact REVIEW",
    "customers.salary": "noise 20",
    "customers.shoe_size": "redact REVIEW",
    "customers.born": "generalize year",
    "customers.met": "redact REVIEW",
    "customers.created_at": "keep",
    "customers.is_active": "keep",
    "customers.likes_fish": "redact REVIEW",
    "customers.profile": "redact REVIEW",
    "customers.friends": "pseudonym uuid",
    "customers.tags": "redact REVIEW",
    "customers.address": "redact REVIEW",
    "orders.id": "keep",
    "orders.customer_id": "pseudonym uuid",
    "orders.title": "pseudonym title",
    "orders.code": "pseudonym token REVIEW",
}


def written(found: Suggested) -> dict[str, str]:
    """Each column's rule, and REVIEW where it is marked so."""
    rules: dict[str, str] = {}
    of = ""
    for line in found.text.partition("tables:\n")[2].splitlines():
        name, _, rest = line.strip().partition(":")
        if not rest:
            of = name
        else:
            rule, _, why = rest.strip().partition(" # ")
            rules[f"{of}.{name}"] = f"{rule} REVIEW" if why.startswith("REVIEW") else rule
    return rules


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    """A bucket with an archive of customers."""
    bucket = DirectoryObjects(tmp_path / "bucket")
    raw_archive(bucket, ROWS)
    return bucket


def test_each_column_has_a_rule_that_is_certain_or_redacts(objects: DirectoryObjects) -> None:
    """By its name, its type and its values; what could be anything waits for somebody."""
    found = suggest(objects.open(archive_key("raw", VERSION)))
    assert written(found) == RULES
    assert (found.columns, found.review) == (len(RULES), 8)


def test_the_evidence_holds_no_value(objects: DirectoryObjects) -> None:
    """Counts and shares alone: the file is read by people, and kept in a repository."""
    text = suggest(objects.open(archive_key("raw", VERSION))).text
    assert "20 different of 20 seen, 100 % e-mail addresses" in text
    values = [v for row in ROWS[PEOPLE] for v in row.values() if isinstance(v, str) and len(v) > 5]
    assert [value for value in values if value in text] == []


def test_sanitize_takes_it_as_it_is(
    objects: DirectoryObjects, pool: Workspace, tmp_path: Path
) -> None:
    """With nothing left to classify, no finding, and the relations that there were."""
    source = objects.open(archive_key("raw", VERSION))
    rules = tmp_path / "ours.yaml"
    rules.write_text(suggest(source).text, "utf-8")
    published = sanitize(
        source,
        LocalFolder(tmp_path / "out"),
        "copy.tar.gz",
        pool,
        Sanitizing(load_rules(rules), KEY),
    )
    assert published.report.proof.findings == ()
    assert published.report.unclassified == ()
    [reference] = published.report.proof.references
    assert (reference.orphans_before, reference.orphans_after) == (0, 0)


NUMBERS = {
    "whole": ("+43 1 58858-0", "redact", "100 % telephone numbers"),
    "within": ("ring +43 1 58858-0 at noon", "redact", "5 hold telephone numbers"),
    "none": ("ring at 12:30", "redact REVIEW", "1 different"),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_telephone_numbers_of_any_country(tmp_path: Path, what: str) -> None:
    """As a value, or within a longer one."""
    text, rule, evidence = NUMBERS[what]
    bucket = DirectoryObjects(tmp_path / "bucket")
    notes = table("notes", id="integer", said="text")
    raw_archive(bucket, {notes: [{"id": n, "said": text} for n in range(5)]})
    found = suggest(bucket.open(archive_key("raw", VERSION)))
    assert written(found)["notes.said"] == rule
    assert evidence in found.text


def test_the_demo_source(postgres_database: Url, pool: Workspace, tmp_path: Path) -> None:
    """Every awkward type of it has a rule that can hold; people are found without being told."""
    seed(postgres_database, scale=0.001, full=True)
    bucket = DirectoryObjects(tmp_path / "bucket")
    source = PostgresSource.of(
        Settings.parse({"MEDIATOOL_POSTGRES_URL": postgres_database.reveal()})
    )
    export(source, bucket, pool, VERSION)
    archive = bucket.open(archive_key("raw", VERSION))
    found, path = suggest(archive), tmp_path / "ours.yaml"
    path.write_text(found.text, "utf-8")
    rules, schema = load_rules(path), schema_of(ArchiveReader(archive))
    assert "ddl:\n  keep: []" in found.text
    assert "\n  # comments: " in found.text
    assert checks.unclassified(rules, schema) == []
    assert checks.mistakes(rules, schema) == []
    for name in ("users", "users_history", "reps"):
        assert rules.tables[name]["name"].words == "pseudonym person"
        assert rules.tables[name]["email"].words == "pseudonym email"
    published = sanitize(
        archive, LocalFolder(tmp_path / "out"), "c.tar.gz", pool, Sanitizing(rules, KEY)
    )
    assert published.report.proof.leaks == ()


def test_a_row_that_cannot_be_read(tmp_path: Path) -> None:
    """The archive is named, and the value is not."""
    bucket = DirectoryObjects(tmp_path / "bucket")
    raw_archive(bucket, {PEOPLE: [b'{"name":"Ada"']})
    with pytest.raises(BadArchive, match="a row of customers cannot be read") as caught:
        suggest(bucket.open(archive_key("raw", VERSION)))
    assert "Ada" not in str(caught.value)
