"""Queries over a range of versions, beside downloading the archives and DuckDB's own JSON reader.

    .venv/bin/python benchmarks/queries.py --scale 1 --versions 10

Exports a day of edits after another, then measures each question in a process of its own: seconds,
bytes read from S3 and peak memory. The peer downloads whole archives (as `mediatool fetch`, without
its checks), unpacks them with tar, and asks the same of the files with DuckDB's `read_json`; its
second query finds them unpacked. Prints one JSON document and writes ``benchmarks/results/``.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import duckdb

from mediatool_assets.archive.reader import ArchiveReader, Bytes
from mediatool_assets.archive.streaming import stream
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.export import export
from mediatool_assets.flows.query.history import row_history
from mediatool_assets.flows.query.parquet_cache import ParquetCache
from mediatool_assets.flows.query.session import QuerySession, query_session, tables_of
from mediatool_assets.flows.workers.pool import worker_pool
from mediatool_assets.flows.workers.workspace import Workspace
from mediatool_assets.seed import seed
from mediatool_assets.stores.local import Stack, down, up
from mediatool_assets.stores.postgres import PostgresSource
from mediatool_assets.stores.s3 import S3Objects

RESULTS = Path(__file__).parent / "results"
FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
CACHE = 10 << 30

COUNT = "SELECT version, stage, count(*) FROM campaigns GROUP BY ALL ORDER BY ALL"
PEER_COUNT = (
    "SELECT filename, stage, count(*) FROM read_json({campaigns}, format = 'newline_delimited',"
    " filename = true) GROUP BY ALL ORDER BY ALL"
)
PEER_HISTORY = (
    "SELECT filename, * FROM read_json({media_platform_entities}, format = 'newline_delimited',"
    " filename = true) WHERE id = 1 ORDER BY filename"
)
ENTITY = ("media_platform_entities", "1")


@dataclass(frozen=True)
class Counted:
    """A source that counts the bytes that are read of it."""

    source: Bytes
    read_bytes: list[int]

    @property
    def name(self) -> str:
        """The source's."""
        return self.source.name

    @property
    def size(self) -> int:
        """The source's."""
        return self.source.size

    def read(self, start: int, length: int) -> bytes:
        """The source's bytes."""
        self.read_bytes[0] += length
        return self.source.read(start, length)


@dataclass(frozen=True)
class Place:
    """Where a measured process finds the versions, and keeps what it makes of them."""

    environment: dict[str, str]
    versions: Sequence[Version]
    folder: Path

    def measure(self, work: "Callable[[Place, list[int]], int]") -> dict[str, float]:
        """In a process of its own: what ``work`` takes, and the rows that it finds."""
        os.environ.update(self.environment)
        read, start = [0], perf_counter()
        rows = work(self, read)
        used = max(
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return {
            "seconds": round(perf_counter() - start, 2),
            "s3_mb": round(read[0] / 1e6, 1),
            "peak_mib": round(used / 1024),
            "rows": rows,
        }

    def sources(self, read: list[int]) -> list[Counted]:
        """The raw archives."""
        objects = S3Objects.of(Settings.parse(self.environment))
        return [Counted(objects.open(archive_key("raw", v)), read) for v in self.versions]


def count(place: Place, read: list[int]) -> int:
    """Campaigns by stage, version by version."""
    return _with_session(place, read, lambda session: len(_rows(session)))


def history(place: Place, read: list[int]) -> int:
    """The life of one entity, in the largest table; it reads no Parquet files."""
    return _with_session(place, read, lambda session: len(row_history(session, *ENTITY).present))


def download(place: Place, read: list[int]) -> int:
    """The peer's first step: whole archives, unpacked by tar."""
    for source, version in zip(place.sources(read), place.versions, strict=True):
        path = place.folder / f"{version}.tar.gz"
        with path.open("wb") as file:
            file.writelines(stream(source))
        subprocess.run(["tar", "-xzf", str(path), "-C", str(place.folder)], check=True)
        path.unlink()
    return len(place.versions)


def peer_count(place: Place, _: list[int]) -> int:
    """The count over the unpacked files."""
    return _peer(place, PEER_COUNT)


def peer_history(place: Place, _: list[int]) -> int:
    """The entity's rows in the unpacked files."""
    return _peer(place, PEER_HISTORY)


STEPS: tuple[tuple[str, Callable[[Place, list[int]], int]], ...] = (
    ("count by stage, first time", count),
    ("count by stage, second time", count),
    ("history of an entity", history),
    ("peer: fetch and tar -x", download),
    ("peer: count by stage with read_json", peer_count),
    ("peer: history with read_json", peer_history),
)


def main() -> None:
    """Start the servers, make the versions, measure, and remove everything."""
    parser = argparse.ArgumentParser(description="queries over a range of versions")
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--versions", type=int, default=10)
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mediatool-queries-"))
    try:
        found = run(up(home), home / "measured", arguments.scale, arguments.versions)
    finally:
        down(home)
        shutil.rmtree(home)
    text = json.dumps(found, indent=2) + "\n"
    name = f"queries-scale-{arguments.scale:g}-versions-{arguments.versions}.json"
    (RESULTS / name).write_text(text)
    print(text, end="")


def run(stack: Stack, folder: Path, scale: float, versions: int) -> dict[str, object]:
    """What each step took, by its name; and how much faster the second count is than the peer."""
    os.environ.update(stack.environment)
    folder.mkdir()
    made = [Version(FIRST + timedelta(days=day)) for day in range(versions)]
    settings = Settings.parse(stack.environment)
    assert settings.postgres_url is not None, "the benchmark's servers are up"
    objects, source = S3Objects.of(settings), PostgresSource.of(settings)
    size = 0
    with worker_pool(2) as workers:
        for day, version in enumerate(made):
            seed(settings.postgres_url, scale=scale, full=False, day=day)
            size += export(source, objects, Workspace(workers, folder), version).size
    place = Place(dict(stack.environment), made, folder)
    measured = {name: _alone(place, work) for name, work in STEPS}
    second = measured["count by stage, second time"]["seconds"]
    peer = (
        measured["peer: fetch and tar -x"]["seconds"]
        + measured["peer: count by stage with read_json"]["seconds"]
    )
    return {
        "scale": scale,
        "versions": versions,
        "archives_mb": round(size / 1e6, 1),
        "steps": measured,
        "times_faster_than_the_peer": round(peer / second, 1),
    }


def _alone(place: Place, work: Callable[[Place, list[int]], int]) -> dict[str, float]:
    """Measure in a new process, so that its peak memory is of this step alone."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(place.measure, work).result()


def _with_session(place: Place, read: list[int], ask: Callable[[QuerySession], int]) -> int:
    cache = ParquetCache(place.folder / "cache", CACHE)
    versions = [tables_of(ArchiveReader(source)) for source in place.sources(read)]
    with query_session(versions, cache, place.folder) as session:
        return ask(session)


def _rows(session: QuerySession) -> Sequence[object]:
    result = session.run_all(COUNT)
    assert result is not None
    return result.fetchall()


def _peer(place: Place, query: str) -> int:
    files = {
        table: str(
            [str(place.folder / str(version) / f"{table}.ndjson") for version in place.versions]
        )
        for table in ("campaigns", "media_platform_entities")
    }
    return len(duckdb.connect().execute(query.format(**files)).fetchall())


if __name__ == "__main__":
    main()
