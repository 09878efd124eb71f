"""The history of one row over versions."""

from json import dumps
from pathlib import Path

import pytest

from mediatool_assets.archive.writer import BLOCK_BYTES
from mediatool_assets.core.errors import Misuse, NotFound
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.query.history import RowEvent, row_history
from mediatool_assets.query.session import ParquetCache, query_session, tables_of
from mediatool_assets.versions import catalog
from mediatool_assets_tests.complete_versions import complete
from mediatool_assets_tests.fixtures.query_session import FIRST, SECOND, THIRD, Session
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.twins import DirectoryObjects


def test_the_history_of_a_row_has_each_change_with_both_values(session: Session) -> None:
    """It appears with all its columns; a change has the columns that differ."""
    with session() as found:
        history = row_history(found, "campaigns", "b")
    assert history.present == (SECOND, THIRD)
    appeared = {"id": (None, "b"), "stage": (None, "Lead"), "budget": (None, None)}
    assert history.events == (
        RowEvent(SECOND, "appeared", appeared),
        RowEvent(THIRD, "changed", {"stage": ("Lead", "Won"), "region": (None, "EMEA")}),
    )


def test_a_removed_row_says_what_it_was(session: Session) -> None:
    """Its last values are in the event of the version that no longer has it."""
    with session() as found:
        *_, last = row_history(found, "campaigns", "id=a").events
    assert (last.version, last.change) == (THIRD, "removed")
    assert last.columns["budget"] == ("1.50", None)


def test_a_row_that_never_changed_has_one_event(session: Session) -> None:
    """It appeared in the first version that was asked for."""
    with session() as found:
        (event,) = row_history(found, "teams", "1").events
    assert (event.version, event.change) == (FIRST, "appeared")


def test_what_is_not_there_is_named(session: Session) -> None:
    """A table, a row, and a key of other columns."""
    with session() as found:
        with pytest.raises(NotFound, match="no version has a table nothing"):
            row_history(found, "nothing", "b")
        with pytest.raises(NotFound, match="campaigns has no row zz in these 3 versions"):
            row_history(found, "campaigns", "zz")
        with pytest.raises(NotFound, match="has no row stage=Lead"):
            row_history(found, "campaigns", "stage=Lead")


def test_a_composite_key_is_written_by_column(session: Session) -> None:
    """The message shows the columns to write."""
    with session() as found, pytest.raises(Misuse, match="write id=…"):
        row_history(found, "campaigns", "id=a,stage=Lead")


def test_blocks_of_the_same_content_are_read_once(tmp_path: Path) -> None:
    """A version reads the blocks that no version before had: those of others could be gone."""
    objects, made = DirectoryObjects(tmp_path / "bucket"), table("t", id="integer", note="text")
    rows = [{"id": n, "note": str(n) * BLOCK_BYTES} for n in range(3)]  # a block each
    complete(objects, FIRST, {made: rows})
    complete(objects, SECOND, {made: [*rows[:2], {"id": 2, "note": "new"}]})
    complete(objects, THIRD, {made: rows})
    path = objects.root / "objects" / archive_key("raw", Version.parse(THIRD))
    members = catalog.reader(objects, "raw", Version.parse(THIRD)).manifest.tables()
    data = bytearray(path.read_bytes())
    for block in members["t"].blocks:
        data[block.offset : block.offset + block.length] = bytes(block.length)
    path.chmod(0o644)
    path.write_bytes(data)
    versions = [
        tables_of(catalog.reader(objects, "raw", Version.parse(name)))
        for name in (FIRST, SECOND, THIRD)
    ]
    with query_session(versions, ParquetCache(tmp_path / "cache", 1 << 30), tmp_path) as found:
        history = row_history(found, "t", "2")
    assert [event.change for event in history.events] == ["appeared", "changed", "changed"]
    assert (history.blocks, history.blocks_read) == (9, 4)


def test_rows_that_the_cache_has_are_read_from_there(session: Session) -> None:
    """After a query over the same versions a history reads no block, and says the same."""
    with session() as found:
        before = row_history(found, "campaigns", "b")
        found.read({"campaigns"})
        after = row_history(found, "campaigns", "b")
    assert (before.blocks, after.blocks, after.blocks_read) == (3, 0, 0)
    assert after.events == before.events


@pytest.mark.parametrize(
    ("type_", "json", "key"),
    [
        ("text", '"a \\"b\\" \\\\ ü/\\n"', 'a "b" \\ ü/\n'),
        ("character(4)", '"ab  "', "ab  "),
        ("bigint", '"9007199254740993"', "9007199254740993"),
        ("integer", "-7", "-7"),
        ("uuid", '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', "A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("date", '"2025-11-01"', "2025-11-01"),
        ("timestamp with time zone", '"2025-11-01T02:00:00+00:00"', "2025-11-01 02:00:00+00"),
        ("numeric(6,2)", '"1.50"', "1.50"),
        ("boolean", "true", "true"),
    ],
)
def test_a_key_of_any_type_is_found(tmp_path: Path, type_: str, json: str, key: str) -> None:
    """As DuckDB prints it, whatever the archive's JSON looks like; other columns do not match."""
    objects = DirectoryObjects(tmp_path / "bucket")
    column = Column("id", type_, type_.partition("(")[0], nullable=False)
    made = Table("t", (column, Column("other", "text", "text")), primary_key=("id",))
    other = dumps(key)
    complete(objects, FIRST, {made: [f'{{"id":{json},"other":{other}}}'.encode()]})
    versions = [tables_of(catalog.reader(objects, "raw", Version.parse(FIRST)))]
    with query_session(versions, ParquetCache(tmp_path / "cache", 1 << 30), tmp_path) as found:
        (event,) = row_history(found, "t", key).events
        assert event.columns["other"] == (None, key)
        with pytest.raises(NotFound):
            row_history(found, "t", "other" if type_ == "text" else "2")


def test_a_value_that_no_type_holds_is_shown_as_the_archive_has_it(tmp_path: Path) -> None:
    """A history needs no ``--text``: nothing is computed with the values."""
    objects = DirectoryObjects(tmp_path / "bucket")
    made = table("t", id="integer", price="numeric(6,2)", spans="integer[]")
    complete(objects, FIRST, {made: [{"id": 1, "price": "NaN", "spans": [[1], [2]]}]})
    versions = [tables_of(catalog.reader(objects, "raw", Version.parse(FIRST)))]
    with query_session(versions, ParquetCache(tmp_path / "cache", 1 << 30), tmp_path) as found:
        (event,) = row_history(found, "t", "1").events
    assert event.columns == {
        "id": (None, "1"),
        "price": (None, "NaN"),
        "spans": (None, "[[1],[2]]"),
    }
