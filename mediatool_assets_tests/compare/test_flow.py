"""Comparison: each planted change is found and named, and none where there is none."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediatool_assets.archive import writer
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.compare import flow as table_module
from mediatool_assets.compare import row_digests
from mediatool_assets.core.comparison import Comparison, TableComparison
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.manifest import Exclusion, Manifest
from mediatool_assets.core.model import Model, SourceTable
from mediatool_assets.core.schema import Index, Table
from mediatool_assets_tests.compared import (
    ONE,
    TWO,
    Watched,
    archive,
    compared,
    of_tables,
    plain,
    with_manifest,
)
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.transformed import transformed
from mediatool_assets_tests.twins import DirectoryObjects

BUYS = table(
    "media_buys", id="integer", name="text", spend="numeric", at="timestamp with time zone"
)
KEYLESS = table("rates", (), name="text", rate="numeric")
Rows = list[dict[str, Any]]


def buys(count: int = 40) -> Rows:
    """Rows of BUYS."""
    return [
        {"id": n, "name": f"Buy {n}", "spend": f"{n}.25", "at": f"2025-06-21T10:00:00.{n:06}+00:00"}
        for n in range(count)
    ]


def without(row: int) -> Rows:
    """All but one row."""
    return [found for found in buys() if found["id"] != row]


def changed(row: int, **values: object) -> Rows:
    """One row changed."""
    return [found | (values if found["id"] == row else {}) for found in buys()]


def in_one_table(folder: Path, one: Rows, two: Rows, of: Table = BUYS) -> TableComparison:
    """Compare two states of one table."""
    return of_tables(folder, {of: one}, {of: two}).details[of.name]


def test_equal_versions_are_the_same(tmp_path: Path) -> None:
    """Equal rows in another order are the same, and every figure says so."""
    found = of_tables(tmp_path, {BUYS: buys()}, {BUYS: buys()[::-1]})
    assert found.verdict == "same"
    assert found.summary.collections_with_changes == 0
    assert not found.details["media_buys"].differs
    assert found.metrics["total_records"].change == 0


def test_equal_tables_are_not_opened(tmp_path: Path) -> None:
    """Of a table with equal fingerprints not one row is read."""
    other = table("accounts", id="integer", name="text")
    draw = random.Random(1)  # what does not compress is not read with the manifest
    many = [{"id": n, "name": draw.randbytes(50).hex()} for n in range(20_000)]
    sources = (
        Watched(archive(tmp_path, ONE, {other: many, BUYS: buys()})),
        Watched(archive(tmp_path, TWO, {other: many, BUYS: without(3)})),
    )
    found = compared(tmp_path, sources)
    assert found.details["media_buys"].removed == 1
    for source in sources:
        manifest = ArchiveReader(source.source).manifest
        block = manifest.tables()["accounts"].blocks[0]
        middle = (
            block.offset + block.length // 2
        )  # its ends come with tar's header and the manifest
        assert all(end <= middle or start > middle for start, end in source.ranges)


def test_lost_row_is_named(tmp_path: Path) -> None:
    """A row that is gone is removed, and found by its key and its line."""
    found = in_one_table(tmp_path, buys(), without(17))
    assert (found.added, found.removed, found.changed) == (0, 1, 0)
    assert found.matched_by == "primary key"
    (example,) = found.examples.removed
    assert plain(example.key["id"]) == 17
    assert example.row == 18


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        ("spend", "17.25", "17.26"),
        ("spend", "17.25", "17.250"),
        ("spend", "17.25", None),
        ("at", "2025-06-21T10:00:00.000017+00:00", "2025-06-21T10:00:00.000018+00:00"),
    ],
)
def test_changed_value_is_named(tmp_path: Path, column: str, before: object, after: object) -> None:
    """One digit, one microsecond, a null: table, key, column, before and after."""
    found = in_one_table(tmp_path, buys(), changed(17, **{column: after}))
    assert (found.added, found.removed, found.changed) == (0, 0, 1)
    assert found.field_changes == {column: 1}
    (example,) = found.examples.changed
    assert plain(example.key["id"]) == 17
    assert (example.column, plain(example.before), plain(example.after)) == (column, before, after)
    assert (example.row_v1, example.row_v2) == (18, 18)


def test_text_is_hidden(tmp_path: Path) -> None:
    """A text that changed is counted; the report tells its length and nothing else of it."""
    found = of_tables(tmp_path, {BUYS: buys()}, {BUYS: changed(17, name="Mrs. Smith")})
    (example,) = found.details["media_buys"].examples.changed
    assert plain(example.before) == {"hidden": True, "length": 6}
    assert plain(example.after) == {"hidden": True, "length": 10}
    assert b"Smith" not in msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("4876876100000668269", True),
        ("CN-46", True),
        ("anna@example.com", False),
        ("Anna Smith", False),
        ("Anna", False),
    ],
)
def test_text_key_is_shown_if_it_looks_like_an_id(tmp_path: Path, key: str, shown: bool) -> None:
    """A key that may be a name or an address is hidden; the line still tells which row it is."""
    users = table("users", id="text")
    found = in_one_table(tmp_path, [{"id": key}], [], users)
    (example,) = found.examples.removed
    assert plain(example.key["id"]) == (key if shown else {"hidden": True, "length": len(key)})
    assert example.row == 1


def test_emptied_table_is_every_row_removed(tmp_path: Path) -> None:
    """Empty is not missing; the percentage of an empty table is null."""
    found = in_one_table(tmp_path, buys(), [])
    assert (found.removed, found.count_diff, found.count_diff_percent) == (40, -40, -100.0)
    assert len(found.examples.removed) == 5
    back = in_one_table(tmp_path / "back", [], buys())
    assert (back.added, back.count_diff_percent) == (40, None)


def test_dropped_column_breaks_the_schema_and_changes_no_row(tmp_path: Path) -> None:
    """The column is a schema change; rows are compared by the others."""
    fewer = table("media_buys", id="integer", name="text", at="timestamp with time zone")
    rows = [{k: v for k, v in row.items() if k != "spend"} for row in changed(17, name="Other")]
    found = of_tables(tmp_path, {BUYS: buys()}, {fewer: rows})
    (change,) = found.schema_changes
    assert (change.severity, change.table, change.name) == ("breaking", "media_buys", "spend")
    details = found.details["media_buys"]
    assert (details.changed, details.field_changes) == (1, {"name": 1})
    assert found.summary.breaking_schema_changes == 1


def test_changed_type_changes_no_equal_value(tmp_path: Path) -> None:
    """5 and "5" are equal where an integer became a numeric; another number is not."""
    one, two = table("t", id="integer", n="integer"), table("t", id="integer", n="numeric")
    found = of_tables(
        tmp_path,
        {one: [{"id": 1, "n": 5}, {"id": 2, "n": 5}]},
        {two: [{"id": 1, "n": "5"}, {"id": 2, "n": "6"}]},
    )
    assert found.details["t"].field_changes == {"n": 1}
    assert [(c.severity, c.what) for c in found.schema_changes] == [("warning", "type")]


def test_missing_index_is_a_warning(tmp_path: Path) -> None:
    """Equal rows with one index less are not the same version."""
    index = Index("by_name", False, ("name",), "CREATE INDEX by_name ON media_buys (name)")
    indexed = msgspec.structs.replace(BUYS, indexes=(index,))
    found = of_tables(tmp_path, {indexed: buys()}, {BUYS: buys()})
    assert found.verdict == "different"
    assert [(c.severity, c.name) for c in found.schema_changes] == [("warning", "by_name")]


def test_duplicate_in_a_keyless_table_is_added(tmp_path: Path) -> None:
    """Without a key, rows are matched whole, as often as they stand; the report says so."""
    rows = [{"name": "a", "rate": "1"}, {"name": "b", "rate": "2"}]
    found = in_one_table(tmp_path, rows, [*rows, rows[0]], KEYLESS)
    assert (found.added, found.removed, found.changed) == (1, 0, 0)
    assert found.matched_by == "whole row"
    assert "no key" in found.notes[0]


def test_natural_key_of_the_model_matches_rows(tmp_path: Path) -> None:
    """A table without primary key is matched by the key that the model names."""
    model = Model("m", {"rates": SourceTable("rates", ("name",), 1)}, {})
    sources = (
        archive(tmp_path, ONE, {KEYLESS: [{"name": "a", "rate": "1"}]}),
        archive(tmp_path, TWO, {KEYLESS: [{"name": "a", "rate": "2"}]}),
    )
    found = compared(tmp_path, sources, model).details["rates"]
    assert (found.matched_by, found.key, found.changed) == ("natural key", ("name",), 1)


def test_rows_of_one_key_pair_off_after_equal_ones(tmp_path: Path) -> None:
    """Of rows with one natural key, equal ones are equal; a note says that there are several."""
    model = Model("m", {"rates": SourceTable("rates", ("name",), 1)}, {})
    states = (["1", "2", "3"], ["2", "4"])
    one, two = ([{"name": "a", "rate": rate} for rate in rates] for rates in states)
    sources = (
        archive(tmp_path, ONE, {KEYLESS: one}),
        archive(tmp_path, TWO, {KEYLESS: two}),
    )
    found = compared(tmp_path, sources, model).details["rates"]
    assert (found.added, found.removed, found.changed) == (0, 1, 1)
    assert [note.split()[:2] for note in found.notes] == [["version1:", "2"], ["version2:", "1"]]


def test_documents_as_deep_as_postgresql_holds_them(tmp_path: Path) -> None:
    """A value of thousands of levels is compared as any other."""
    deep = table("deep", id="integer", doc="jsonb")
    one, two = (b'{"id":1,"doc":' + b"[" * n + b"]" * n + b"}" for n in (5000, 5001))
    found = of_tables(tmp_path, {deep: [one]}, {deep: [two]}).details["deep"]
    assert found.field_changes == {"doc": 1}
    assert plain(found.examples.changed[0].after) == {"hidden": True, "length": 10_002}


@pytest.mark.parametrize("left_out", [True, False])
def test_table_on_one_side_is_an_error_entry(tmp_path: Path, left_out: bool) -> None:
    """It is named with the side that lacks it, and counts as no change."""
    excluded = [Exclusion("rates", "by setting", 2)] if left_out else []
    sources = (
        archive(tmp_path, ONE, {BUYS: buys(), KEYLESS: []}),
        archive(tmp_path, TWO, {BUYS: buys()}, excluded),
    )
    found = compared(tmp_path, sources)
    (error,) = found.errors
    assert (error.table, error.version, error.damaged) == ("rates", str(TWO), False)
    assert ("by setting" in error.reason) is left_out
    assert "rates" not in found.details
    assert found.summary.collections_with_changes == 0
    assert found.verdict != "same"


def test_table_left_out_of_both_counts_for_nothing(tmp_path: Path) -> None:
    """What both versions leave out on purpose is named, and the rest can be the same."""
    excluded = [Exclusion("rates", "by setting", 2)]
    sources = [archive(tmp_path, v, {BUYS: buys()}, excluded) for v in (ONE, TWO)]
    found = compared(tmp_path, (sources[0], sources[1]))
    assert (found.verdict, found.left_out) == ("same", {"rates": "by setting"})


def _lie(manifest: Manifest) -> Manifest:
    """Give the first member another fingerprint."""
    first, *others = manifest.members
    wrong = msgspec.structs.replace(first, fingerprint=f"{first.rows}:{'0' * 32}")
    return msgspec.structs.replace(manifest, members=(wrong, *others))


def test_edited_manifest_is_unknown(tmp_path: Path) -> None:
    """Rows that do not have their manifest's fingerprint prove nothing."""
    sources = (
        archive(tmp_path, ONE, {BUYS: buys()}),
        with_manifest(archive(tmp_path, TWO, {BUYS: buys()}), _lie),
    )
    found = compared(tmp_path, sources)
    assert found.verdict == "unknown"
    (error,) = found.damaged
    assert (error.table, error.version) == ("media_buys", str(TWO))
    assert "fingerprint" in error.reason


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    middle = 700  # within the rows of the first table
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(("damage", "of"), [(_cut, None), (_flip, "media_buys")])
def test_damaged_archive_is_unknown(
    tmp_path: Path, damage: Callable[[bytes], bytes], of: str | None
) -> None:
    """What cannot be read is never the same; what else there is, is compared."""
    one = archive(tmp_path, ONE, {BUYS: buys(2000), KEYLESS: []})
    two = archive(tmp_path, TWO, {BUYS: buys(1999), KEYLESS: []})
    two.path.write_bytes(damage(two.path.read_bytes()))
    found = compared(tmp_path, (one, two))
    assert found.verdict == "unknown"
    (error,) = found.damaged
    assert error.table == of
    assert list(found.details) == (["rates"] if of else [])


def test_archive_of_documents_is_refused(tmp_path: Path) -> None:
    """Only raw archives hold tables."""
    objects = DirectoryObjects(tmp_path)
    transformed(objects, TWO, {})
    one = archive(tmp_path, ONE, {BUYS: buys()})
    two = objects.open(f"postgres-exports/transformed/2025-06-22/{TWO}-transformed.tar.gz")
    with pytest.raises(Misuse, match="transformed archive"):
        compared(tmp_path, (one, two))


_row = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", 'b"\\', "ü\n", ""]), "n": st.integers(0, 2) | st.none()}
)
KEYED = table("t", id="text", name="text", n="integer")
WHOLE = table("w", (), name="text", n="integer")
_keyed = st.dictionaries(st.text("ab\"\\,}\n'ü1", max_size=4), _row, max_size=25)
_whole = st.lists(_row, max_size=25)


@given(keyed=st.tuples(_keyed, _keyed), whole=st.tuples(_whole, _whole), late=st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_two_tables_compare_as_dictionaries_do(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    keyed: tuple[dict[str, Any], dict[str, Any]],
    whole: tuple[Rows, Rows],
    late: bool,
) -> None:
    """Over many blocks, shares and buckets, with the key first in the row or last."""
    monkeypatch.setattr(writer, "BLOCK_BYTES", 100)
    monkeypatch.setattr(row_digests, "SHARE_BYTES", 200)
    monkeypatch.setattr(table_module, "_BUCKET_BYTES", 200)
    of = table("t", name="text", n="integer", id="text") if late else KEYED
    order = [column.name for column in of.columns]
    states: list[dict[Table, Rows]] = []
    for rows, others in zip(keyed, whole, strict=True):
        full = [{name: (row | {"id": key})[name] for name in order} for key, row in rows.items()]
        states.append({of: full, WHOLE: others})
    found = of_tables(tmp_path_factory.mktemp("compare"), states[0], states[1])
    _check_keyed(found, *keyed)
    one, two = (sorted(map(str, rows)) for rows in whole)
    details = found.details["w"]
    common = sum(min(one.count(row), two.count(row)) for row in set(one))
    assert (details.removed, details.added) == (len(one) - common, len(two) - common)
    assert found.verdict == ("same" if keyed[0] == keyed[1] and one == two else "different")


def _check_keyed(found: Comparison, one: dict[str, Any], two: dict[str, Any]) -> None:
    details = found.details["t"]
    both = one.keys() & two.keys()
    assert details.added == len(two.keys() - one.keys())
    assert details.removed == len(one.keys() - two.keys())
    assert details.changed == sum(one[key] != two[key] for key in both)
    counts = {c: sum(one[key][c] != two[key][c] for key in both) for c in ("name", "n")}
    assert details.field_changes == {c: n for c, n in counts.items() if n}
