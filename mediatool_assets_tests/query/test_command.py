"""``sql``, ``history`` and ``open_version`` over versions in a bucket."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mediatool_assets import OpenVersion, open_version
from mediatool_assets.core.errors import NotFound
from mediatool_assets.query import command as querying
from mediatool_assets.query.command import _named
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.complete_versions import complete
from mediatool_assets_tests.conftest import empty_bucket, objects_of
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.raw_archives import table

pytestmark = pytest.mark.usefixtures("as_any_other_process")

FIRST, SECOND = "20251101-020000", "20251102-020000"
_BIG = 2**53 + 1


@pytest.fixture(scope="module")
def filled(stack: Stack) -> Iterator[S3Objects]:
    """A bucket with two versions, which no test changes."""
    users = table("users", id="bigint", name="text", score="numeric(6,2)")
    rows: list[dict[str, int | str | None]] = [
        {"id": 1, "name": "Ada", "score": "1.50"},
        {"id": str(_BIG), "name": None, "score": None},
    ]
    with empty_bucket(stack) as bucket:
        objects = objects_of(stack, bucket)
        complete(objects, FIRST, {users: rows[:1]})
        complete(objects, SECOND, {users: rows})
        yield objects


@pytest.fixture
def versions(filled: S3Objects, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment names that bucket; the home is in ``tmp_path``."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", filled.bucket)
    monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", str(filled.client.meta.endpoint_url))
    monkeypatch.setenv("MEDIATOOL_HOME", str(tmp_path / "home"))


def test_sql_prints_a_table(versions: None, mediatool: Run) -> None:
    """Without a version it is the newest, over a range each table names its versions."""
    assert mediatool("sql", "SELECT id, name FROM users ORDER BY id").out.splitlines() == [
        "id                name",
        "1                 Ada",
        f"{_BIG}  null",
    ]
    query = "SELECT version, count(*) n FROM users GROUP BY 1 ORDER BY 1"
    assert mediatool("sql", "2025-11-01..2025-11-02", query).out.splitlines() == [
        "version          n",
        f"{FIRST}  1",
        f"{SECOND}  2",
    ]


def test_sql_writes_every_format(versions: None, mediatool: Run, tmp_path: Path) -> None:
    """Numbers keep every digit; the file is replaced as a whole."""
    found = {}
    for name in ("csv", "json", "ndjson", "parquet", "arrow"):
        path = tmp_path / f"result.{name}"
        path.write_text("before")
        words = ("--format", name, "--output", path)
        assert mediatool("sql", "latest", "SELECT * FROM users ORDER BY id", *words).code == 0
        found[name] = path
    assert found["csv"].read_text().splitlines()[1:] == ["1,Ada,1.50", f"{_BIG},,"]
    rows: list[dict[str, int | str | None]] = [
        {"id": 1, "name": "Ada", "score": "1.50"},
        {"id": str(_BIG), "name": None, "score": None},
    ]
    assert json.loads(found["json"].read_text()) == rows
    assert [json.loads(line) for line in found["ndjson"].read_text().splitlines()] == rows
    assert pq.read_table(found["parquet"]).column("id").to_pylist() == [1, _BIG]
    with pa.ipc.open_stream(found["arrow"].read_bytes()) as stream:
        assert stream.read_all().column("id").to_pylist() == [1, _BIG]


def test_sql_reads_a_query_from_a_file(versions: None, mediatool: Run, tmp_path: Path) -> None:
    """A script's last statement is the result."""
    script = tmp_path / "query.sql"
    script.write_text("CREATE TABLE best AS SELECT max(score) s FROM users;\nSELECT s FROM best;")
    assert mediatool("sql", "--file", script).out.splitlines() == ["s", "1.50"]
    assert mediatool("sql", "SELECT 1", "--file", script).code == 2


def test_no_cache_leaves_nothing(versions: None, mediatool: Run, tmp_path: Path) -> None:
    """The home holds Parquet files of originals only where they are wanted."""
    assert mediatool("sql", "FROM users", "--no-cache").code == 0
    assert not (tmp_path / "home").exists()
    assert mediatool("sql", "FROM users").code == 0
    assert len(list((tmp_path / "home" / "cache" / "parquet").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("SELECT * FROM user",), 2, 'Did you mean "users"'),
        (("users",), 2, "'users' is not a version"),
        (("latest~5", "FROM users"), 3, "the oldest complete version is latest~1"),
        (("SELECT 1", "--output", "x.csv"), 2, "--output needs a --format"),
        (("--sanitized", "SELECT 1"), 3, "sanitized.tar.gz"),
        (("--sanitized", "--collections", "SELECT 1"), 2, "leave out"),
        (("a", "b", "c"), 2, "put the query in quotes"),
    ],
)
def test_what_sql_refuses(
    versions: None, mediatool: Run, words: tuple[str, ...], code: int, message: str
) -> None:
    """The message says what is wrong, the exit code whose fault it is."""
    result = mediatool("sql", *words)
    assert (result.code, message in result.err) == (code, True), result.err


def test_a_version_and_a_query_are_told_apart() -> None:
    """One word without a space is a version, whose tables a prompt then queries."""
    assert _named([]) == ("latest", None)
    assert _named(["latest~1"]) == ("latest~1", None)
    assert _named(["SELECT 1"]) == ("latest", "SELECT 1")
    assert _named(["latest", "FROM users"]) == ("latest", "FROM users")


def test_history_prints_the_life_of_a_row(versions: None, mediatool: Run) -> None:
    """As text, and as JSON."""
    result = mediatool("history", "users", str(_BIG))
    assert result.out.splitlines() == [
        f"users id = {_BIG}: in 1 of 2 versions",
        f"{SECOND} appeared",
        f"  id: {_BIG}",
        "  name: null",
        "  score: null",
    ]
    found = json.loads(mediatool("history", "users", "1", "--versions", FIRST, "--json").out)
    assert found["events"][0]["columns"]["score"] == [None, "1.50"]
    assert mediatool("history", "users", "3").code == 3


def test_a_history_is_a_page(versions: None, mediatool: Run, tmp_path: Path) -> None:
    """One file, with each change; what is printed stays."""
    page = tmp_path / "history.html"
    result = mediatool("history", "users", "1", "--html", page)
    assert result.out.startswith("users id = 1: in 2 of 2 versions")
    text = page.read_text(encoding="utf-8")
    assert "<h1>users: id = 1" in text
    assert f"{FIRST}: appeared" in text
    assert "Ada" in text


def test_commands_take_latest_and_days(versions: None, mediatool: Run) -> None:
    """`show latest~1` and `show 2025-11-02` need no `$(mediatool latest)`."""
    shown = {
        name: json.loads(mediatool("show", name, "--json").out)["timestamp"]
        for name in ("latest", "latest~1", "2025-11-01", SECOND)
    }
    assert list(shown.values()) == [SECOND, FIRST, FIRST, SECOND]


def test_open_version_is_a_mapping_of_tables(versions: None) -> None:
    """From Python a version's tables are read as frames."""
    version = open_version("latest")
    assert isinstance(version, OpenVersion)
    assert (str(version.version), list(version), len(version)) == (SECOND, ["users"], 1)
    assert version["users"].to_pandas()["id"].to_list() == [1, _BIG]
    with pytest.raises(NotFound, match="no table teams; it has users"):
        version["teams"]


def test_restore_writes_single_rows(versions: None, mediatool: Run, tmp_path: Path) -> None:
    """It needs no PostgreSQL server; stdout names the file and counts what it has."""
    output = tmp_path / "rows.sql"
    words = ("restore", "2025-11-02", "--to", "postgres", "--rows", "users where name is null")
    result = mediatool(*words, "--output", output)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        str(output),
        "TABLE  ASKED FOR  REFERENCED  WRITTEN",
        "users          1           0        1",
    ]
    insert, commit = output.read_text().splitlines()[-2:]
    assert insert.startswith('INSERT INTO "media_tool"."users" ("id", "name", "score") VALUES (')
    assert insert.endswith(f"('{_BIG}', NULL, NULL);")
    assert commit == "COMMIT;"
    again = json.loads(mediatool(*words, "--output", output, "--references", "--json").out)
    assert again["tables"] == [
        {"table": "users", "asked": 1, "referenced": 0, "written": 1, "missing": 0}
    ]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--rows", "user where id = 1"), 3, "did you mean users?"),
        (("--rows", "users where nam = 'Ada'"), 2, "name"),
        (("--rows", "users id = 1"), 2, "write TABLE where CONDITION"),
        (("--rows", "users where id = 7"), 3, "no row of users where id = 7"),
        (("--rows", "users", "--tables", "users"), 2, "--rows needs"),
        (("--references",), 2, "need --rows"),
        (("--output", "x.sql"), 2, "need --rows"),
    ],
)
def test_rows_that_cannot_be_had_leave_no_file(
    versions: None,
    mediatool: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    """A line that says why, with the contract's exit code."""
    monkeypatch.chdir(tmp_path)
    result = mediatool("restore", "latest", "--to", "postgres", *words)
    assert (result.code, message in result.err, len(result.lines)) == (code, True, 1), result.err
    assert list(tmp_path.glob("*.sql")) == []


def test_a_row_that_is_wider_than_the_terminal_is_printed_by_column(
    versions: None,
    mediatool: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No value is cut; what is no terminal gets a table of any width."""
    assert querying._fits(["a"], [["x" * 10_000]])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert querying._fits(["a", "b"], [["x" * 38, "y" * 38]])
    assert not querying._fits(["a", "b"], [["x" * 38, "y" * 39]])
