"""An original that a rule lets through is found, wherever it is, and nothing is published."""

from typing import Any

import msgspec
import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.manifest import Exclusion
from mediatool_assets_tests.core.dumped import dumped_entry
from mediatool_assets_tests.fixtures.sanitizing_bench import (
    CAMPAIGNS,
    HISTORY,
    RULES,
    TABLES,
    USERS,
    Bench,
    history,
    user,
    uuid_of,
)
from mediatool_assets_tests.raw_archives import raw_archive, table

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


def test_what_comes_along_is_searched_too(bench: Bench) -> None:
    """A warning of the export, or the reason of an exclusion, is no way out."""
    excluded = [Exclusion("secrets", "ada.1@example.com asked for it", 1)]
    raw_archive(bench.objects, TABLES, excluded=excluded)
    with pytest.raises(CheckFailed, match=r"manifest\.json .*; remove them from the source"):
        bench.again()
    assert bench.left == []


NAMED = {
    "a table": ("TABLE", "CREATE TABLE media_tool.notes_of_ada_ashgrove7 (id integer)"),
    "a column": ("TABLE", 'CREATE TABLE media_tool.notes ("ada.7@example.com" integer)'),
    "a sequence": ("SEQUENCE", 'CREATE SEQUENCE media_tool."Ashgrove7, Ada"'),
    "a constraint": ("TABLE", "CREATE TABLE media_tool.n (i int CONSTRAINT ada_ashgrove7 UNIQUE)"),
}  # fmt: skip


@pytest.mark.parametrize("what", NAMED)
def test_names_of_the_schema_are_searched_too(bench: Bench, what: str) -> None:
    """They cannot be replaced, and are no way out either."""
    raw_archive(bench.objects, TABLES, schema_sql=dumped_entry(*NAMED[what]))
    with pytest.raises(CheckFailed, match=r"schema\.sql still holds .*; remove them"):
        bench.again()
    assert bench.left == []


def test_comments_are_left_out(bench: Bench) -> None:
    """Of tables and columns, in both files; where the rules keep them, they are searched."""
    comment = "COMMENT ON TABLE media_tool.users IS 'ask Ada Ashgrove7, please'"
    named = msgspec.structs.replace(USERS.columns[0], comment="of ada.1@example.com")
    users = msgspec.structs.replace(USERS, columns=(named, *USERS.columns[1:]), comment="Ada's")
    tables = {users if t is USERS else t: rows for t, rows in TABLES.items()}
    raw_archive(bench.objects, tables, schema_sql=dumped_entry("COMMENT", comment))
    with pytest.raises(CheckFailed, match=r"schema\.sql still holds 1 original values of person"):
        bench.again(rules=RULES + "ddl: {keep: [comments]}\n")
    published = bench.again()
    assert published.report.ddl.left_out == ("comments: 1 left out",)
    archive = ArchiveReader(LocalFile(bench.folder / "out.tar.gz"))
    assert b"COMMENT" not in archive.read_file("schema.sql")
    assert b"comment" not in archive.read_file("schema.json")


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


def test_marks_alone_are_no_originals(bench: Bench) -> None:
    """What says nothing stays, and is not taken for a leak."""
    published = bench.run({**TABLES, USERS: [{**user(1), "name": "- - - - - -"}]})
    assert published.report.proof.leaks == ()
    assert bench.rows("users")[0]["name"] == "- - - - - -"
