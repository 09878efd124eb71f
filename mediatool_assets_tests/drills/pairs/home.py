"""The home of the pairs: servers, a small source, and complete versions of several ages."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import psycopg
from psycopg import sql

from mediatool_assets.core.metadata import Purpose
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.export.flow import export
from mediatool_assets.load.flow import dump, load
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Stores
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.user_files import signing_key
from mediatool_assets.transform.flow import transform
from mediatool_assets.verify.publish import RunFacts, complete
from mediatool_assets.versions import flow as marking
from mediatool_assets.versions.records import write_local_registry
from mediatool_assets.work.scratch import Workspace, workspace
from mediatool_assets_tests.drills.campaigns import MODEL, ddl
from mediatool_assets_tests.drills.pairs.commands import (
    FALLBACK,
    OF_RDS,
    OLD,
    PINNED,
    PROMOTED,
)

RULES = """
tables:
  accounts: {id: keep, name: redact}
  campaigns: {id: keep, account_id: keep, budget: keep, channel: keep, created_at: keep}
  plans: {id: keep, campaign_id: keep, spend: keep}
"""
EDIT = "INSERT INTO media_tool.plans SELECT max(id) + 1, '1', 7 FROM media_tool.plans"
"""Each version has a row more than the one before it."""

WITHOUT_MONGODB, WITHOUT_POSTGRES = {OLD}, {OLD}
"""Their databases are dropped again: a command makes them for the first time."""


@contextmanager
def home(
    stack: Stack, folder: Path, bucket: str, versions: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """The environment of a source and a bucket with these versions, given with their purposes.

    A version without a purpose has a raw archive only.
    """
    server = Url(stack.environment["MEDIATOOL_POSTGRES_URL"])
    source = server.to(f"source-{bucket}")
    (folder / "model.yaml").write_text(MODEL)
    (folder / "rules.yaml").write_text(RULES)
    environment = dict(stack.environment) | {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        "MEDIATOOL_POSTGRES_URL": source.reveal(),
        "MEDIATOOL_S3_BUCKET": bucket,
        "MEDIATOOL_MODEL": str(folder / "model.yaml"),
        "MEDIATOOL_MASKING_RULES": str(folder / "rules.yaml"),
        "MEDIATOOL_HOME": str(folder),
        "MEDIATOOL_WORKERS": "1",
        "MEDIATOOL_CONFIG": os.devnull,
        "DAGSTER_HOME": str(folder / "dagster"),
    }
    os.environ.update({name: v for name, v in environment.items() if name.startswith("AWS_")})
    boto3.client("s3", endpoint_url=environment["MEDIATOOL_S3_ENDPOINT_URL"]).create_bucket(
        Bucket=bucket
    )
    admin = server.to("postgres").reveal()
    with psycopg.connect(admin, autocommit=True) as connection:
        name = sql.Identifier(f"source-{bucket}")
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        with psycopg.connect(source.reveal()) as inside:
            inside.execute(ddl(plans=400).encode())
        try:
            _make(Settings.parse(environment), source, versions)
            yield environment
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _make(settings: Settings, source: Url, versions: Mapping[str, str]) -> None:
    objects = S3Objects.of(settings, is_maker=True)
    with workspace(settings) as work:
        for version in sorted(versions):
            with psycopg.connect(source.reveal()) as connection:
                connection.execute(EDIT)
            _version(settings, objects, work, Version.parse(version), versions[version])
    if versions:
        export_as_rds(source, objects.put, Version.parse(OF_RDS.replace("-", "") + "-030000"))
        _mark(settings, objects)


def _version(
    settings: Settings, objects: S3Objects, work: Workspace, version: Version, purpose: str
) -> None:
    documents, target = MongoDocuments.of(settings), PostgresTarget.of(settings)
    export(PostgresSource.of(settings), objects, work, version)
    if not purpose:
        return
    transform(objects, work, version, load_model(settings.model))
    load(objects, documents, work, version)
    restore_postgres(objects, target, work, version)
    dump(objects, documents, work, version)
    known: Purpose = "testing" if purpose == "testing" else "daily_backup"
    facts = RunFacts("postgres", None, known, "", {"export": 1.0})
    complete(Stores(objects, documents, target), work, version, facts, signing_key(settings))
    if str(version) in WITHOUT_MONGODB:
        documents.drop(objects.database_names.in_mongodb(version))
    if str(version) in WITHOUT_POSTGRES:
        target.drop(objects.database_names.in_postgres(version))


def _mark(settings: Settings, objects: S3Objects) -> None:
    local, documents = settings.local_registry, MongoDocuments.of(settings)
    marking.keep(objects, Version.parse(PINNED), local, at=_noon(3), who="the drill")
    for days, version in ((2, FALLBACK), (1, PROMOTED)):
        marking.promote(
            objects, documents, Version.parse(version), local, at=_noon(days), who="the drill"
        )
    write_local_registry(objects, local)


def _noon(days: int) -> datetime:
    day = datetime.now(UTC) - timedelta(days=days)
    return day.replace(hour=12, minute=0)
