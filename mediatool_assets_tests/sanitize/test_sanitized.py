"""A sanitized copy in databases of its own: all relations intact, and taken for no version."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from uuid import uuid4

import boto3
import psycopg
import pytest
from psycopg import sql
from pymongo import MongoClient

from mediatool_assets.core.errors import Refused
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import SHIPPED_MODEL, Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.load.flow import LoadOptions
from mediatool_assets.restore.flow import RestoreOptions, restore_mongodb, restore_postgres
from mediatool_assets.sanitize.copies import sanitized_documents, sanitized_store
from mediatool_assets.sanitize.flow import Published, Sanitizing, report_keys, sanitize
from mediatool_assets.sanitize.rules_file import SHIPPED_RULES, load_rules
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDatabases, MongoDocuments
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresDatabases, PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.transform.flow import transform
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.conftest import superuser
from mediatool_assets_tests.database_names import (
    mongodb_database,
    postgres_database,
    sanitized_mongodb_database,
    sanitized_postgres_database,
)
from mediatool_assets_tests.sanitize import scanner

VERSION = Version(datetime(2004, 2, 3, 4, 5, 6, tzinfo=UTC))
KEY = MaskingKey(bytes(i * 37 % 256 for i in range(32)))
MODEL = load_model(SHIPPED_MODEL)
OWNERS = """
    SELECT count(*), count(u.id), count(*) FILTER (WHERE u.email LIKE '%%@masked.example.com')
    FROM media_tool.campaigns c LEFT JOIN media_tool.users u ON u.zoho_user_id = c.owner_user_id
"""


PEOPLE = {
    "users": ("name", "email"),
    "reps": ("name", "email"),
    "accounts": ("name",),
    "campaigns": ("campaign_name",),
}
"""Columns that are masked, of which each value has to be gone."""


@dataclass(frozen=True)
class Copied:
    """A version of the demo source and its sanitized copy, in one bucket of real servers."""

    objects: S3Objects
    target: PostgresTarget
    documents: MongoDocuments
    published: Published
    server: str
    source: str
    pool: Workspace

    def originals(self) -> set[str]:
        """Values of the source that are masked, and say enough to be looked for."""
        with psycopg.connect(self.source) as connection:
            values = {
                str(value)
                for table, names in PEOPLE.items()
                for row in connection.execute(
                    sql.SQL("SELECT {} FROM media_tool.{}").format(
                        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table)
                    )
                )
                for value in row
            }
        return {value for value in values if len(scanner.plain(value)) >= 10}


@pytest.fixture(scope="module")
def copied(stack: Stack, pool: Workspace) -> Iterator[Copied]:
    """Exported, transformed and sanitized once; every database that was made of it is dropped."""
    bucket = f"test-{uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=stack.environment["MEDIATOOL_S3_ENDPOINT_URL"]).create_bucket(
        Bucket=bucket
    )
    settings = Settings.parse(stack.environment | {"MEDIATOOL_S3_BUCKET": bucket})
    objects = S3Objects.of(settings)
    server = superuser(stack).reveal()
    name = f"test_{uuid4().hex[:12]}"
    source = server.rpartition("/")[0] + f"/{name}"
    made = [name, postgres_database(VERSION), sanitized_postgres_database(VERSION)]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        seed(Url(source), scale=0.002, full=False, day=0, schema="media_tool")
        export(PostgresSource(Url(source), "media_tool"), objects, pool, VERSION)
        transform(objects, pool, VERSION, MODEL)
        published = sanitize(
            objects.open(archive_key("raw", VERSION)),
            objects,
            archive_key("sanitized", VERSION),
            pool,
            Sanitizing(load_rules(SHIPPED_RULES), KEY, model=MODEL),
        )
        documents = MongoDocuments.of(settings)
        target = PostgresTarget.of(settings)
        yield Copied(objects, target, documents, published, server, source, pool)
        for database in made:
            query = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(query.format(sql.Identifier(database)))
    for database in (mongodb_database(VERSION), sanitized_mongodb_database(VERSION)):
        documents.drop(database)


def test_postgres_has_every_row_and_every_relation(copied: Copied) -> None:
    """Under a name that says so; owners are found as before, and none by an address of theirs."""
    with sanitized_store(copied.objects, VERSION) as copy:
        made = restore_postgres(
            copy, copied.target, copied.pool, VERSION, RestoreOptions(replace=True)
        )
    assert made.database == f"media_tool_sanitized_{VERSION}"
    assert made.rows == copied.published.report.rows
    with (
        psycopg.connect(copied.source) as before,
        psycopg.connect(copied.server.rpartition("/")[0] + f"/{made.database}") as after,
    ):
        campaigns, owned, _ = before.execute(OWNERS).fetchone() or ()
        assert after.execute(OWNERS).fetchone() == (campaigns, owned, owned)
        assert owned
        tables = after.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm', 'v') "
            "AND relnamespace = 'media_tool'::regnamespace"
        ).fetchall()
        rows = {
            text
            for (name,) in tables
            for (row,) in after.execute(f"SELECT to_jsonb(t) FROM {name} AS t")  # noqa: S608
            for text in scanner.strings(row)
        }
    originals = copied.originals()
    assert len(originals) > 50
    assert scanner.found(originals, iter(rows)) == set()
    marker = copied.target.marker(made.database)
    assert marker is not None
    assert marker.sanitized
    found = {d.name: d for d in PostgresDatabases(copied.target.url).databases()}
    assert (found[made.database].sanitized, found[made.database].state) == (True, "complete")


def test_mongodb_is_transformed_and_loaded(copied: Copied) -> None:
    """References lead where they led; nothing of it reaches the bucket, and a marker says what."""
    before = [info.key for info in copied.objects.list("")]
    with sanitized_documents(copied.objects, copied.pool, VERSION, MODEL) as copy:
        made = restore_mongodb(
            copy, copied.documents, copied.pool, VERSION, LoadOptions(replace=True)
        )
    assert made.database == f"mediatool_sanitized_{VERSION}"
    assert [info.key for info in copied.objects.list("")] == before
    loaded = restore_mongodb(copied.objects, copied.documents, copied.pool, VERSION)
    assert loaded.database == mongodb_database(VERSION)
    assert loaded.rows == made.rows
    owned = {"team.owner.email": {"$type": "string"}}
    masked = {"team.owner.email": {"$regex": "@masked[.]example[.]com$"}}
    with MongoClient[dict[str, object]](copied.documents.url.reveal()) as client:
        campaigns = client[made.database]["campaigns"]
        count = client[loaded.database]["campaigns"].count_documents(owned)
        written = {
            text
            for name in client[made.database].list_collection_names()
            for document in client[made.database][name].find()
            for text in scanner.strings(document)
        }
        assert campaigns.count_documents(owned) == campaigns.count_documents(masked) == count > 0
    assert scanner.found(copied.originals(), iter(written)) == set()
    marker = copied.documents.marker(made.database)
    assert marker is not None
    assert marker["sanitized"] is True
    assert marker["archive"] == copied.published.uri
    found = {d.name: d for d in MongoDatabases(copied.documents).databases()}
    assert found[made.database].sanitized
    assert not found[loaded.database].sanitized


def test_a_scanner_of_its_own_finds_nobody(copied: Copied) -> None:
    """In the archive, its schema and its reports; in the raw archive it finds everybody."""
    originals, key = copied.originals(), archive_key("sanitized", VERSION)
    raw, _ = copied.objects.get(archive_key("raw", VERSION))
    assert scanner.found(originals, scanner.of_archive(raw)) == originals
    made, _ = copied.objects.get(key)
    reports = [copied.objects.get(name)[0].decode() for name in report_keys(key)]
    assert scanner.found(originals, chain(scanner.of_archive(made), reports)) == set()


@pytest.mark.parametrize("name", [postgres_database(VERSION), f"media_tool_{'2' * 8}-{'0' * 6}"])
def test_a_copy_never_has_the_name_of_a_version(copied: Copied, name: str) -> None:
    """Its own version's or another's: refused, and nothing is made."""
    with (
        sanitized_store(copied.objects, VERSION) as copy,
        pytest.raises(Refused, match=r"leave --database out for media_tool_sanitized_"),
    ):
        restore_postgres(copy, copied.target, copied.pool, VERSION, RestoreOptions(database=name))
    assert copied.target.marker(name) is None


def test_a_version_never_has_the_name_of_a_copy(copied: Copied) -> None:
    """What is not sanitized cannot be put where a sanitized copy is looked for."""
    with pytest.raises(Refused, match="is the name of another version's database"):
        restore_postgres(
            copied.objects,
            copied.target,
            copied.pool,
            VERSION,
            RestoreOptions(database=sanitized_postgres_database(VERSION), replace=True),
        )
    with pytest.raises(Refused, match="is the name of another version's database"):
        restore_mongodb(
            copied.objects,
            copied.documents,
            copied.pool,
            VERSION,
            LoadOptions(database=sanitized_mongodb_database(VERSION), replace=True),
        )
