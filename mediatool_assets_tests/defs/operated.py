"""Operations as their jobs run them, and what they leave on the servers."""

import os
from typing import Any

import dagster as dg
import psycopg

from mediatool_assets_tests.fixtures.dagster_day import Day


def run(day: Day, job: str, **config: object) -> dg.ExecuteInProcessResult:
    """The job, with this configuration of its only step, in an instance of its own."""
    with dg.DagsterInstance.ephemeral() as instance:
        return run_in(instance, day, job, **config)


def run_in(
    instance: dg.DagsterInstance, day: Day, job: str, **config: object
) -> dg.ExecuteInProcessResult:
    """As ``run``, in an instance that has a history."""
    found = day.defs.resolve_job_def(job)
    [step] = found.graph.node_dict
    return found.execute_in_process(
        run_config={"ops": {step: {"config": config}}} if config else {},
        instance=instance,
        raise_on_error=False,
    )


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata of the one materialization."""
    [event] = result.get_asset_materialization_events()
    return {
        name: value.records if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in event.materialization.metadata.items()
    }


def postgres_databases() -> set[str]:
    """Every database of the server that versions are restored to."""
    with psycopg.connect(os.environ["MEDIATOOL_RESTORE_POSTGRES_URL"]) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
