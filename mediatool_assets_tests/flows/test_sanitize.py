"""Sanitize: what is confidential does not come out, and what belongs together stays together."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile, split_lines
from mediatool_assets.archive.spool import spool_rows
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain import schema as schemas
from mediatool_assets.domain.errors import AlreadyExists, BadArchive, BadRules, CheckFailed
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.manifest import Exclusion
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.model_file import load_model
from mediatool_assets.flows.sanitize import Folder, Published, load_rules, sanitize
from mediatool_assets.flows.sanitize.places import free_names
from mediatool_assets.flows.sanitize.proof import Kept, Leak, Proof, Reference, Unique
from mediatool_assets_tests.raw_archives import VERSION, raw_archive, table
from mediatool_assets_tests.transformed import transformed
from mediatool_assets_tests.twins import DirectoryObjects

SECRET = bytes(i * 37 % 256 for i in range(32))
KEY = MaskingKey(SECRET)
NEXT_DAY = Version.parse("20250622-143000")

USERS = table("users", id="uuid", crm_id="text", name="text", email="text")
HISTORY = table("users_history", ("id", "version"), id="uuid", version="integer", data="jsonb")
CAMPAIGNS = table(
    "campaigns", id="text", number="text", owner="text", traders="uuid[]", note="text"
)
BUYS = table("buys", id="integer", numbers="text[]", spend="numeric")

RULES = """
kinds:
  user: uuid
  crm: number
  person: person
  email: email
  number: {format: number, prefix: CN-}
quasi_identifiers:
  buys: [spend]
tables:
  users: {id: pseudonym user, crm_id: pseudonym crm, name: pseudonym person, email: pseudonym email}
  users_history:
    id: pseudonym user
    version: keep
    data:
      json:
        name: pseudonym person
        contact.email: pseudonym email
        numbers[]: pseudonym number
        long: pseudonym crm
        dropped: drop
        gone: redact
        cut: generalize first 3
        remark: keep
  campaigns:
    id: pseudonym crm
    number: pseudonym number
    owner: pseudonym crm
    traders: pseudonym user
    note: redact
  buys: {id: keep, numbers: pseudonym number, spend: noise 20}
"""

MODEL = """
tables: {users: [id], users_history: [id, version], campaigns: [id], buys: [id]}
one_to_one: [users, users_history]
collections:
  campaigns:
    root: campaigns
    add:
      owner: {look_up: owner -> users.crm_id, take: [name]}
      traders: {look_up: "traders[] -> users.id", take: [name]}
  buys:
    root: buys
    add:
      campaigns: {look_up: "numbers[] -> campaigns.number", take: id}
"""


def uuid_of(n: int) -> str:
    """The n-th user's id."""
    return f"5bf32b6b-8449-4d0c-8556-{n:012x}"


def user(n: int) -> dict[str, Any]:
    """The n-th user."""
    return {
        "id": uuid_of(n),
        "crm_id": str(4876123456789012345 + n),
        "name": f"Ada Ashgrove{n}",
        "email": f"ada.{n}@example.com",
    }


def history(n: int, **more: Any) -> dict[str, Any]:
    """A version of the n-th user."""
    data = {"name": f"Ada Ashgrove{n}", "contact": {"email": f"ada.{n}@example.com"}, **more}
    return {"id": uuid_of(n), "version": 1, "data": data}


TABLES: Mapping[Table, Sequence[Mapping[str, Any]]] = {
    USERS: [user(n) for n in range(30)],
    HISTORY: [history(n, numbers=[f"CN-{100 + n}"]) for n in range(30)],
    CAMPAIGNS: [
        {
            "id": str(1876123456789012345 + n),
            "number": f"CN-{100 + n}",
            "owner": user(n + 5)["crm_id"],
            "traders": [uuid_of(n), None, uuid_of(n + 20)],
            "note": "Talk to Ada — 私は",
        }
        for n in range(20)
    ],
    BUYS: [
        {"id": n, "numbers": [f"CN-{100 + n}", f"CN-{115 + n}"], "spend": f"{n}.50"}
        for n in range(10)
    ],
}


@dataclass(frozen=True)
class Bench:
    """A bucket, a folder to publish into, and a pool."""

    objects: DirectoryObjects
    folder: Path
    pool: Executor
    scratch: Path

    def run(
        self,
        tables: Mapping[Table, Sequence[Mapping[str, Any] | bytes]] = TABLES,
        *,
        rules: str = RULES,
        version: Version = VERSION,
        **options: Any,
    ) -> Published:
        """Sanitize an archive of these tables into ``out.tar.gz``."""
        raw_archive(self.objects, tables, version=version)
        return self.again(rules=rules, version=version, **options)

    def again(
        self,
        *,
        rules: str = RULES,
        version: Version = VERSION,
        key: MaskingKey = KEY,
        **options: Any,
    ) -> Published:
        """Sanitize the archive that is there."""
        file, model = self.scratch / "rules.yaml", self.scratch / "model.yaml"
        file.write_text(rules, "utf-8")
        model.write_text(MODEL, "utf-8")
        return sanitize(
            self.objects.open(archive_key("raw", version)),
            Folder(self.folder),
            options.pop("name", "out.tar.gz"),
            self.pool,
            load_rules(file),
            key,
            self.scratch,
            model=load_model(model),
            **options,
        )

    def rows(self, table: str, name: str = "out.tar.gz") -> list[dict[str, Any]]:
        """The rows of a table as they came out."""
        archive = ArchiveReader(LocalFile(self.folder / name))
        member = archive.manifest.tables()[table]
        archive.verify(member)
        return [
            json.loads(line)
            for content in archive.blocks(member.blocks)
            for line in split_lines(content)
        ]

    @property
    def left(self) -> list[str]:
        """What there is in the folder, and in the scratch directory beside rules and model."""
        found = sorted(self.folder.iterdir()) if self.folder.exists() else []
        scratch = [p for p in self.scratch.iterdir() if p.suffix != ".yaml"]
        return [path.name for path in [*found, *scratch]]


@pytest.fixture
def bench(tmp_path: Path, pool: Executor) -> Bench:
    """A bench of its own for each test."""
    (tmp_path / "scratch").mkdir()
    return Bench(
        DirectoryObjects(tmp_path / "bucket"), tmp_path / "out", pool, tmp_path / "scratch"
    )


def test_one_value_has_one_pseudonym_everywhere(bench: Bench) -> None:
    """In columns, arrays, documents and history: what was joined can be joined."""
    published = bench.run()
    users, campaigns = bench.rows("users"), bench.rows("campaigns")
    for before, after, old in zip(TABLES[USERS], users, bench.rows("users_history"), strict=True):
        assert not set(before.values()) & set(after.values())
        assert old["id"] == after["id"]
        assert old["data"]["name"] == after["name"]
        assert old["data"]["contact"]["email"] == after["email"]
    for n, campaign in enumerate(campaigns):
        assert campaign["owner"] == users[n + 5]["crm_id"]
        assert campaign["traders"][:2] == [users[n]["id"], None]
        assert bench.rows("users_history")[n]["data"]["numbers"] == [campaign["number"]]
        assert len(campaign["note"]) == len("Talk to Ada — 私は")
    assert bench.rows("buys")[3]["numbers"] == [campaigns[3]["number"], campaigns[18]["number"]]
    found = {
        r.reference: (r.orphans_before, r.orphans_after) for r in published.report.proof.references
    }
    assert found == {
        "campaigns.owner -> users.crm_id": (0, 0),
        "campaigns.traders[] -> users.id": (10, 10),
        "buys.numbers[] -> campaigns.number": (5, 5),
    }


@pytest.mark.parametrize(("k", "stops"), [(2, False), (3, True)])
def test_a_group_that_is_smaller_than_declared_stops_the_run(
    bench: Bench, k: int, stops: bool
) -> None:
    """Quasi-identifiers with a k hold to it."""
    rules = RULES.replace("buys: [spend]", f"buys: {{columns: [spend], k: {k}}}")
    rows = [{"id": n, "numbers": [], "spend": f"{n // 2}.00"} for n in range(6)]
    if stops:
        with pytest.raises(CheckFailed, match=r"buys \(spend\): the smallest group has 2 rows"):
            bench.run({**TABLES, BUYS: rows}, rules=rules)
    else:
        bench.run({**TABLES, BUYS: rows}, rules=rules)


def test_the_next_day_has_the_same_pseudonyms(bench: Bench) -> None:
    """Another version, with other rows beside, masks what it shares alike; another key does not."""
    bench.run()
    later = dict(TABLES) | {USERS: [user(99), *TABLES[USERS]]}
    bench.run(later, version=NEXT_DAY, name="next.tar.gz")
    assert bench.rows("users", "next.tar.gz")[1:] == bench.rows("users")
    other = MaskingKey(SECRET[::-1])
    bench.again(key=other, name="other.tar.gz")
    ids = [{row["id"] for row in bench.rows("users", n)} for n in ("out.tar.gz", "other.tar.gz")]
    assert not ids[0] & ids[1]


def test_the_same_rows_give_the_same_bytes(bench: Bench) -> None:
    """Sanitizing again changes nothing."""
    bench.run()
    bench.again(name="again.tar.gz")
    assert (bench.folder / "out.tar.gz").read_bytes() == (
        bench.folder / "again.tar.gz"
    ).read_bytes()


def test_the_copy_is_an_archive_like_any_other(bench: Bench) -> None:
    """Rows, schema and key columns are as before; the manifest says what was done, not how."""
    published = bench.run()
    manifest = ArchiveReader(LocalFile(bench.folder / "out.tar.gz")).manifest
    raw = ArchiveReader(bench.objects.open(archive_key("raw", VERSION)))
    assert (manifest.kind, manifest.version) == ("sanitized", str(VERSION))
    assert [(m.name, m.rows) for m in manifest.members] == [
        (m.name, m.rows) for m in raw.manifest.members
    ]
    copy = ArchiveReader(LocalFile(bench.folder / "out.tar.gz"))
    assert copy.read_file("schema.json") == raw.read_file("schema.json")
    assert manifest.facts["key_id"] == KEY.id
    assert manifest.facts["rules_sha256"] == published.report.rules_sha256
    assert manifest.facts["masked"] == {
        "noise 20": 10,
        "pseudonym crm": 70,
        "pseudonym email": 60,
        "pseudonym number": 70,
        "pseudonym person": 60,
        "pseudonym user": 100,
        "redact": 20,
    }


def test_the_report_has_the_proof_and_no_secret(bench: Bench) -> None:
    """JSON and HTML lie beside the archive; neither holds the key or an original."""
    published = bench.run()
    assert bench.left == ["out-report.html", "out-report.json", "out.tar.gz"]
    report = json.loads((bench.folder / "out-report.json").read_text())
    assert report["proof"]["leaks"] == []
    assert {k["kind"]: (k["before"], k["after"]) for k in report["proof"]["kinds"]} == {
        "crm": (50, 50),
        "email": (30, 30),
        "number": (30, 30),
        "person": (30, 30),
        "user": (40, 40),
    }
    assert {"table": "buys", "column": "spend", "rule": "noise 20",
            "masked": {"noise 20": 10}} in report["columns"]  # fmt: skip
    assert [g["smallest"] for g in report["proof"]["groups"]] == [1]
    assert published.report.proof.searched > 100
    for path in bench.folder.iterdir():
        text = path.read_bytes()
        for secret in (SECRET.hex().encode(), SECRET, b"Ashgrove", b"ada.1@", b"48761234567890"):
            assert secret not in text
    page = (bench.folder / "out-report.html").read_text()
    assert "http" not in page
    assert "src=" not in page


LEAKS = {
    "an e-mail in a remark": history(1, remark="write to ada.1@example.com, please"),
    "a name in a remark": history(1, remark="ask ADA ASHGROVE7 about it"),
    "an id in a remark": history(1, remark=f"see {uuid_of(3)}."),
    "a number in a remark": history(1, remark={"crm": 4876123456789012345}),
    "a number's text": history(1, remark=["see 4876123456789012346"]),
    "a name of an object": history(1, remark={"ada.1@example.com": 1}),
    "another e-mail": history(1, remark="stranger@elsewhere.example.org"),
    "a number beyond 64 bits": history(1, remark=98765432109876543210, long=98765432109876543210),
    "a text that was dropped": history(1, remark="so Gone Today it is", dropped="Gone Today"),
    "a text in an object that was redacted": history(
        1, remark="so Gone Today it is", gone={"deep": [{"x": "Gone Today"}]}
    ),
    "a name in an object that was dropped": history(
        1, remark="so Gone-Today it is", dropped={"Gone-Today": None}
    ),
    "a number that was redacted": history(1, remark=123456789, gone=123456789),
    "a text that was cut no shorter": history(1, remark="so Gone Today is", cut="Gone Today"),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_an_original_that_is_left_stops_the_run(bench: Bench, leak: dict[str, Any]) -> None:
    """A rule that lets an original through is found out, and nothing is published."""
    with pytest.raises(CheckFailed, match=r"users_history\.data remark.*\nnothing was published"):
        bench.run({**TABLES, HISTORY: [history(5), leak]})
    assert bench.left == []


TAKEN = {
    "uuid": ("redact", "5bf32b6b-8449-4d0c-8556-00000000abcd"),
    "inet": ("redact", "203.0.113.46"),
    "bigint": ("redact", 123456789),
    "numeric": ("redact", "12345678.90"),
    "bytea": ("redact", "\\xdecade46"),
    "jsonb": ("redact", {"deep": ["Gone Today"]}),
    "json": ("drop", '{"deep":["Gone Today"]}'),
    "text": ("drop", "Gone Today"),
    "text[]": ("redact", '[0:1]={"Gone Today",x}'),
}


@pytest.mark.parametrize("type_", TAKEN)
def test_what_was_taken_away_is_searched_for(bench: Bench, type_: str) -> None:
    """Of every type whose values are not equal by chance."""
    rule, value = TAKEN[type_]
    more = table("more", (), gone=type_, note="text")
    text = "Gone Today" if "Gone" in str(value) else str(value)
    rules = RULES + f"  more: {{gone: {rule}, note: keep}}\n"
    with pytest.raises(CheckFailed, match=r"^more\.note still holds 1 original values"):
        bench.run({**TABLES, more: [{"gone": value, "note": f"see {text} here"}]}, rules=rules)
    assert bench.left == []


INHERITED: dict[str, Any] = {
    "schema.sql": {"schema_sql": "COMMENT ON TABLE users IS 'ask Ada Ashgrove7, please';"},
    "manifest.json": {"excluded": [Exclusion("secrets", "ada.1@example.com asked for it", 1)]},
}


@pytest.mark.parametrize("place", INHERITED)
def test_what_comes_along_is_searched_too(bench: Bench, place: str) -> None:
    """A comment of the schema, or a warning of the export, is no way out."""
    raw_archive(bench.objects, TABLES, **INHERITED[place])
    with pytest.raises(CheckFailed, match=rf"{place} .*; take them out of the source"):
        bench.again()
    assert bench.left == []


def test_a_comment_of_a_column_is_searched_too(bench: Bench) -> None:
    """In schema.json, beside schema.sql."""
    named = msgspec.structs.replace(USERS.columns[0], comment="of ada.1@example.com")
    users = msgspec.structs.replace(USERS, columns=(named, *USERS.columns[1:]))
    tables = {users if t is USERS else t: rows for t, rows in TABLES.items()}
    with pytest.raises(CheckFailed, match=r"schema\.json still holds 1 original values of email"):
        bench.run(tables)


def test_numbers_beyond_64_bits_have_pseudonyms(bench: Bench) -> None:
    """One for number and text; and amounts that no computer counts with are taken away."""
    long = 98765432109876543210
    rows = [history(1, long=long), history(2, long=str(long)), history(3, gone="x")]
    users = [user(n) | {"crm_id": str(long)} for n in (1,)]
    bench.run({**TABLES, USERS: users, HISTORY: rows})
    documents = [row["data"] for row in bench.rows("users_history")]
    crm_id = bench.rows("users")[0]["crm_id"]
    assert crm_id != str(long)
    assert json.loads(documents[0])["long"] == int(crm_id)
    assert documents[1]["long"] == crm_id


def test_amounts_of_any_length_are_blurred(bench: Bench) -> None:
    """As long as numeric holds them: 5,000 digits are no mistake of anybody's."""
    spends = ["9" * 5000, "1" * 131_072, "0." + "4" * 15_000]
    rows = [{"id": n, "numbers": [], "spend": spend} for n, spend in enumerate(spends)]
    bench.run({**TABLES, BUYS: rows})
    made = [row["spend"] for row in bench.rows("buys")]
    assert [abs(len(after) - len(before)) <= 1 for before, after in zip(spends, made, strict=True)]
    assert not set(spends) & set(made)


def test_the_message_does_not_say_what_leaked(bench: Bench) -> None:
    """Messages and logs hold places and counts only."""
    with pytest.raises(CheckFailed) as caught:
        bench.run({**TABLES, HISTORY: [LEAKS["an e-mail in a remark"]]})
    assert "still holds 1 original values of email" in str(caught.value)
    assert "ada" not in str(caught.value)


def test_a_column_that_is_kept_by_mistake_stops_the_run(bench: Bench) -> None:
    """A kept copy of what is masked elsewhere is a leak."""
    rules = RULES.replace("note: redact", "note: keep")
    rows = [{**row, "note": user(n)["name"]} for n, row in enumerate(TABLES[CAMPAIGNS])]
    with pytest.raises(CheckFailed, match=r"campaigns\.note still holds 20 original values"):
        bench.run({**TABLES, CAMPAIGNS: rows}, rules=rules)
    assert bench.left == []


def test_a_reference_that_is_torn_stops_the_run(bench: Bench) -> None:
    """Both ends under different kinds would lead nowhere; the model's references are known."""
    rules = RULES.replace("owner: pseudonym crm", "owner: pseudonym person")
    with pytest.raises(CheckFailed, match=r"campaigns\.owner -> users\.crm_id: 0 values referred"):
        bench.run(rules=rules)
    assert bench.left == []


def test_an_unclassified_column_stops_the_run(bench: Bench) -> None:
    """A new column is named with the line to add, before a row is read."""
    new = table("users", id="uuid", crm_id="text", name="text", email="text", phone="text")
    tables = {t: rows for t, rows in TABLES.items() if t is not USERS}
    with pytest.raises(BadRules, match=r"users\.phone \(text\) is not classified.*`phone: keep`"):
        bench.run({**tables, new: [{**user(1), "phone": "+1 555 010 0000"}]})
    assert bench.left == []


def test_or_is_redacted_where_that_is_asked_for(bench: Bench) -> None:
    """Columns, tables and paths that nobody has classified lose what they hold, and are listed."""
    new = table("users", id="uuid", crm_id="text", name="text", email="text", phone="text")
    more = table("surprises", (), what="text", many="integer")
    tables = {t: rows for t, rows in TABLES.items() if t is not USERS}
    published = bench.run(
        {
            **tables,
            HISTORY: [history(1, new="Ada Ashgrove1")],
            new: [{**user(1), "phone": "+1 555 010 0000"}],
            more: [{"what": "a secret of ours", "many": 5}],
        },
        redact_unclassified=True,
    )
    assert "555" not in bench.rows("users")[0]["phone"]
    assert "secret" not in bench.rows("surprises")[0]["what"]
    assert bench.rows("surprises")[0]["many"] == 0
    assert bench.rows("users_history")[0]["data"]["new"] != "Ada Ashgrove1"
    assert set(published.report.unclassified) == {"surprises.many", "surprises.what", "users.phone"}


def test_a_new_key_is_not_redacted(bench: Bench) -> None:
    """What makes a row unique cannot be taken away: it is named, and nothing is published."""
    more = table("surprises", id="integer")
    with pytest.raises(BadRules, match=r"surprises\.id \(integer\): redact: it is part of a key"):
        bench.run({**TABLES, more: [{"id": 1}]}, redact_unclassified=True)
    assert bench.left == []


def test_a_path_that_is_new_stops_the_run(bench: Bench) -> None:
    """Documents are default-deny too."""
    with pytest.raises(BadRules, match=r"users_history\.data: nickname is not classified"):
        bench.run({**TABLES, HISTORY: [history(1, nickname="Ada")]})
    assert bench.left == []


def test_a_row_with_a_column_of_its_own_is_refused(bench: Bench) -> None:
    """What schema.json does not know, no rule covers; the value is not in the message."""
    with pytest.raises(BadArchive, match=r"a row of users is not as schema\.json says") as caught:
        bench.run({**TABLES, USERS: [{**user(1), "extra": "Ada"}]})
    assert "Ada" not in str(caught.value)
    assert bench.left == []


def test_only_raw_archives_are_taken(bench: Bench) -> None:
    """A transformed archive has no columns, and is refused."""
    transformed(bench.objects, VERSION, {"users": []}, facts={})
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    with pytest.raises(BadArchive, match="is a transformed archive"):
        sanitize(
            bench.objects.open(archive_key("transformed", VERSION)),
            Folder(bench.folder),
            "out.tar.gz",
            bench.pool,
            load_rules(rules),
            KEY,
            bench.scratch,
        )


def test_a_name_that_is_taken_stays(bench: Bench) -> None:
    """Neither an archive nor a report is written over."""
    bench.run()
    with pytest.raises(AlreadyExists, match=r"out\.tar\.gz already exists"):
        bench.again()
    (bench.folder / "out.tar.gz").unlink()
    with pytest.raises(AlreadyExists, match="report"):
        bench.run(version=NEXT_DAY)
    (bench.folder / "out-report.json").write_text("{}")
    with pytest.raises(AlreadyExists, match="report"):
        bench.again()


def test_an_archive_that_never_came_is_tried_again(bench: Bench) -> None:
    """The reports of a run whose archive could not appear do not stand in the next one's way."""

    def in_the_way(step: str, _done: int, _total: int) -> None:
        if step == "proof":
            (bench.folder / "out.tar.gz").touch()

    with pytest.raises(AlreadyExists, match=r"out\.tar\.gz"):
        bench.run(progress=in_the_way)
    (bench.folder / "out.tar.gz").unlink()
    assert bench.left == ["out-report.html", "out-report.json"]
    other = MaskingKey(SECRET[::-1])
    published = bench.again(key=other)
    report = json.loads((bench.folder / "out-report.json").read_text())
    assert report["key_id"] == published.report.key_id == other.id
    assert bench.left == ["out-report.html", "out-report.json", "out.tar.gz"]


def test_a_report_of_a_run_beside_is_not_written_over(bench: Bench) -> None:
    """What a run replaces is what it found when it began, and nothing that came after."""
    bench.run()
    (bench.folder / "out.tar.gz").unlink()
    place = Folder(bench.folder)
    names = free_names(place, "out.tar.gz", str(VERSION))
    for name, tag in names.items():
        place.put(name, b"of another run", replacing=tag)
        with pytest.raises(AlreadyExists, match="report"):
            place.put(name, b"of this one", replacing=tag)
        assert place.get(name)[0] == b"of another run"


def test_empty_tables_are_tables(bench: Bench) -> None:
    """An archive without a row is sanitized into one without a row."""
    published = bench.run({table: [] for table in TABLES})
    assert published.report.rows == dict.fromkeys(
        ("buys", "campaigns", "users", "users_history"), 0
    )
    assert published.report.proof.findings == ()


def test_it_goes_into_a_bucket_too(bench: Bench) -> None:
    """An object store is a place as a folder is, its reports beside the archive."""
    raw_archive(bench.objects, TABLES)
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    key = archive_key("sanitized", VERSION)
    published = sanitize(
        bench.objects.open(archive_key("raw", VERSION)),
        bench.objects,
        key,
        bench.pool,
        load_rules(rules),
        KEY,
        bench.scratch,
    )
    assert published.uri == f"s3://twin/{key}"
    assert [info.key for info in bench.objects.list("postgres-exports/sanitized/")] == sorted(
        [key, *(uri.removeprefix("s3://twin/") for uri in published.reports)]
    )
    schema = ArchiveReader(bench.objects.open(key)).read_file("schema.json")
    assert schemas.decode(schema).name == "media_tool"


def test_a_last_name_alone_is_told(bench: Bench) -> None:
    """In what is kept, by place: it can be a word too, so that it stops nothing."""
    masked = {**user(1), "name": "Ada Ashgrove"}
    rows = [history(1, remark="as Ashgrove said, and Ada too"), history(2, remark="nothing")]
    rows[0]["data"]["name"] = rows[1]["data"]["name"] = "Ada Ashgrove"
    published = bench.run({**TABLES, USERS: [masked], HISTORY: rows})
    assert published.report.proof.names == {"users_history.data remark": 1}
    assert published.report.proof.findings == ()
    page = (bench.folder / "out-report.html").read_text("utf-8")
    assert "users_history.data remark" in page
    assert "Ashgrove" not in page


FOUND = {
    "two values that became one": {"kinds": (Kept("crm", 3, 2, 3, 3, 0),)},
    "a value with two pseudonyms": {"kinds": (Kept("crm", 2, 3, 3, 3, 0),)},
    "values that stay": {"kinds": (Kept("crm", 99, 99, 99, 99, 1),)},
    "a long number that stays": {"kinds": (Kept("crm", 9999, 9999, 9999, 9999, 1, 1),)},
    "a key that is not unique any more": {"keys": (Unique("users (id)", 9, 9, 8),)},
    "a reference that leads elsewhere": {"references": (Reference("a.b -> c.d", 9, 1, 0),)},
    "an original": {"leaks": (Leak("a.b", "crm", 1),)},
    "an address": {"mails": {"a.b": 1}},
}


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_each_of_these_is_a_finding(found: dict[str, Any]) -> None:
    """One line each, by which nothing is published."""
    nothing = Proof((), (), (), (), (), 0, 0, {}, {}, {})
    assert nothing.findings == ()
    assert len(msgspec.structs.replace(nothing, **found).findings) == 1


def test_marks_alone_are_no_originals(bench: Bench) -> None:
    """What says nothing stays, and is not taken for a leak."""
    published = bench.run({**TABLES, USERS: [{**user(1), "name": "- - - - - -"}]})
    assert published.report.proof.leaks == ()
    assert bench.rows("users")[0]["name"] == "- - - - - -"


def test_rows_that_no_schema_describes_are_refused(bench: Bench) -> None:
    """A member beside the schema would have no rules, and is not passed on."""
    path = bench.scratch / "odd.yaml"
    with path.open("wb") as file:
        writer = ArchiveWriter(file, "raw", VERSION)
        spooled = spool_rows(bench.scratch / "spool", [[b'{"name":"Ada"}']], b"\n")
        writer.add_rows("people.ndjson", [spooled], table="people")
        writer.add_file("schema.json", schemas.encode(schemas.Schema("media_tool", (USERS,))))
        writer.finish()
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    with pytest.raises(BadArchive, match=r"has rows of people, of which schema\.json says nothing"):
        sanitize(
            LocalFile(path),
            Folder(bench.folder),
            "out.tar.gz",
            bench.pool,
            load_rules(rules),
            KEY,
            bench.scratch,
        )
    assert bench.left == []
