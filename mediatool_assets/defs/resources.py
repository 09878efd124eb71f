"""The servers of the assets, connected when a step runs: loading definitions contacts none."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from multiprocessing import active_children
from types import TracebackType
from typing import Self

import dagster as dg
import psutil
from pydantic import PrivateAttr

from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.costs.inventory import InventorySource
from mediatool_assets.flows.ports import (
    DocumentStore,
    ObjectStore,
    Progress,
    RestoreTarget,
    Source,
    Stores,
    silent,
)
from mediatool_assets.flows.ports.bucket import BucketSettings
from mediatool_assets.flows.ports.rds import SnapshotExports
from mediatool_assets.flows.prune import Pruning
from mediatool_assets.flows.workers.pool import worker_pool
from mediatool_assets.flows.workers.scratch import scratch_folder
from mediatool_assets.flows.workers.workspace import Workspace
from mediatool_assets.stores import environment

_GROWN = 256 << 20  # bytes of a worker: with all of its modules and a small version it has 180 MiB


def _one_has_grown() -> bool:
    """Whether a worker has become large, or has ended."""
    try:
        sizes = [psutil.Process(worker.pid).memory_info().rss for worker in active_children()]
    except psutil.NoSuchProcess:
        return True
    return any(size > _GROWN for size in sizes)


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]  # it is its own value
    """PostgreSQL, the bucket and MongoDB as the environment names them, or the local servers."""

    _pool: ExitStack = PrivateAttr(default_factory=ExitStack)
    _executor: Executor | None = PrivateAttr(default=None)

    def settings(self) -> Settings:
        """The settings of this process; raises BadSettings with every problem together."""
        return environment.settings()

    def source(self) -> Source:
        """The database that is exported; raises BadSettings where none is named."""
        from mediatool_assets.stores.postgres import PostgresSource  # noqa: PLC0415  # slow

        return PostgresSource.of(self.settings())

    def target(self) -> RestoreTarget:
        """The server that versions are restored to; raises BadSettings where none is named."""
        from mediatool_assets.stores.postgres import PostgresTarget  # noqa: PLC0415  # slow

        return PostgresTarget.of(self.settings())

    def objects(self) -> ObjectStore:
        """The bucket."""
        from mediatool_assets.stores.s3 import S3Objects  # noqa: PLC0415  # slow

        return S3Objects.of(self.settings(), is_maker=True)

    def bucket(self) -> BucketSettings:
        """The bucket's settings."""
        from mediatool_assets.stores.s3_bucket import S3Bucket  # noqa: PLC0415  # slow

        return S3Bucket.of(self.settings())

    def inventory(self) -> InventorySource:
        """Everything that the bucket is billed for."""
        from mediatool_assets.stores.s3 import S3Objects  # noqa: PLC0415  # slow
        from mediatool_assets.stores.s3_inventory import S3Inventory  # noqa: PLC0415  # slow

        return S3Inventory(S3Objects.of(self.settings(), allow_unsigned=True))

    def documents(self) -> DocumentStore:
        """The MongoDB server; raises BadSettings where none is named."""
        from mediatool_assets.stores.mongodb import MongoDocuments  # noqa: PLC0415  # slow

        return MongoDocuments.of(self.settings())

    def pruning(self) -> Pruning:
        """The bucket as retention sees it, and those of the two servers that are named."""
        from mediatool_assets.stores.retention import servers  # noqa: PLC0415  # slow
        from mediatool_assets.stores.s3 import S3Objects  # noqa: PLC0415  # slow
        from mediatool_assets.stores.s3_bucket import S3Bucket  # noqa: PLC0415  # slow
        from mediatool_assets.stores.s3_deletion import S3Deletion  # noqa: PLC0415  # slow
        from mediatool_assets.stores.signing_keys import signing_key  # noqa: PLC0415  # slow

        settings = self.settings()
        objects = S3Objects.of(settings, allow_unsigned=True)
        deletion, bucket = S3Deletion(objects), S3Bucket.of(settings)
        return Pruning(objects, deletion, servers(settings), bucket, signing_key(settings))

    def snapshots(self) -> SnapshotExports:
        """The RDS instance; raises BadSettings where the settings do not name all of it."""
        from mediatool_assets.stores.rds import RdsInstance  # noqa: PLC0415  # slow

        return RdsInstance.of(self.settings())

    @contextmanager
    def yield_for_execution(
        self,
        context: dg.InitResourceContext,  # noqa: ARG002  # Dagster's signature
    ) -> Iterator[Self]:
        """For the steps that one process makes of a run; its workers end with the last of them."""
        try:
            yield self
        finally:
            self._dismiss(None, None, None)

    def stores(self) -> Stores:
        """The bucket, and the servers that the settings name."""
        settings = self.settings()
        return Stores(
            self.objects(),
            self.documents() if settings.mongodb_url else None,
            self.target() if settings.restore_postgres_url else None,
        )

    @contextmanager
    def workspace(self, progress: Progress = silent) -> Iterator[Workspace]:
        """Worker processes, and a directory for what they spool, which ends with the context.

        The workers serve the following steps too: starting them takes a second. There are new ones
        after an error, which may have been theirs, and once one has grown: memory that a process
        had for a large version does not come back.
        """
        settings = self.settings()
        if self._executor is None:
            pool = worker_pool(settings.workers, settings.cluster)
            self._executor = self._pool.enter_context(pool)
        with scratch_folder(settings.scratch) as scratch:
            try:
                yield Workspace(self._executor, scratch, progress)
            except BaseException as error:
                self._dismiss(type(error), error, error.__traceback__)
                raise
        if _one_has_grown():
            self._dismiss(None, None, None)

    def _dismiss(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the workers go; a pool may have its own word for what ended them."""
        self._executor = None
        self._pool.__exit__(kind, error, traceback)


def platform_of(variables: Mapping[str, str]) -> Platform:
    """The servers that these variables name, and the environment where they name none.

    They may hold secrets, and are no configuration of the resource, which the UI would show.
    """

    class ConfiguredPlatform(Platform):
        """The servers of one source of several."""

        def settings(self) -> Settings:
            """The settings with this source's own; raises BadSettings."""
            environment.adopt_file()
            return Settings.parse(os.environ | variables)

    return ConfiguredPlatform()
