"""Any database: infer, export, transform, load, restore and verify without an edit of the model."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.resolution import resolve
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.infer.flow import ArchivedTables, LiveTables, infer
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.sanitize.copies import sanitized_store
from mediatool_assets.sanitize.flow import LocalFolder, Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import load_rules, suggest
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.transform.flow import transform
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database, sanitized_postgres_database
from mediatool_assets_tests.database_names import postgres_database as restored_name
from mediatool_assets_tests.journey import Servers, travel
from mediatool_assets_tests.proposals import taken_over
from mediatool_assets_tests.strangers import SCHEMAS, STRANGERS
from mediatool_assets_tests.twins import DirectoryObjects

_NUMBERS = itertools.count()

REFUSING = {"parts", "allowed", "promises"}
"""Those with a CHECK, or a foreign key from a wider type, that masked values do not pass."""

PROPOSED = {"media_tool": 30, "composite": 3}
"""Fields that are offered in comments."""


@pytest.fixture
def version(documents: MongoDocuments, settings: Settings) -> Iterator[Version]:
    """A version of its own, whose databases are gone after the test."""
    version = Version(datetime(2004, 1, 1, 0, 0, next(_NUMBERS), tzinfo=UTC))
    yield version
    documents.drop(mongodb_database(version))
    with psycopg.connect(
        settings.required_url("restore_postgres_url").reveal(), autocommit=True
    ) as connection:
        query = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        for name in (restored_name(version), sanitized_postgres_database(version)):
            connection.execute(query.format(sql.Identifier(name)))


def made(url: Url, name: str) -> PostgresSource:
    """The source that a stranger's script makes."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stranger; SET search_path TO stranger")
        connection.execute(STRANGERS[name].encode())
    return PostgresSource(url, SCHEMAS.get(name, "stranger"))


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_goes_all_the_way(  # every server has its part
    name: str,
    postgres_database: Url,
    documents: MongoDocuments,
    settings: Settings,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
) -> None:
    """The inferred model fits and runs, every row has a home, every value is equal everywhere.

    The live source gives the same model as its archive; only the first line says from where.
    """
    source = made(postgres_database, name)
    servers = Servers(documents, PostgresTarget.of(settings), pool)
    gone = travel(source, servers, version, tmp_path)
    assert gone.faults() == []
    assert gone.metadata.source.database == postgres_database.database
    assert gone.metadata.source.system_identifier
    assert len(gone.verdict.checks) == 5
    with source.snapshot() as snapshot:
        live = infer(LiveTables(snapshot), pool)
    assert live.model.splitlines()[1:] == gone.inferred.model.splitlines()[1:]
    assert live.risks.risks == gone.inferred.risks.risks
    assert taken_over(live.model)[1] == PROPOSED.get(name, 0)


@pytest.mark.parametrize("name", sorted(STRANGERS.keys() - REFUSING))
def test_a_sanitized_copy_is_restored(
    name: str,
    postgres_database: Url,
    settings: Settings,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
) -> None:
    """By the rules that are suggested for it; what PostgreSQL computes is computed anew."""
    objects, target = DirectoryObjects(tmp_path / "bucket"), PostgresTarget.of(settings)
    raw = export(made(postgres_database, name), objects, pool, version).manifest
    source, rules = objects.open(archive_key("raw", version)), tmp_path / "rules.yaml"
    rules.write_text(suggest(source).text, "utf-8")
    place = LocalFolder(objects.root / "objects")
    (objects.root / "objects" / archive_key("sanitized", version)).parent.mkdir(parents=True)
    key, masking = archive_key("sanitized", version), MaskingKey(bytes(range(32)))
    sanitize(source, place, key, pool, Sanitizing(load_rules(rules), masking))
    with sanitized_store(objects, version) as copy:
        restored = restore_postgres(copy, target, pool, version)
    assert restored.rows == {table: member.rows for table, member in raw.tables().items()}


@pytest.mark.parametrize("name", PROPOSED)
def test_what_is_proposed_runs_too(
    name: str, postgres_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """Every comment that offers a field, taken over: the model fits, and every row has a home."""
    if name == "media_tool":
        seed(postgres_database, scale=0.002, full=True)
        source = PostgresSource(postgres_database, name)
    else:
        source = made(postgres_database, name)
    version = Version(datetime(2004, 3, 1, tzinfo=UTC))
    objects = DirectoryObjects(tmp_path / "bucket")
    raw = export(source, objects, pool, version).manifest
    found = infer(ArchivedTables(catalog.reader(objects, "raw", version)), pool)
    text, taken = taken_over(found.model)
    assert taken == PROPOSED[name]
    path = tmp_path / "model.yaml"
    path.write_text(text, "utf-8")
    model = load_model(path)
    schema = Schema.from_json(catalog.reader(objects, "raw", version).read_file("schema.json"))
    assert resolve(model, schema).warnings == ()
    facts = transform(objects, pool, version, model).manifest.facts
    rows = facts["rows"]
    assert isinstance(rows, dict)
    assert {table: sum(homes.values()) - homes["in"] for table, homes in rows.items()} == {
        table: member.rows for table, member in raw.tables().items()
    }


def test_of_a_large_table_a_sample_is_read(postgres_database: Url, pool: Workspace) -> None:
    """From all over it; the model says so, and embeds nothing that was not seen whole."""
    made(postgres_database, "composite")
    source = PostgresSource(postgres_database, "stranger", chunk_rows=10)
    with source.snapshot() as snapshot:
        found = infer(LiveTables(snapshot), pool, sample=50)
    lines = found.figures.of("order_lines")
    assert (lines.rows, lines.read) == (120, 50)
    assert "120 rows, of which 50 were read" in found.model
    assert found.entities["order_lines"].home is None
    assert found.entities["line_discounts"].home is None
