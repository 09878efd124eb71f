"""Dagster's storage of runs and logs: PostgreSQL and S3 if the environment sets them.

``dagster.yaml`` has no alternatives, so it names these classes, which choose when the instance is
loaded. With ``DAGSTER_PG_HOST`` set, it is the PostgreSQL of the ``DAGSTER_PG_*`` variables;
without it, SQLite files, so that a bare ``dagster dev`` works. With ``MEDIATOOL_S3_BUCKET`` set,
compute logs go to that bucket; without it, to files. Files are under ``MEDIATOOL_HOME``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.dagster_internals import DagsterSqliteStorage, LocalComputeLogManager
from mediatool_assets.stores.environment import adopt_file

_POSTGRES = ("USER", "PASSWORD", "HOST", "PORT", "DB")
_UPLOAD_SECONDS = 30  # how far behind the UI's view of a running step's log may be


class EnvironmentStorage(DagsterSqliteStorage):
    """Named in ``dagster.yaml``; becomes the storage that the environment selects."""

    @classmethod
    def config_type(cls) -> dict[str, object]:
        """``directory``: of the files when the environment names no PostgreSQL."""
        return {"directory": dg.StringSource}

    @classmethod
    def from_config_value(  # type: ignore[override]  # Dagster asks for no more than a storage
        cls, inst_data: Any, config_value: Mapping[str, str]
    ) -> Any:
        """The storage itself; raises BadSettings where only some ``DAGSTER_PG_*`` are set."""
        adopt_file()
        if not os.environ.get("DAGSTER_PG_HOST"):
            return DagsterSqliteStorage.from_local(_local(config_value["directory"]), inst_data)
        from mediatool_assets.orchestration.instance import PostgresStorage  # noqa: PLC0415  # slow

        return PostgresStorage(postgres_url(os.environ), inst_data)


class EnvironmentComputeLogs(LocalComputeLogManager):
    """Named in ``dagster.yaml``; becomes the compute log manager that the environment selects."""

    @classmethod
    def config_type(cls) -> dict[str, object]:
        """``directory``: of the local files; ``prefix``: of the keys in the bucket."""
        return {"directory": dg.StringSource, "prefix": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, str]) -> Any:
        """The manager itself; credentials are AWS's own environment or profile."""
        adopt_file()
        bucket = os.environ.get("MEDIATOOL_S3_BUCKET")
        if not bucket:
            return LocalComputeLogManager(_local(config_value["directory"]), inst_data=inst_data)
        from mediatool_assets.orchestration.instance import BucketLogs  # noqa: PLC0415  # slow

        return BucketLogs(
            bucket,
            inst_data=inst_data,
            prefix=config_value["prefix"],
            endpoint_url=os.environ.get("MEDIATOOL_S3_ENDPOINT_URL") or None,
            verify_cert_path=os.environ.get("MEDIATOOL_S3_CA") or None,
            skip_empty_files=True,
            upload_interval=_UPLOAD_SECONDS,
        )


def postgres_url(environ: Mapping[str, str]) -> str:
    """The URL of Dagster's own database, with psycopg2 named as its driver.

    SQLAlchemy's default driver may be psycopg 3, with which dagster-postgres writes no event.
    """
    names = [f"DAGSTER_PG_{name}" for name in _POSTGRES]
    if missing := [name for name in names if not environ.get(name)]:
        raise BadSettings(
            [f"{name} is not set" for name in missing]
            + ["set all DAGSTER_PG_* variables, or none for SQLite; `mediatool dev` sets them"]
        )
    user, password, host, port, database = (quote(environ[name], safe="") for name in names)
    return f"postgresql+psycopg2://{user}:{password}@{host}:{port}/{database}"


def _local(directory: str) -> str:
    home = Path(os.environ.get("MEDIATOOL_HOME", "").strip() or ".mediatool").absolute()
    return str(home / directory)
