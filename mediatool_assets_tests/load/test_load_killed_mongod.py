"""mongod is killed while a load marks its database: what is marked complete is complete.

Documents are not journalled one by one. WiredTiger's journal is one sequence: the marker, which is
written with ``j: true``, is in it behind all documents, and recovery replays it from the front.
"""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from pymongo import MongoClient

from mediatool_assets.core.errors import CheckFailed, Unreachable
from mediatool_assets.core.texts import Url
from mediatool_assets.load.flow import load
from mediatool_assets.stores.local_processes import free_port
from mediatool_assets.stores.local_servers import mongod_binary
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.versions.records import loaded
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.transformed import ID_INDEX, made_up_people, transformed
from mediatool_assets_tests.twins import DirectoryObjects

PEOPLE = 3000
BY_N = {"v": 2, "key": {"n": 1}, "name": "n_1"}


@dataclass
class Mongod:
    """A server on a folder, that is killed and started again."""

    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with a journal that is written to disk only when that is asked for."""
        self.process = subprocess.Popen(
            [
                *(mongod_binary(), "--dbpath", self.data, "--port", str(self.port)),
                *("--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"),
                *("--journalCommitInterval", "500", "--wiredTigerCacheSizeGB", "0.25"),
                *("--logpath", self.data / "log"),
            ]
        )

    def kill(self) -> None:
        """SIGKILL: nothing that it holds in memory is written."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    @property
    def url(self) -> Url:
        """Where it is."""
        return Url(f"mongodb://127.0.0.1:{self.port}")


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[Mongod]:
    """One for a test."""
    (tmp_path / "data").mkdir()
    server = Mongod(tmp_path / "data")
    server.start()
    yield server
    server.kill()


@dataclass(frozen=True, slots=True)
class Killed(MongoDocuments):
    """A server that is killed so many seconds after the load begins to mark; None: right behind."""

    mongod: Mongod | None = None
    delay: float | None = None

    def mark(
        self, database: str, load: str, marker: dict[str, object], *, complete: bool = True
    ) -> None:
        """Mark, while the server dies."""
        assert self.mongod is not None
        if self.delay is not None:
            timer = Timer(self.delay, self.mongod.kill)
            timer.start()
        try:
            MongoDocuments.mark(self, database, load, marker, complete=complete)
        finally:
            if self.delay is None:
                self.mongod.kill()
            else:
                timer.join()


@pytest.mark.parametrize("delay", [None, 0.0, 0.005, 0.02])
def test_a_marker_implies_all_documents(
    mongod: Mongod, tmp_path: Path, delay: float | None
) -> None:
    """Whenever it is killed; once the marker is acknowledged it is there for good."""
    objects, version = DirectoryObjects(tmp_path / "bucket"), fresh_version()
    transformed(
        objects,
        version,
        {"people": made_up_people(PEOPLE, 100), "teams": []},
        indexes={"people": [ID_INDEX, BY_N]},
    )
    (tmp_path / "scratch").mkdir()
    database, acknowledged = mongodb_database(version), False
    documents = Killed(mongod.url, answer_ms=10_000, mongod=mongod, delay=delay)
    with ThreadPoolExecutor(2) as executor:
        try:
            load(objects, documents, Workspace(executor, tmp_path / "scratch"), version)
            acknowledged = True
        except (Unreachable, CheckFailed):
            assert delay is not None
    mongod.kill()
    mongod.start()
    made = loaded(MongoDocuments(mongod.url, answer_ms=60_000), version)
    assert made is not None or not acknowledged
    if made is not None:
        with MongoClient[Any](mongod.url.reveal()) as client:
            people = client[database]["people"]
            assert people.count_documents({}) == PEOPLE
            assert people.count_documents({"n": {"$gte": 0}}, hint="n_1") == PEOPLE
            found = client[database].validate_collection("people", full=True)
            assert (found["valid"], found["nrecords"]) == (True, PEOPLE)
        assert made.documents == {"people": PEOPLE, "teams": 0}
