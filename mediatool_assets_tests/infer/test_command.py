"""``model infer`` and ``model check``: from an unknown database to a model that fits, or drifts."""

import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.export.flow import export
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.strangers import COMPOSITE
from mediatool_assets_tests.twins import DirectoryObjects

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@pytest.fixture
def source(postgres_database: Url, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A live source that the environment names, and nothing else."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stranger; SET search_path TO stranger")
        connection.execute(COMPOSITE.encode())
    monkeypatch.setenv("MEDIATOOL_POSTGRES_URL", postgres_database.reveal())
    monkeypatch.setenv("MEDIATOOL_POSTGRES_SCHEMA", "stranger")
    monkeypatch.setenv("MEDIATOOL_WORKERS", "1")
    return postgres_database.reveal()


def test_a_model_is_inferred_and_fits_until_the_source_goes_on(
    mediatool: Run, source: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 0 while both fit, 1 with a line for each drift, 3 with a line for each mistake."""
    monkeypatch.setenv("MEDIATOOL_MODEL", "model.yaml")  # already, and not there yet
    made = mediatool("model", "infer", "--output", "model.yaml", "--risks", "risks.json")
    assert made.code == 0
    assert "5 tables in 3 collections; 3 declared references" in made.out
    assert "not carried by any version: 1 locale, 1 owner; --risks FILE lists each" in made.out
    risks = json.loads((nowhere / "risks.json").read_text())
    assert [r["kind"] for r in risks["risks"]] == ["precision", "time_zone"]
    assert risks["risks"][0]["column"] == "at"
    assert risks["risks"][0]["values"] == 50
    assert [left["kind"] for left in risks["not_carried"]] == ["locale", "owner"]
    assert "table stranger.plants" in risks["not_carried"][1]["objects"]

    monkeypatch.setenv("MEDIATOOL_MODEL", "model.yaml")
    assert mediatool("model", "check").code == 0

    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute("ALTER TABLE stranger.plants ADD COLUMN city text")
        drifted = mediatool("model", "check")
        assert drifted.code == 1
        lines = (nowhere / "model.yaml").read_text().splitlines()
        at = lines.index("  plants:") + 1
        assert drifted.out.splitlines()[0] == (
            f"model.yaml:{at}: new column plants.city, unknown to the model: it became the field "
            "city; add it to columns:"
        )
        assert json.loads(mediatool("model", "check", "--json").out)["verdict"] == "drift"

        connection.execute("ALTER TABLE stranger.order_lines DROP COLUMN price")
        connection.execute("DROP TABLE stranger.readings")
    wrong = mediatool("model", "check")
    assert wrong.code == 3
    at = lines.index("  readings:") + 1
    assert f"model.yaml:{at}: the source has no table readings" in wrong.err


def test_an_edited_model_is_never_written_over(mediatool: Run, source: str, nowhere: Path) -> None:
    """A file that is there is refused before anything is read."""
    (nowhere / "model.yaml").write_text("mine")
    result = mediatool("model", "infer", "--output", "model.yaml")
    assert result.code == 2
    assert "model.yaml exists" in result.err
    assert (nowhere / "model.yaml").read_text() == "mine"


def test_an_archive_is_as_good_as_the_source(
    mediatool: Run, postgres_database: Url, nowhere: Path, pool: Workspace
) -> None:
    """A fetched file needs no server: it is inferred from and checked against."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stranger; SET search_path TO stranger")
        connection.execute(COMPOSITE.encode())
    version = Version(datetime(2006, 1, 1, tzinfo=UTC))
    objects = DirectoryObjects(nowhere / "bucket")
    source = PostgresSource(postgres_database, "stranger")
    export(source, objects, pool, version)
    file = objects.root / "objects" / archive_key("raw", version)
    made = mediatool("model", "infer", "--source", file, "--risks", "risks.md")
    assert made.code == 0
    assert made.out.startswith(f"# Inferred from {file.name}.\n")
    assert "| readings.at | 50 | cut to milliseconds |" in (nowhere / "risks.md").read_text()
    checked = mediatool("model", "check", "--source", file)
    assert checked.code == 3  # the shipped model is for another database
    assert "media_tool.yaml:" in checked.err


DEBIAN_S = """
CREATE SCHEMA shop; SET search_path TO shop; CREATE EXTENSION hstore SCHEMA shop;
CREATE COLLATION german (provider = icu, locale = 'de');
CREATE TABLE goods (
    id int PRIMARY KEY, attributes hstore, name text COLLATE "de-x-icu", page xml,
    text text COMPRESSION lz4
);
CREATE VIEW seen AS SELECT 'SET COMPRESSION lz4' AS text FROM goods;
"""


def test_what_the_server_to_restore_to_lacks_is_said_before_an_export(
    mediatool: Run,
    debian_database: Url,
    nowhere: Path,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By `infer` and by `check`, which then does not end with 0; Debian's server has all of it."""
    with psycopg.connect(debian_database.reveal(), autocommit=True) as connection:
        connection.execute(DEBIAN_S)
    local = stack.environment["MEDIATOOL_RESTORE_POSTGRES_URL"]
    monkeypatch.setenv("MEDIATOOL_POSTGRES_URL", debian_database.reveal())
    monkeypatch.setenv("MEDIATOOL_POSTGRES_SCHEMA", "shop")
    monkeypatch.setenv("MEDIATOOL_RESTORE_POSTGRES_URL", local)
    lacks = (
        "lacks the extension hstore, the collation de-x-icu, ICU (collations), lz4 (compressed "
        "columns), libxml (columns of type xml): a restore fails; set "
        "MEDIATOOL_RESTORE_POSTGRES_URL to a server that has it (docs/reference/local-servers.md)"
    )
    assert lacks in mediatool("model", "infer", "--output", "model.yaml").out
    monkeypatch.setenv("MEDIATOOL_MODEL", "model.yaml")
    checked = mediatool("model", "check")
    assert checked.code == 1
    assert lacks in checked.out
    assert "model.yaml fits, but a restore would fail: schema shop" in checked.out

    monkeypatch.setenv("MEDIATOOL_RESTORE_POSTGRES_URL", debian_database.reveal())
    checked = mediatool("model", "check", "--json")
    assert json.loads(checked.out)["verdict"] == "fit"
    assert checked.code == 0


def test_an_object_that_needs_another_schema_is_said_before_an_export(
    mediatool: Run, source: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the schema to add."""
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA types; CREATE TYPE types.state AS ENUM ('new')")
        connection.execute("CREATE TABLE stranger.odd (id int PRIMARY KEY, state types.state)")
    assert mediatool("model", "infer", "--output", "model.yaml").code == 0
    monkeypatch.setenv("MEDIATOOL_MODEL", "model.yaml")
    checked = mediatool("model", "check")
    assert checked.code == 1
    assert "add types to MEDIATOOL_POSTGRES_SCHEMA" in checked.out
    monkeypatch.setenv("MEDIATOOL_RESTORE_SKIP", "TABLE stranger.odd")
    assert mediatool("model", "check").code == 0


def test_what_a_restore_leaves_out_is_said_and_what_it_refuses_is_no_fit(
    mediatool: Run, source: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key to another schema is a note; a function on the server's files has to be left out."""
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA auth; CREATE TABLE auth.plants (id integer PRIMARY KEY)")
        connection.execute(
            "ALTER TABLE stranger.readings ADD FOREIGN KEY (plant) REFERENCES auth.plants NOT VALID"
        )
        connection.execute("CREATE VIEW stranger.files AS SELECT pg_ls_dir('.') AS f")
    inferred = mediatool("model", "infer", "--output", "model.yaml").out
    assert "refers to auth.plants, in a schema that is not exported: restores leave it" in inferred
    monkeypatch.setenv("MEDIATOOL_MODEL", "model.yaml")
    monkeypatch.setenv("MEDIATOOL_RESTORE_POSTGRES_URL", source)
    checked = mediatool("model", "check")
    assert checked.code == 1
    assert "a restore cannot create VIEW files: it calls pg_ls_dir" in checked.out
    monkeypatch.setenv("MEDIATOOL_RESTORE_SKIP", "VIEW files")
    checked = mediatool("model", "check")
    assert checked.code == 0
    assert "refers to auth.plants, in a schema that is not exported" in checked.out
