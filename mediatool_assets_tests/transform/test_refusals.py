"""What cannot become a document is named, and nothing is published."""

import pytest

from mediatool_assets.core.errors import BadArchive, BadModel, BadValue
from mediatool_assets.core.version import archive_key
from mediatool_assets_tests.fixtures.transform_runs import TEAMS, Run
from mediatool_assets_tests.raw_archives import VERSION, table


@pytest.mark.parametrize(
    ("key_type", "keys"),
    [
        ("text", ["a", "a"]),
        ("numeric", ["1.0", "1.00"]),
        (
            "timestamp with time zone",
            ["2025-06-21T00:00:00.000001+00:00", "2025-06-21T00:00:00.000002+00:00"],
        ),
    ],
)
def test_two_documents_with_one_id_stop_the_version(
    run: Run, key_type: str, keys: list[str]
) -> None:
    """Also where only MongoDB takes them for equal; nothing is published."""
    odd = table("odd", ("k",), k=key_type)
    with pytest.raises(BadValue, match="is the _id of two documents of odd"):
        run("tables: {odd: }\none_to_one: [odd]", {odd: [{"k": key} for key in keys]})
    assert run.objects.head(archive_key("transformed", VERSION)) is None


def test_a_value_that_cannot_be_converted_is_named(run: Run) -> None:
    """Table, key, column and value; nothing becomes null, nothing is published."""
    model = "tables: {teams: }\ncollections:\n  t:\n    root: teams\n    types: {name: int}"
    with pytest.raises(BadValue) as caught:
        run(model, {TEAMS: [{"id": 1, "name": "5"}, {"id": 2, "name": "five"}]})
    found = caught.value
    assert (found.table, found.key, found.column, found.value) == ("teams", 2, "name", "five")
    assert run.objects.head(archive_key("transformed", VERSION)) is None


def test_a_document_above_16_mib_is_named(run: Run) -> None:
    """With the column that makes it so large."""
    rows = [{"id": 1, "name": "x" * (16 << 20)}]
    with pytest.raises(BadValue, match=r"teams 1: column name: .* more than MongoDB's 16777216"):
        run("tables: {teams: }\none_to_one: [teams]", {TEAMS: rows})


@pytest.mark.parametrize("row", [b"{", b'{"id":1}', b'{"id":1,"name":"a","more":1}'])
def test_a_row_that_is_not_of_its_table_is_damage(run: Run, row: bytes) -> None:
    """No column is dropped or made up without a word."""
    with pytest.raises(BadArchive, match="teams: row 1"):
        run("tables: {teams: }\none_to_one: [teams]", {TEAMS: [row]})


def test_a_model_that_does_not_fit_is_refused(run: Run) -> None:
    """Before anything is read but the schema."""
    with pytest.raises(BadModel, match=r"model\.yaml:1: the source has no table gone"):
        run("tables: {gone: }\none_to_one: [gone]", {TEAMS: []})
