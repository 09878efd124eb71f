"""A small source with a model of its own, and a day that the daily job made of it."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import boto3
import dagster as dg
import psycopg
import pytest
from psycopg import sql
from pymongo import MongoClient

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.definitions import definitions
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.conftest import superuser
from mediatool_assets_tests.database_names import mongodb_database

MODEL = """
tables:
  accounts:
  campaigns:
collections:
  accounts: accounts
  campaigns:
    root: campaigns
    add:
      accountName:
        look_up: account_id -> accounts.id
        take: name
"""

DDL = """
CREATE SCHEMA media_tool;
SET search_path TO media_tool;
CREATE TABLE accounts (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE campaigns (
    id text PRIMARY KEY, account_id text, budget numeric(12, 2), created_at timestamptz);
CREATE TABLE drafts (id int PRIMARY KEY);
INSERT INTO accounts VALUES ('a', 'Åre'), ('b', '');
INSERT INTO campaigns VALUES ('1', 'a', 1.50, '2025-06-01 10:00:00.123456+00');
INSERT INTO campaigns VALUES ('2', null, null, null);
INSERT INTO drafts VALUES (1);
"""


@dataclass(frozen=True)
class Day:
    """Today's partition, one version of it, and where it was made."""

    partition: str
    version: Version
    defs: dg.Definitions
    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult

    def metadata(self, *key: str) -> dict[str, object]:
        """The metadata of an asset's materialization in this run."""
        events = {
            event.materialization.asset_key: event.materialization.metadata
            for event in self.result.get_asset_materialization_events()
        }
        return {name: value.value for name, value in events[dg.AssetKey(key)].items()}


def today() -> str:
    """The partition of an export that is taken now."""
    return datetime.now(UTC).date().isoformat()


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """These variables beside those that stand, until the context is left."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@contextmanager
def locked_out_of_mongodb() -> Iterator[None]:
    """A MongoDB that answers and refuses the password: it fails soon, and again at every retry."""
    url = urlsplit(os.environ["MEDIATOOL_MONGODB_URL"])
    netloc = url.netloc.replace(f":{url.password}@", ":wrong@")
    with environment(MEDIATOOL_MONGODB_URL=urlunsplit(url._replace(netloc=netloc))):
        yield


@contextmanager
def source_of(stack: Stack, home: Path, ddl: str, model: str) -> Iterator[None]:
    """The environment of a source of its own, its model, and a bucket; ``home`` is a new folder."""
    server = superuser(stack).reveal()
    name = f"test-{uuid4().hex[:12]}"
    (home / "model.yaml").write_text(model)
    url = server.rpartition("/")[0] + f"/{name}"
    boto3.client("s3", endpoint_url=stack.environment["MEDIATOOL_S3_ENDPOINT_URL"]).create_bucket(
        Bucket=name
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(url) as connection:
        connection.execute(ddl.encode())
    own = {
        "MEDIATOOL_POSTGRES_URL": url,
        "MEDIATOOL_S3_BUCKET": name,
        "MEDIATOOL_MODEL": str(home / "model.yaml"),
        "MEDIATOOL_HOME": str(home),
        "MEDIATOOL_WORKERS": "1",  # a few rows; the flows' own tests have two
    }
    with environment(**stack.environment | own):
        yield


def a_small_source(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AbstractContextManager[None]:
    """The environment of a source of three tables, of which the model knows two, and a bucket."""
    return source_of(stack, tmp_path_factory.mktemp("home"), DDL, MODEL)


@pytest.fixture(scope="package")
def small_source(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One for the tests of the package.

    To be used in it only: in a module that imports it, pytest would keep it until the session ends.
    """
    with a_small_source(stack, tmp_path_factory):
        yield


@pytest.fixture(scope="package")
def defs(small_source: None) -> dg.Definitions:
    """The definitions of the small source."""
    return definitions(Settings.parse(os.environ))


@pytest.fixture(scope="package")
def bucket_objects(small_source: None) -> S3Objects:
    """The bucket that the assets write to."""
    return S3Objects.of(Settings.parse(os.environ))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="package")
def day(defs: dg.Definitions) -> Iterator[Day]:
    """A version that the daily job made in process."""
    partition = today()
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("daily_export").execute_in_process(
            partition_key=partition,
            instance=instance,
            run_config={"ops": {"export": {"config": {"notes": "before the migration"}}}},
        )
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        version = Version.parse(run.tags["mediatool/version"])
        yield Day(partition, version, defs, instance, result)


@pytest.fixture
def live_database(day: Day) -> Iterator[Any]:
    """The version's MongoDB database."""
    with MongoClient[Any](os.environ["MEDIATOOL_MONGODB_URL"]) as client:
        yield client[mongodb_database(day.version)]


@pytest.fixture(scope="package")
def local_registry(small_source: None) -> Path:
    """Where the local copy of the registry lies."""
    return Settings.parse(os.environ).home / "mongodb-versions.json"
