"""Every defect planted in the restored PostgreSQL is named, and every index that a store lacks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from mediatool_assets_tests.fixtures.complete_version import Made, areas, failed, values


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


def test_nothing_is_left_of_the_defects(made: Made) -> None:
    """Every test put back what it had changed, so that none found what another had planted."""
    assert made.report().verdict == "passed"
