"""The servers of the assets, connected when a step runs; loading definitions contacts none.

The types with which an asset's parameter can be annotated, and their conversion.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from multiprocessing import active_children
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args, get_origin

import dagster as dg
import psutil
from pydantic import PrivateAttr

from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.inventory import StoredItem
from mediatool_assets.core.settings import Settings
from mediatool_assets.query.handles import ArchiveHandle, Frames, LiveDatabase, RestoredDatabase
from mediatool_assets.stores import environment
from mediatool_assets.stores.ports import (
    BucketSettings,
    DocumentStore,
    ObjectStore,
    Progress,
    Pruning,
    RestoreTarget,
    SnapshotExports,
    Source,
    Stores,
    silent,
)
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace, scratch_folder

if TYPE_CHECKING:
    import pyarrow

_GROWN = 256 << 20  # bytes of a worker; with all modules and a small version it has 180 MiB


def _one_has_grown() -> bool:
    """True if a worker's memory has grown above the limit, or a worker has ended."""
    try:
        sizes = [psutil.Process(worker.pid).memory_info().rss for worker in active_children()]
    except psutil.NoSuchProcess:
        return True
    return any(size > _GROWN for size in sizes)


class ServersResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # it is its own value
    """PostgreSQL, the bucket and MongoDB from the environment, or the local servers."""

    _pool: ExitStack = PrivateAttr(default_factory=ExitStack)
    _executor: Executor | None = PrivateAttr(default=None)

    def settings(self) -> Settings:
        """The settings of this process; raises BadSettings that lists every problem."""
        return environment.settings()

    def source(self) -> Source:
        """The database to export; raises BadSettings if none is set."""
        from mediatool_assets.stores.postgres_source import PostgresSource  # noqa: PLC0415  # slow

        return PostgresSource.of(self.settings())

    def target(self) -> RestoreTarget:
        """The server that versions are restored to; raises BadSettings if none is set."""
        from mediatool_assets.stores.postgres_target import PostgresTarget  # noqa: PLC0415  # slow

        return PostgresTarget.of(self.settings())

    def objects(self) -> ObjectStore:
        """The bucket."""
        from mediatool_assets.stores.s3 import S3Objects  # noqa: PLC0415  # slow

        return S3Objects.of(self.settings(), is_maker=True)

    def bucket(self) -> BucketSettings:
        """The bucket's settings."""
        from mediatool_assets.stores.s3_bucket import S3Bucket  # noqa: PLC0415  # slow

        return S3Bucket.of(self.settings())

    def billed_items(self) -> Iterator[StoredItem]:
        """Everything that the bucket is billed for."""
        from mediatool_assets.stores.s3 import S3Objects  # noqa: PLC0415  # slow
        from mediatool_assets.stores.s3_bucket import S3Inventory  # noqa: PLC0415  # slow

        return S3Inventory(S3Objects.of(self.settings(), allow_unsigned=True)).items()

    def documents(self) -> DocumentStore:
        """The MongoDB server; raises BadSettings if none is set."""
        from mediatool_assets.stores.mongodb import MongoDocuments  # noqa: PLC0415  # slow

        return MongoDocuments.of(self.settings())

    def pruning(self) -> Pruning:
        """Retention's view of the bucket, and of the two servers if they are set."""
        from mediatool_assets.stores.environment import database_servers  # noqa: PLC0415  # slow
        from mediatool_assets.stores.s3 import S3Objects  # noqa: PLC0415  # slow
        from mediatool_assets.stores.s3_bucket import S3Bucket, S3Deletion  # noqa: PLC0415  # slow
        from mediatool_assets.stores.user_files import signing_key  # noqa: PLC0415  # slow

        settings = self.settings()
        objects = S3Objects.of(settings, allow_unsigned=True)
        deletion, bucket = S3Deletion(objects), S3Bucket.of(settings)
        return Pruning(objects, deletion, database_servers(settings), bucket, signing_key(settings))

    def snapshots(self) -> SnapshotExports:
        """The RDS instance; raises BadSettings if its settings are incomplete."""
        from mediatool_assets.stores.rds import RdsInstance  # noqa: PLC0415  # slow

        return RdsInstance.of(self.settings())

    @contextmanager
    def yield_for_execution(
        self,
        context: dg.InitResourceContext,  # noqa: ARG002  # Dagster's signature
    ) -> Iterator[Self]:
        """Provide the resource to the steps of one process; workers end after the last step."""
        try:
            yield self
        finally:
            self._dismiss(None, None, None)

    def stores(self) -> Stores:
        """The bucket, and the servers that are set."""
        settings = self.settings()
        return Stores(
            self.objects(),
            self.documents() if settings.mongodb_url else None,
            self.target() if settings.restore_postgres_url else None,
        )

    def targets(self) -> Stores:
        """The bucket, and the servers that every version is copied to; raises BadSettings."""
        wanted = self.settings().targets
        return Stores(
            self.objects(),
            self.documents() if wanted.mongodb else None,
            self.target() if wanted.postgres else None,
        )

    @contextmanager
    def workspace(self, progress: Progress = silent) -> Iterator[Workspace]:
        """Worker processes, and a directory for their spools, which is removed at the end.

        The workers are reused by the following steps, since starting them takes a second. They are
        replaced after an error, which they may have caused, and once one has grown: a process does
        not release the memory that it used for a large version.
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
        """Stop the workers; a pool may replace the error that stopped them with its own."""
        self._executor = None
        self._pool.__exit__(kind, error, traceback)


def servers_of(variables: Mapping[str, str]) -> ServersResource:
    """The servers that these variables set, and those of the environment for the rest.

    The variables may hold secrets. They are not resource configuration, which the UI would show.
    """

    class ConfiguredServers(ServersResource):
        """The servers of one source among several."""

        def settings(self) -> Settings:
            """The settings with this source's variables; raises BadSettings."""
            environment.adopt_file()
            return Settings.parse(os.environ | variables)

    return ConfiguredServers()


FRAMES: Mapping[tuple[str, str], str] = {
    ("pandas", "DataFrame"): "to_pandas",
    ("pyarrow", "Table"): "to_arrow",
    ("polars", "DataFrame"): "to_polars",
    ("duckdb", "DuckDBPyRelation"): "to_duckdb",
}
"""Classes that hold a whole table in memory, by package and name, with the handle's method."""

_HANDLES = (Frames, ArchiveHandle, LiveDatabase, RestoredDatabase)


def frame_of(kind: object) -> tuple[str, str] | None:
    """The key of a class in FRAMES, or None; its package need not be imported."""
    package = getattr(kind, "__module__", "").partition(".")[0].lstrip("_")
    name = package, getattr(kind, "__name__", "")
    return name if name in FRAMES else None


def mapping_value_type(kind: object) -> object:
    """The value type of an annotated mapping; any other annotation is returned unchanged."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return arguments[1]
    return kind


def as_annotated(asset: str, handle: Any, kind: object) -> Any:
    """The handle's table in the annotated type; raises Misuse, which lists the allowed types."""
    if not isinstance(handle, _HANDLES):
        return handle  # a JSON document
    frame = frame_of(kind)
    method: Callable[[], Any] | None = getattr(handle, FRAMES[frame], None) if frame else None
    if method is not None:
        return method()
    is_any = kind is None or kind is Any or not isinstance(kind, type)
    if is_any or isinstance(handle, kind):  # type: ignore[arg-type]  # a class: see is_any
        return handle
    raise Misuse(
        f"{asset} cannot be given as {_shown(kind)}; annotate the parameter as "
        f"{_right_ones(handle)}, or leave the annotation out"
    )


def as_arrow(asset: str, made: Any) -> "pyarrow.Table":
    """Convert what an asset returned to Arrow; raises Misuse, which lists the allowed types.

    Column types are taken from the frame; none is guessed from values.
    """
    match frame_of(type(made)):
        case "pandas", _:
            import pyarrow  # noqa: PLC0415  # slow

            return pyarrow.Table.from_pandas(made, preserve_index=False)
        case "pyarrow", _:
            return made
        case "polars", _:
            return made.to_arrow()
        case "duckdb", _:
            return made.to_arrow_table()
        case _:
            raise Misuse(
                f"{asset} returned {_shown(type(made))}; the IO manager `parquet` stores "
                f"{_listed(FRAMES)}"
            )


def from_arrow(asset: str, table: "pyarrow.Table", kind: object) -> Any:
    """A stored table in the annotated type; without an annotation it is an Arrow table."""
    match frame_of(kind):
        case "pandas", _:
            from mediatool_assets.query.handles import pandas_frame  # noqa: PLC0415  # slow

            return pandas_frame(table)
        case "polars", _:
            from mediatool_assets.query.handles import polars_frame  # noqa: PLC0415  # slow

            return polars_frame(table)
        case "duckdb", _:
            from mediatool_assets.query.handles import table_of_arrow  # noqa: PLC0415  # slow

            return table_of_arrow(table, None)
    if frame_of(kind) or kind is None or kind is Any or not isinstance(kind, type):
        return table
    raise Misuse(
        f"{asset} cannot be given as {_shown(kind)}; annotate the parameter as {_listed(FRAMES)}"
    )


def _right_ones(handle: Any) -> str:
    frames = {name: method for name, method in FRAMES.items() if hasattr(handle, method)}
    own = f"mediatool_assets.{type(handle).__name__}, a handle that reads on demand"
    return f"{_listed(frames)}, or as {own}" if frames else own


def _listed(frames: Mapping[tuple[str, str], str]) -> str:
    return ", ".join(".".join(name) for name in frames)


def _shown(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
