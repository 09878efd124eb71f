"""A small version that the daily job made, and what all checks say of it when they look again."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, metadata_key
from mediatool_assets.definitions import definitions
from mediatool_assets.orchestration.io_managers import report_asset
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.drills.campaigns import MODEL, ddl
from mediatool_assets_tests.fixtures.dagster_day import environment, source_of, today
from mediatool_assets_tests.server_folders import server_folder

RULES = "tables: {campaigns: {budget: keep}}"  # the shipped rules would hide it


@dataclass(frozen=True)
class Found:
    """What a run of checks came to: what is red and why, and the integrity report of it."""

    red: Mapping[str, str]
    report: str

    @classmethod
    def of(cls, result: dg.ExecuteInProcessResult) -> "Found":
        """Of a run; some checks were judged."""
        judged = result.get_asset_check_evaluations()
        assert judged
        [report] = [
            event.materialization.metadata["report"].value
            for event in result.get_asset_materialization_events()
            if event.materialization.asset_key == report_asset("data-integrity-report")
        ]
        red = {
            f"{one.asset_key.to_user_string()}: {one.check_name}": one.description or ""
            for one in judged
            if not one.passed
        }
        return cls(red, str(report))


@dataclass(frozen=True)
class Made:
    """The version, where it lies, and the Dagster that made it."""

    partition: str
    version: Version
    defs: dg.Definitions
    instance: dg.DagsterInstance
    objects: S3Objects
    documents: MongoDocuments
    target: PostgresTarget

    def look(self) -> Found:
        """Report on the integrity again, and judge everything again, alone."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        checks = self.defs.resolve_job_def("daily_export").asset_layer.asset_graph.asset_check_keys
        daily = {key for key in checks if key.name not in ("on_time", "thresholds")}
        alone = job.get_subset(
            asset_selection={report_asset("data-integrity-report")}, asset_check_selection=daily
        )
        return Found.of(
            alone.execute_in_process(
                partition_key=self.partition, instance=self.instance, raise_on_error=False
            )
        )

    @contextmanager
    def next_version(self) -> Iterator[tuple[Version, Found]]:
        """Another version of the day; at the end it does not count any more."""
        job = self.defs.resolve_job_def("daily_export")
        result = job.execute_in_process(partition_key=self.partition, instance=self.instance)
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        version = Version.parse(run.tags["mediatool/version"])
        yield version, Found.of(result)
        self.objects.client.delete_object(Bucket=self.objects.bucket, Key=metadata_key(version))


@contextmanager
def _threads() -> Iterator[str]:
    """A Dask cluster within this process: thirty pools of processes would take minutes to start.

    Its profiler asks for the frames of all threads, which may lock this process up for good.
    """
    import dask  # noqa: PLC0415  # half a second, for these drills alone
    from distributed import LocalCluster  # noqa: PLC0415  # as above

    dask.config.set({"distributed.worker.profile.enabled": False})
    with LocalCluster(  # type: ignore[no-untyped-call]  # distributed has types in part
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster.scheduler_address


@contextmanager
def checked_version(stack: Stack, home: Path) -> Iterator[Made]:
    """A version of a source of its own, in which no check is red; ``home`` is a new folder."""
    partition = today()
    (home / "rules.yaml").write_text(RULES)
    with (
        source_of(stack, home, ddl(plans=20), MODEL),
        _threads() as scheduler,
        environment(
            MEDIATOOL_DASK_SCHEDULER=scheduler, MEDIATOOL_MASKING_RULES=str(home / "rules.yaml")
        ),
        server_folder() as folder,
        dg.instance_for_test(temp_dir=str(folder)) as instance,
    ):
        settings = Settings.parse(os.environ)
        defs = definitions(settings)
        result = defs.resolve_job_def("daily_export").execute_in_process(
            partition_key=partition, instance=instance
        )
        assert not {
            one.check_name for one in result.get_asset_check_evaluations() if not one.passed
        }
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        stores = S3Objects.of(settings), MongoDocuments.of(settings), PostgresTarget.of(settings)
        version = Version.parse(run.tags["mediatool/version"])
        yield Made(partition, version, defs, instance, *stores)
