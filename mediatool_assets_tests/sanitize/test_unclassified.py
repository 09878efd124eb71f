"""What no rule classifies stops the run, or is redacted where that is asked for."""

import pytest

from mediatool_assets.core.errors import BadRules
from mediatool_assets_tests.fixtures.sanitizing_bench import (
    HISTORY,
    TABLES,
    USERS,
    Bench,
    history,
    user,
)
from mediatool_assets_tests.raw_archives import table


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
