"""The context of a flow besides its stores: workers, a temporary folder, progress, clock."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.ports import Progress, silent
from mediatool_assets.flows.workers.pool import worker_pool
from mediatool_assets.flows.workers.scratch import scratch_folder


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Workspace:
    """Worker processes, and a folder on local disk; a flow removes its files from it.

    Flows report to ``progress``, and get the time from ``clock``.
    """

    executor: Executor
    scratch: Path
    progress: Progress = silent
    clock: Callable[[], datetime] = now


@contextmanager
def workspace(settings: Settings, progress: Progress = silent) -> Iterator[Workspace]:
    """The workers and a scratch folder from the settings; both are released with the context."""
    with (
        worker_pool(settings.workers, settings.cluster) as executor,
        scratch_folder(settings.scratch) as scratch,
    ):
        yield Workspace(executor, scratch, progress)
