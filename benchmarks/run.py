"""One version, step by step, on servers of its own: seconds, throughput and peak memory.

    make bench
    .venv/bin/python benchmarks/run.py --scale 1 --json

The yardstick is ``pg_dump -Fd`` of the same database with as many jobs: it writes the rows once, to
a local disk, in a format that only PostgreSQL reads. It counts and checks nothing, and there is no
MongoDB in it, so that it is a floor for the export and not an equal. So is ``pg_restore`` of it for
the restore, which also reads every row back. The yardstick of the comparison of two versions is the
same two states of the source as CSV, by COPY, and a full join in DuckDB.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
from memory import peak_memory
from restoring import pg_restored, restored, verified
from yardstick import copied, joined, tables_of

from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.settings import Settings, Url
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.compare import compare
from mediatool_assets.flows.complete import complete
from mediatool_assets.flows.dump import dump
from mediatool_assets.flows.export import export
from mediatool_assets.flows.load import load
from mediatool_assets.flows.model_file import load_model
from mediatool_assets.flows.pool import worker_pool
from mediatool_assets.flows.transform import transform
from mediatool_assets.seed import seed
from mediatool_assets.stores.local import Stack, down, up
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres.connection import parameters
from mediatool_assets.stores.postgres.ddl import find_pg_dump
from mediatool_assets.stores.postgres.source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects


@dataclass(frozen=True)
class Step:
    """One step: wall-clock seconds, rows and uncompressed bytes that it made, peak memory."""

    name: str
    seconds: float
    rows: int
    bytes: int
    peak_bytes: int

    def __str__(self) -> str:
        rate = f"{self.bytes / self.seconds / 1e6:8.0f}" if self.bytes else " " * 8
        return (
            f"{self.name:<10} {self.seconds:8.1f} {self.rows:11,} {self.bytes / 1e6:9.1f}"
            f" {rate} {self.peak_bytes / 2**20:9.0f}"
        )


class Bench:
    """Runs steps and keeps what they took."""

    def __init__(self, servers: list[int], show: bool) -> None:
        self._servers, self._show = servers, show
        self.steps: list[Step] = []

    def step(self, name: str, work: Callable[[], tuple[int, int]]) -> None:
        """Measure ``work``, which returns rows and bytes."""
        with peak_memory(self._servers) as peak:
            start = time.perf_counter()
            rows, size = work()
            seconds = time.perf_counter() - start
        self.steps.append(Step(name, seconds, rows, size, peak.bytes))
        if self._show:
            print(self.steps[-1], flush=True)


def main() -> None:
    """Start the servers, seed them, make one version, and remove everything."""
    parser = argparse.ArgumentParser(description="the benchmark: one version, step by step")
    parser.add_argument("--scale", type=float, default=0.1, help="1 is 848,937 rows, 924 MB")
    parser.add_argument("--full", action="store_true", help="with metric and history tables")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mediatool-bench-"))
    try:
        result = run(up(home), arguments)
    finally:
        down(home)
        shutil.rmtree(home)
    if arguments.json:
        print(json.dumps(result, indent=2))


def run(stack: Stack, arguments: argparse.Namespace) -> dict[str, object]:
    """Every step once, in order, on an empty database and bucket."""
    os.environ.update(stack.environment)
    settings = Settings.parse(stack.environment | {"MEDIATOOL_WORKERS": str(arguments.workers)})
    bench = Bench([server.pid for server in stack.servers if server.pid], not arguments.json)
    if not arguments.json:
        print(
            f"scale {arguments.scale}, {arguments.workers} workers, "
            f"{os.cpu_count()} CPUs, {platform.machine()}"
        )
        print("step        seconds        rows        MB     MB/s  peak MiB")
    url = stack.environment["MEDIATOOL_POSTGRES_URL"]
    bench.step("seed", lambda: (_seeded(url, arguments), 0))
    with tempfile.TemporaryDirectory(prefix="mediatool-bench-") as scratch:
        bench.step("pg_dump", lambda: _pg_dump(Url(url), arguments.workers, Path(scratch)))
        version = _version(bench, settings, Path(scratch))
        _way_back(bench, settings, version, Path(scratch, "yardstick"))
        _comparison(bench, settings, arguments, version, Path(scratch))
    return {
        "scale": arguments.scale,
        "full": arguments.full,
        "workers": arguments.workers,
        "cpus": os.cpu_count(),
        "load_average": psutil.getloadavg()[0],
        "steps": [asdict(step) for step in bench.steps],
    }


def _seeded(url: str, arguments: argparse.Namespace, day: int = 0) -> int:
    return seed(url, scale=arguments.scale, full=arguments.full, day=day).rows


def _pg_dump(url: Url, jobs: int, scratch: Path) -> tuple[int, int]:
    """The yardstick; its bytes are those of its compressed files."""
    target = scratch / "yardstick"
    given = parameters(url)
    with psycopg.connect(url) as connection:
        major = connection.info.server_version // 10_000
    command = [
        str(find_pg_dump(major)),
        "-Fd",
        "-j",
        str(jobs),
        "-f",
        str(target),
        "-n",
        "media_tool",
    ]
    secret = {"PGPASSWORD": given["password"]} if "password" in given else {}
    names = {"host": "-h", "port": "-p", "user": "-U", "dbname": "-d"}
    options = [
        word for name, flag in names.items() if name in given for word in (flag, given[name])
    ]
    subprocess.run([*command, *options], check=True, env={**os.environ, **secret})
    size = sum(file.stat().st_size for file in target.iterdir())
    return 0, size


def _comparison(
    bench: Bench, settings: Settings, arguments: argparse.Namespace, first: Version, scratch: Path
) -> None:
    """A day of edits, exported and compared; beside it two COPY exports and a full join."""
    url, schema = settings.postgres_url or "", settings.postgres_schema
    source, objects = PostgresSource.of(settings), S3Objects.of(settings)
    second = Version(first.moment + timedelta(days=1))
    tables = tables_of(url, schema)
    folders = (scratch / "csv-0", scratch / "csv-1")

    def copied_to(folder: Path) -> tuple[int, int]:
        return 0, copied(url, schema, tables, folder, settings.workers)

    bench.step("csv day 0", lambda: copied_to(folders[0]))
    bench.step("edits", lambda: (_seeded(url, arguments, day=1), 0))
    bench.step("csv day 1", lambda: copied_to(folders[1]))
    bench.step("csv join", lambda: (joined(tables, *folders, settings.workers), 0))
    with worker_pool(settings.workers) as workers:
        export(source, objects, workers, second, scratch)

        def compared() -> tuple[int, int]:
            one, two = (objects.open(archive_key("raw", version)) for version in (first, second))
            found = compare((one, two), workers, scratch, now=datetime.now(UTC)).summary
            return found.rows_added + found.rows_removed + found.rows_changed, 0

        bench.step("compare", compared)


def _way_back(bench: Bench, settings: Settings, version: Version, yardstick: Path) -> None:
    """pg_restore, restore and verify."""
    bench.step("pg_restore", lambda: pg_restored(settings, yardstick))
    shutil.rmtree(yardstick)
    with worker_pool(settings.workers) as workers:
        list(workers.map(abs, range(4 * settings.workers)))
        bench.step("restore", lambda: restored(settings, workers, version))
        bench.step("verify", lambda: verified(settings, workers, version))


def _version(bench: Bench, settings: Settings, scratch: Path) -> Version:
    """Export, transform, load, dump, complete."""
    version = Version.at(datetime.now(UTC))
    source, objects = PostgresSource.of(settings), S3Objects.of(settings)
    documents, model = MongoDocuments.of(settings), load_model(settings.model)

    with worker_pool(settings.workers) as workers:
        list(workers.map(abs, range(4 * settings.workers)))  # their start is not a step's

        def exported() -> tuple[int, int]:
            manifest = export(source, objects, workers, version, scratch).manifest
            return manifest.rows, manifest.bytes

        def transformed() -> tuple[int, int]:
            manifest = transform(objects, workers, version, model, scratch).manifest
            return manifest.rows, manifest.bytes

        def loaded() -> tuple[int, int]:
            made = load(objects, documents, workers, version)
            return sum(made.documents.values()), sum(made.bytes.values())

        def dumped() -> tuple[int, int]:
            manifest = dump(objects, documents, workers, version, scratch).manifest
            return manifest.rows, manifest.bytes

        def completed() -> tuple[int, int]:
            complete(
                objects,
                documents,
                workers,
                version,
                source_type="postgres",
                instance=None,
                purpose="testing",
                notes="benchmark",
                seconds={step.name: step.seconds for step in bench.steps},
                local_registry=scratch / "mongodb-versions.json",
                now=datetime.now(UTC),
            )
            return 0, 0

        steps = (exported, transformed, loaded, dumped, completed)
        for name, work in zip(
            ("export", "transform", "load", "dump", "complete"), steps, strict=True
        ):
            bench.step(name, work)
    return version


if __name__ == "__main__":
    main()
