"""The risk report: what is counted, and how it reads."""

from mediatool_assets.core.schema import Schema
from mediatool_assets.infer.placement import NEAR_LIMIT, Figures, TableFigures, markdown, report
from mediatool_assets_tests.raw_archives import table

LOGS = table(
    "logs",
    (),
    user_id="integer",
    userId="integer",
    took="interval",
    at="timestamp without time zone",
    body="jsonb",
    **{"a.b": "public.citext", "$c": "integer", "d$": "integer"},
)
BLOBS = table("a|b", ("id",), id="integer", content="bytea")

FIGURES = Figures(
    {
        "logs": TableFigures(
            1000,
            500,
            values={"took": 400, "at": 300},
            losses={"at": {"microseconds": 7}},
            odd_keys={"body": {"$": 1, ".": 2}},
        ),
        "a|b": TableFigures(2, 2, largest=NEAR_LIMIT, largest_key="2"),
    }
)


def test_every_kind_of_risk_is_told_with_its_count() -> None:
    """By kind, then by table and column."""
    found = report("a source", Schema("s", (BLOBS, LOGS)), FIGURES)
    assert (found.tables, found.rows, found.rows_read) == (2, 1002, 502)
    assert [(r.kind, r.table, r.column, r.values) for r in found.risks] == [
        ("precision", "logs", "at", 7),
        ("large_document", "a|b", None, 1),
        ("odd_keys", "logs", "$c", 0),
        ("odd_keys", "logs", "a.b", 0),
        ("odd_keys", "logs", "body", 1),
        ("odd_keys", "logs", "body", 2),
        ("name_collision", "logs", "userId", 2),
        ("as_text", "logs", "took", 400),
        ("no_key", "logs", None, 1000),
        ("time_zone", "logs", "at", 300),
    ]


def test_people_read_it_as_tables() -> None:
    """A name cannot break its cell, and what was not read is said."""
    text = markdown(report("a source", Schema("s", (BLOBS, LOGS)), FIGURES))
    assert "2 tables, 1,002 rows, of which 502 were read. 10 risks." in text
    assert "| a\\|b | 1 | 12.6 MB: the row 2 |" in text
    assert "| logs.at | 7 | cut to milliseconds |" in text
