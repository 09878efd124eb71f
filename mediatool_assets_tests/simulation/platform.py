"""Our side of the world: settings, workers, and Dagster's instance as runs and their tags."""

import errno
import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar

import dagster as dg
import duckdb
import pytest

from mediatool_assets.archive import reader, writer
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.bucket_policies import Aspect, LiveAspect
from mediatool_assets.core.settings import Settings
from mediatool_assets.export import assets as raw
from mediatool_assets.load import flow as load
from mediatool_assets.orchestration import runs as orchestration_runs
from mediatool_assets.stores.ports import Progress, Stores, silent
from mediatool_assets.verify import assets as publication
from mediatool_assets.versions import catalog, records
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.simulation.bucket import Bucket
from mediatool_assets_tests.simulation.documents import Documents
from mediatool_assets_tests.simulation.one_duckdb import Session
from mediatool_assets_tests.simulation.source import MODEL, SourceTwin
from mediatool_assets_tests.simulation.world import PROCESS_FAULTS, Fault, Process, World, raising

P = ParamSpec("P")
Result = TypeVar("Result")

WORKER_FAULTS = (
    Fault("a worker is killed", before=raising(lambda: BrokenProcessPool("gone"))),
    Fault("no space is left for spools", before=raising(lambda: OSError(errno.ENOSPC, "full"))),
    *PROCESS_FAULTS,
)


@dataclass(eq=False)
class Workers(Executor):
    """Does at once what it is given; handing it out is a point."""

    world: World

    def submit(
        self, work: Callable[P, Result], /, *arguments: P.args, **named: P.kwargs
    ) -> "Future[Result]":
        """The result, or the error."""
        future: Future[Result] = Future()
        try:
            name = getattr(work, "__name__", "work").lstrip("_")
            self.world.call(f"hand a share of {name} to a worker", lambda: None, WORKER_FAULTS)
            future.set_result(work(*arguments, **named))
        except Exception as error:  # noqa: BLE001  # as executors do
            future.set_exception(error)
        return future


@dataclass(eq=False)
class SimulatedRun:
    """One run, as ``RunVersion`` sees it."""

    run_id: str
    partition: str
    created: datetime
    tags: dict[str, str]
    job_name: str = "daily"
    root_run_id: str | None = None
    parent_run_id: str | None = None
    status: str = "STARTED"
    ended: datetime | None = None
    error: str = ""
    process: Process | None = None
    step: str = ""
    done: list[str] = field(default_factory=list)
    seen: bool = False


@dataclass(eq=False)
class InstanceTwin:
    """Dagster's run storage: runs and their tags, each request a point."""

    world: World
    runs: dict[str, SimulatedRun] = field(default_factory=dict)

    def get_run_by_id(self, run_id: str) -> SimulatedRun | None:
        """The run."""
        return self._call("look up a run", lambda: self.runs.get(run_id))

    def get_run_records(self, filters: dg.RunsFilter) -> list[Any]:
        """Those with the tags, newest first."""

        def act() -> list[SimulatedRun]:
            wanted = filters.tags.items()
            found = [r for r in self.runs.values() if wanted <= r.tags.items()]
            return sorted(found, key=lambda r: r.created, reverse=True)

        return [SimpleNamespace(dagster_run=run) for run in self._call("list runs", act)]

    def add_run_tags(self, run_id: str, tags: dict[str, str]) -> None:
        """Other values replace those that there are."""
        self._call(f"tag a run {tags}", lambda: self.runs[run_id].tags.update(tags))

    def get_run_record_by_id(self, run_id: str) -> Any:
        """When it was created."""
        found = self.runs.get(run_id)
        return found and SimpleNamespace(create_timestamp=found.created)

    def get_run_step_stats(self, run_id: str) -> list[object]:
        """No durations: they would be those of this machine."""
        del run_id
        return []

    def _call(self, what: str, act: Callable[[], Result]) -> Result:
        return self.world.call(f"Dagster: {what}", act, PROCESS_FAULTS)


@dataclass(eq=False)
class Declared:
    """The bucket's settings: no rule of it contradicts the plan, nothing is under Object Lock."""

    secure: bool = True
    amazon: bool = True

    def read(self, aspect: Aspect) -> LiveAspect:
        """Nothing is set."""
        del aspect
        return LiveAspect()


@dataclass(eq=False)
class PlatformTwin:
    """What ``Platform`` gives to steps."""

    world: World
    folder: Path
    bucket: Bucket = field(init=False)
    mongodb: Documents = field(init=False)
    postgres: SourceTwin = field(init=False)
    instance: InstanceTwin = field(init=False)
    log: Any = field(
        default_factory=lambda: SimpleNamespace(info=lambda _: None, warning=lambda _: None)
    )

    def __post_init__(self) -> None:
        """Everything is empty but the source."""
        self.bucket = Bucket(self.world)
        self.mongodb = Documents(self.world)
        self.postgres = SourceTwin(self.world)
        self.instance = InstanceTwin(self.world)
        self.registry = self.folder / "mongodb-versions.json"
        model = self.folder / "model.yaml"
        model.write_text(MODEL, "utf-8")
        self._settings = Settings.parse(
            {
                "MEDIATOOL_HOME": str(self.folder),
                "MEDIATOOL_MODEL": str(model),
                "MEDIATOOL_POSTGRES_URL": "postgresql://twin/media_tool",
                "MEDIATOOL_MONGODB_URL": "mongodb://twin",
            }
        )

    def settings(self) -> Settings:
        """Those of one home."""
        return self._settings

    def source(self) -> SourceTwin:
        """PostgreSQL."""
        return self.postgres

    def objects(self) -> Bucket:
        """The bucket."""
        return self.bucket

    def documents(self) -> Documents:
        """MongoDB."""
        return self.mongodb

    def targets(self) -> Stores:
        """Bucket and MongoDB."""
        return Stores(self.bucket, self.mongodb, None)

    @contextmanager
    def workspace(self, progress: Progress = silent) -> Iterator[Workspace]:
        """Workers, a directory of its own for what they spool, and the world's time."""
        with tempfile.TemporaryDirectory(dir=self.folder) as own:
            yield Workspace(Workers(self.world), Path(own), progress, self.world.now)

    def context(self, run: SimulatedRun) -> Any:
        """What a step of the run is given."""
        return SimpleNamespace(
            instance=self.instance,
            run=run,
            partition_key=run.partition,
            log=self.log,
            op_execution_context=SimpleNamespace(op_def=SimpleNamespace(tags={})),
        )


def _locks(world: World) -> Callable[[Path], AbstractContextManager[int]]:
    """Locks of directories: whoever waits for one lets the others go on, and the dead hold none."""
    held: set[Path] = set()

    @contextmanager
    def locked(directory: Path) -> Iterator[int]:
        while directory in held:
            world.sleep(1)
        held.add(directory)
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            held.discard(directory)
            os.close(descriptor)

    return locked


@contextmanager
def inside(world: World) -> Iterator[None]:
    """The product's clocks, waits and threads are the world's while the context lasts."""

    class Clock(datetime):
        """The clock of our host."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            """As the world shows it."""
            return world.now().astimezone(tz)

    class Threads(Workers):
        """Done at once, and no point."""

        def __init__(self, *_: object, **__: object) -> None:
            super().__init__(world)

        def submit(
            self, work: Callable[P, Result], /, *arguments: P.args, **named: P.kwargs
        ) -> "Future[Result]":
            future: Future[Result] = Future()
            try:
                future.set_result(work(*arguments, **named))
            except Exception as error:  # noqa: BLE001  # as executors do
                future.set_exception(error)
            return future

    with pytest.MonkeyPatch.context() as patch:
        for module in (raw, raw, orchestration_runs, publication):
            if hasattr(module, "datetime"):
                patch.setattr(module, "datetime", Clock)
        patch.setattr(orchestration_runs, "record_process", lambda *_: None)
        for index in vars(ArchiveReader).values():
            if isinstance(index, cached_property):  # until 3.12 it has a lock of all processes
                patch.setattr(index, "lock", nullcontext(), raising=False)
        patch.setattr(reader, "ThreadPoolExecutor", Threads)
        for packing in (writer, writer):  # of equal data ISA-L may make other bytes the next time
            patch.setattr(packing, "compress", lambda data: gzip.compress(data, 1, mtime=0))
        patch.setattr(duckdb, "connect", lambda **_: Session())
        patch.setattr(records, "_locked", _locks(world))
        for waiting in (records.register, records.keep_newest_last, catalog.change):
            patch.setattr(waiting.retry, "sleep", world.sleep)
        numbers = iter(range(10**9))
        patch.setattr(load, "uuid4", lambda: f"{next(numbers):08}")
        yield
