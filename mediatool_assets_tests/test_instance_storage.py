"""Dagster's instance: PostgreSQL and S3 where the environment names them, files where not."""

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import dagster as dg
import psycopg
import pytest

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.texts import DAGSTER_YAML, Url
from mediatool_assets.instance_storage import postgres_url
from mediatool_assets.orchestration import instance as instance_postgres
from mediatool_assets.orchestration.instance import EventLog
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects


@dg.op(pool="mediatool_export")
def talk() -> None:
    """Say something that the compute logs keep."""
    print("hello from the step", flush=True)  # noqa: T201  # it is what is captured


@dg.job
def talking() -> None:
    """A job to have a run of."""
    talk()


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The repository's instance by way of its reference, as Dagster's processes hand it on."""
    shutil.copy(DAGSTER_YAML, home)
    with dg.DagsterInstance.from_config(str(home)) as first:
        reference = first.get_ref()
    with dg.DagsterInstance.from_ref(reference) as instance:
        yield instance


def _printed(instance: dg.DagsterInstance) -> str:
    """What the step of a new run printed, read back from the compute logs."""
    result = talking.execute_in_process(instance=instance)
    (captured,) = [e for e in result.all_events if e.event_type_value == "LOGS_CAPTURED"]
    manager = instance.compute_log_manager
    key = manager.build_log_key_for_run(result.run_id, captured.logs_captured_data.file_key)
    return (manager.get_log_data(key).stdout or b"").decode()


def _set(patch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        patch.setenv(name, value)


def test_without_the_stack_runs_and_logs_are_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare `dagster dev` works, and keeps its history under .mediatool."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("DAGSTER_", "MEDIATOOL_"))]:
        monkeypatch.delenv(name)
    with _instance(tmp_path) as instance:
        assert "hello from the step" in _printed(instance)
        assert instance.get_runs_count() == 1
    assert (tmp_path / ".mediatool" / "dagster" / "sqlite" / "history").is_dir()
    with _instance(tmp_path) as again:
        assert again.get_runs_count() == 1


def test_with_the_stack_they_are_in_postgresql_and_s3(
    stack: Stack, objects: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment of `mediatool dev` moves both, and nothing is left in files."""
    monkeypatch.chdir(tmp_path)
    _set(monkeypatch, stack.environment | {"MEDIATOOL_S3_BUCKET": objects.bucket})
    with _instance(tmp_path) as instance:
        assert type(instance.event_log_storage).__name__ == "EventLog"
        assert "hello from the step" in _printed(instance)
        logs = list(objects.list("dagster-logs/"))
    assert logs
    assert not (tmp_path / ".mediatool").exists()


def test_one_run_writes_a_partition_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is told so, and pools have one slot each; the drill of the UI sees it wait."""
    monkeypatch.chdir(tmp_path)
    with _instance(tmp_path) as instance:
        concurrency = instance.get_concurrency_config()
        limits = concurrency.run_queue_config.tag_concurrency_limits  # type: ignore[union-attr]  # it is set
        assert {
            "key": "dagster/partition",
            "value": {"applyLimitPerUniqueValue": True},
            "limit": 1,
        } in limits
        assert concurrency.pool_config.default_pool_limit == 1
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled


def test_passwords_of_any_characters_reach_the_url() -> None:
    """User and password are quoted; the driver is named."""
    named = {f"DAGSTER_PG_{n}": n.lower() for n in ("USER", "HOST", "PORT", "DB")}
    url = postgres_url(named | {"DAGSTER_PG_PASSWORD": "p@ss:w/rd"})
    assert url == "postgresql+psycopg2://user:p%40ss%3Aw%2Frd@host:port/db"


def test_half_a_configuration_is_refused() -> None:
    """What is missing is named, all of it."""
    with pytest.raises(BadSettings, match=r"DAGSTER_PG_USER is not set; DAGSTER_PG_PASSWORD") as e:
        postgres_url({"DAGSTER_PG_HOST": "h"})
    assert "mediatool dev" in str(e.value)


def test_a_pool_is_used_for_the_first_time_by_several_at_once(
    stack: Stack, postgres_database: Url, tmp_path: Path
) -> None:
    """Each records it, as the first runs of a new instance do; none fails, and there is one."""
    url = postgres_database.reveal().replace("postgresql://", "postgresql+psycopg2://")
    settings = {"concurrency": {"pools": {"default_limit": 1}}}
    with dg.instance_for_test(overrides=settings, temp_dir=str(tmp_path)) as instance:
        storages = [EventLog(url) for _ in range(6)]
        for storage in storages:
            storage.register_instance(instance)
        together = Barrier(len(storages))

        def record(storage: EventLog) -> bool:
            together.wait()
            return storage.initialize_concurrency_limit_to_default("mediatool_export")

        with ThreadPoolExecutor(len(storages)) as threads:
            assert list(threads.map(record, storages)) == [True] * len(storages)
        assert storages[0].get_concurrency_keys() == {"mediatool_export"}
        assert storages[0].get_concurrency_info("mediatool_export").slot_count == 1
        for storage in storages:
            storage.dispose()


def test_connections_that_the_server_has_ended_are_replaced(
    stack: Stack, objects: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL may have been restarted since a kept connection was used last."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(instance_postgres, "_IDLE_SECONDS", 0)
    _set(monkeypatch, stack.environment | {"MEDIATOOL_S3_BUCKET": objects.bucket})
    with _instance(tmp_path) as instance:
        before = instance.get_runs_count()
        with psycopg.connect(
            stack.environment["MEDIATOOL_POSTGRES_URL"], autocommit=True
        ) as connection:
            ended = connection.execute(_END_ALL).fetchall()
        assert ended
        assert instance.get_runs_count() == before


_END_ALL = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = 'dagster'
"""
