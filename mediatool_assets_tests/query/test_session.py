"""SQL over one version and over several: what is read, and with which columns."""

from pathlib import Path

import pytest

from mediatool_assets.core.errors import BadArchive, Misuse
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.query.session import QuerySession, refused_by_duckdb
from mediatool_assets_tests.fixtures.query_session import FIRST, SECOND, THIRD, Session
from mediatool_assets_tests.twins import DirectoryObjects


def rows(session: QuerySession, query: str) -> list[tuple[object, ...]]:
    """The rows of a query's result."""
    result = session.run_all(query)
    assert result is not None
    return [tuple(row) for row in result.fetchall()]


def test_a_query_over_one_version_sees_its_rows(session: Session) -> None:
    """A table is a view without a version's column."""
    with session(SECOND) as found:
        assert rows(found, "SELECT * FROM campaigns ORDER BY id") == [
            ("a", "Lead", "1.50"),
            ("b", "Lead", None),
        ]


def test_a_range_has_a_column_that_names_the_version(session: Session) -> None:
    """One query counts day by day; a column that a version lacks is null there."""
    with session() as found:
        query = (
            "SELECT version, stage, count(*), max(region) FROM campaigns GROUP BY ALL ORDER BY 1"
        )
        assert rows(found, query) == [
            (FIRST, "Lead", 1, None),
            (SECOND, "Lead", 2, None),
            (THIRD, "Won", 1, "EMEA"),
        ]


def test_a_column_of_the_table_s_own_keeps_its_name(session: Session) -> None:
    """A table with a column ``version`` names the export in ``export_version``."""
    with session() as found:
        assert rows(found, "SELECT export_version, version FROM teams LIMIT 1") == [(FIRST, 7)]


def test_only_named_tables_are_read_and_equal_ones_once(session: Session, tmp_path: Path) -> None:
    """What a query does not name has no file; three equal tables share one."""
    with session() as found:
        rows(found, "SELECT count(*) FROM teams JOIN teams AS b USING (id)")
    assert len(list((tmp_path / "cache").glob("*"))) == 1


def test_statements_that_are_no_select_read_what_they_name(session: Session) -> None:
    """A script can make tables of its own; its result is the last statement's."""
    with session(SECOND) as found:
        script = 'CREATE TABLE mine AS FROM "Campaigns"; SELECT count(*) FROM mine'
        assert rows(found, script) == [(2,)]


def test_a_second_session_reads_nothing_from_the_archive(
    session: Session, three_versions: DirectoryObjects
) -> None:
    """Rows come from the cache: the archive's blocks could be gone."""
    with session(FIRST) as found:
        rows(found, "FROM campaigns")
    with session(FIRST) as found:
        path = three_versions.root / "objects" / archive_key("raw", Version.parse(FIRST))
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(b"\0" * 600 + data[600:])
        assert rows(found, "SELECT id FROM campaigns") == [("a",)]
        with pytest.raises(BadArchive):
            rows(found, "FROM teams")


def test_the_cache_keeps_what_was_used_last(session: Session, tmp_path: Path) -> None:
    """Beyond its limit files are deleted when the session ends, the longest unused first."""
    with session(FIRST, limit=0) as found:
        assert rows(found, "SELECT id FROM campaigns") == [("a",)]
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_command_deletes_no_file_that_is_in_use(session: Session, tmp_path: Path) -> None:
    """The last of the commands that use the cache deletes what is beyond the limit."""
    with session(FIRST, limit=0) as found:
        found.read({"campaigns"})
        with session(SECOND, limit=0) as other:
            other.read({"campaigns"})
        assert rows(found, "SELECT id FROM campaigns") == [("a",)]
        assert len(list((tmp_path / "cache").iterdir())) == 2
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_file_of_the_cache_is_made_again(session: Session, tmp_path: Path) -> None:
    """One byte that was changed, and a file that was cut off."""
    query = "SELECT id, stage FROM campaigns ORDER BY id"
    with session(SECOND) as found:
        expected = rows(found, query)
    (file,) = (tmp_path / "cache").iterdir()
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 3] ^= 1
    for damaged in (whole, whole[:50], b""):
        file.write_bytes(damaged)
        with session(SECOND) as found:
            assert rows(found, query) == expected


def test_the_cache_is_closed_to_others(session: Session, tmp_path: Path) -> None:
    """It holds originals."""
    with session(FIRST) as found:
        rows(found, "FROM campaigns")
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "cache").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM campagns", 'Did you mean "campaigns"'),
        ("SELECT stge FROM campaigns", "stge"),
        ("SELEC 1", "syntax error"),
        ("", "the query is empty"),
        ("SELECT budget + 1 FROM campaigns", "VARCHAR"),
    ],
)
def test_a_query_that_duckdb_refuses_says_why(session: Session, query: str, message: str) -> None:
    """The message is DuckDB's, in one line."""
    with session(FIRST) as found, pytest.raises(Misuse, match=message) as caught:
        rows(found, query)
    assert "\n" not in str(caught.value)


def test_an_interrupted_query_is_an_interrupt() -> None:
    """Ctrl-C while DuckDB computes ends the command, or the query of a prompt, as one elsewhere."""
    with pytest.raises(KeyboardInterrupt), refused_by_duckdb():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="another"), refused_by_duckdb():
        raise RuntimeError("another")


def test_progress_is_of_the_bytes_that_a_query_reads(session: Session) -> None:
    """Known before the first is read; equal tables count once, rows of the cache not at all."""
    told: list[tuple[int, int]] = []
    with session() as found:
        found.progress = lambda _, done, total, _unit="rows": told.append((done, total))
        rows(found, "SELECT count(*) FROM campaigns, teams")
        assert [done for done, _ in told] == sorted({done for done, _ in told})
        assert {total for _, total in told} == {told[-1][0]}
        told.clear()
        rows(found, "SELECT count(*) FROM campaigns")
        assert told == []
