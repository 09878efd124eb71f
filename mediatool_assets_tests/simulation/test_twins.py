"""The simulation's twins keep the contracts of the servers that they stand for."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

import pytest

from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.simulation.bucket import Bucket
from mediatool_assets_tests.simulation.documents import Documents
from mediatool_assets_tests.simulation.world import Fault, Killed, Process
from mediatool_assets_tests.stores.document_store_contract import DocumentStoreContract
from mediatool_assets_tests.stores.object_store_contract import ObjectStoreContract, content

Result = TypeVar("Result")


@dataclass(eq=False)
class Quiet:
    """A world in which nothing happens."""

    process: Process = field(default_factory=lambda: Process(0, "a test", lambda _: None))
    lock: Any = field(default_factory=RLock)

    def call(self, what: str, act: Callable[[], Result], faults: tuple[Fault, ...] = ()) -> Result:
        """At once; of threads one after the other."""
        del what, faults
        with self.lock:
            return act()

    @property
    def time(self) -> datetime:
        """Now."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Not here."""


class TestBucket(ObjectStoreContract):
    """S3 in memory."""

    @pytest.fixture
    def store(self) -> Bucket:
        """An empty one."""
        return Bucket(Quiet())

    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[Workspace]:
        """Threads: what is in memory is not another process's."""
        with ThreadPoolExecutor(2) as threads:
            yield Workspace(threads, tmp_path)

    test_pickling = None  # type: ignore[assignment]  # nor is it handed to one

    def test_a_killed_writer_leaves_nothing(self, store: Bucket) -> None:  # type: ignore[override]
        """A process that is killed half way leaves no object."""
        with suppress(Killed), store.create("k") as sink:
            sink.write(content(5_000))
            raise Killed
        assert list(store.list("")) == []


class TestDocuments(DocumentStoreContract):
    """MongoDB in memory."""

    @pytest.fixture
    def store(self) -> Documents:
        """An empty one."""
        return Documents(Quiet())  # type: ignore[arg-type]  # a world is more than is needed here
