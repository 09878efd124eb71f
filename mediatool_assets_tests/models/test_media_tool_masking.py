"""media_tool_masking.yaml masks the demo source whole; the copy restores, and becomes documents."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import SHIPPED_MODEL, Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.load.flow import load
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.sanitize import rules as checks
from mediatool_assets.sanitize.flow import Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import SHIPPED_RULES, load_rules
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.transform.flow import transform
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import sanitized_postgres_database
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version.parse("20250621-143002")
KEY = MaskingKey(bytes(i * 37 % 256 for i in range(32)))
RULES = load_rules(SHIPPED_RULES)
MODEL = load_model(SHIPPED_MODEL)


def rows_of(archive: ArchiveReader, table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    member = archive.manifest.tables()[table]
    return [
        json.loads(line)
        for content in archive.blocks(member.blocks)
        for line in split_lines(content)
    ]


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """A bucket in a directory, with the raw archive of a demo source of the smallest size."""
    return DirectoryObjects(tmp_path / "bucket")


def test_the_sanitized_demo_source_is_as_good_as_the_original(
    postgres_database: Url,
    settings: Settings,
    documents: MongoDocuments,
    twin: DirectoryObjects,
    pool: Workspace,
    tmp_path: Path,
) -> None:
    """No finding; every row is there; the copy loads, and restores value by value."""
    seed(postgres_database, scale=0.002, full=True)
    source = PostgresSource.of(
        Settings.parse({"MEDIATOOL_POSTGRES_URL": postgres_database.reveal()})
    )
    raw = export(source, twin, pool, VERSION).manifest
    original = catalog.reader(twin, "raw", VERSION)
    assert checks.unclassified(RULES, _schema(source)) == []

    copies = DirectoryObjects(tmp_path / "copies")
    published = sanitize(
        original.source,
        copies,
        archive_key("raw", VERSION),
        pool,
        Sanitizing(RULES, KEY, model=MODEL),
    )
    proof = published.report.proof
    assert proof.findings == ()
    assert proof.searched > 1000
    assert len(proof.references) >= 8
    copy = catalog.reader(copies, "raw", VERSION)
    assert copy.manifest.kind == "sanitized"
    assert {t: m.rows for t, m in copy.manifest.tables().items()} == {
        t: m.rows for t, m in raw.tables().items()
    }
    users = {row["email"] for row in rows_of(original, "users")}
    assert all(row["email"] not in users for row in rows_of(copy, "users"))

    made = transform(copies, pool, VERSION, MODEL).manifest
    plain = transform(twin, pool, VERSION, MODEL).manifest
    assert made.facts["rows"] == plain.facts["rows"]
    assert made.facts["unresolved"] == plain.facts["unresolved"]

    loaded = load(copies, documents, pool, VERSION)
    assert loaded.documents == {name: member.rows for name, member in made.collections().items()}
    documents.drop(loaded.database)

    target = PostgresTarget.of(settings)
    restored = restore_postgres(copies, target, pool, VERSION)
    with psycopg.connect(
        settings.required_url("restore_postgres_url").reveal(), autocommit=True
    ) as connection:
        name = sql.Identifier(postgres_database_of(restored.database))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    assert restored.rows == {t: m.rows for t, m in raw.tables().items()}


def postgres_database_of(database: str) -> str:
    """The name, which says that it is of a sanitized copy."""
    assert database == sanitized_postgres_database(VERSION)
    return database


def _schema(source: PostgresSource) -> Any:
    with source.snapshot() as snapshot:
        return snapshot.schema
