"""The way back: a version restored and verified, and beside it ``pg_restore`` of a ``pg_dump``."""

import os
import subprocess
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.restore import restore_postgres
from mediatool_assets.flows.verify import verify
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres import PostgresTarget
from mediatool_assets.stores.postgres.connection import parameters
from mediatool_assets.stores.postgres.ddl import find_pg_dump
from mediatool_assets.stores.s3 import S3Objects

_YARDSTICK = "yardstick"


def pg_restored(settings: Settings, dump: Path) -> tuple[int, int]:
    """The yardstick: pg_restore of ``dump`` with as many jobs; it reads nothing back."""
    url = settings.restore_postgres_url or ""
    with psycopg.connect(url, autocommit=True) as connection:
        major = connection.info.server_version // 10_000
        connection.execute(f"CREATE DATABASE {_YARDSTICK}".encode())
    given = parameters(settings.restore_postgres_url or settings.postgres_url or "")
    program = find_pg_dump(major).with_name("pg_restore")
    command = [str(program), "-j", str(settings.workers), "-d", _YARDSTICK, str(dump)]
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    environment = {variable: given[name] for name, variable in names.items() if name in given}
    subprocess.run(command, check=True, env={**os.environ, **environment})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {_YARDSTICK} WITH (FORCE)".encode())
    return 0, 0


def restored(settings: Settings, workers: Executor, version: Version) -> tuple[int, int]:
    """Restore the version to PostgreSQL; rows."""
    objects = S3Objects.of(settings)
    made = restore_postgres(objects, PostgresTarget.of(settings), workers, version)
    return sum(made.rows.values()), 0


def verified(settings: Settings, workers: Executor, version: Version) -> tuple[int, int]:
    """Read all of the version again: its archives and both databases."""
    verdict = verify(
        S3Objects.of(settings),
        MongoDocuments.of(settings),
        PostgresTarget.of(settings),
        workers,
        version,
        clock=lambda: datetime.now(UTC),
    )
    if verdict.verdict != "passed":
        raise SystemExit(f"{version} is {verdict.verdict}: {verdict.checks}")
    return 0, sum(check.bytes for check in verdict.checks)
