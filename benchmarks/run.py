"""The benchmark: every stage and its peer in turn, on servers of its own.

    make bench
    .venv/bin/mediatool bench --scale 1 --json
    .venv/bin/mediatool bench --against PATH    another checkout of this project, see against.py

Each round makes a version, step by step, and runs the native tools on the same rows between the
steps, so that both meet the machine in the same state. What is told is the median of the rounds,
and the median of their ratios, pair by pair. The peak memory is of all our processes together,
pages that they share counted once, the servers' left out. It writes ``benchmarks/results/``.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import peers
import psutil
import yardstick
from against import against
from measures import OURS, Measure, Stopwatch, markdown, plain, rows

from mediatool_assets.archive.reader import stream
from mediatool_assets.compare.flow import compare
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import AS_DESCRIBED, Kind, Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.load.flow import dump, load
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.stores.local_stack import Stack, down, up
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Stores
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.transform.flow import transform
from mediatool_assets.verify.publish import RunFacts, complete
from mediatool_assets.versions.records import write_local_registry
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace

RESULTS = Path(__file__).parent / "results"
STAGES = ("export", "transform", "load", "dump", "complete")


def main() -> None:
    """Start the servers, seed them, measure, write the results, and remove everything else."""
    parser = argparse.ArgumentParser(description="the benchmark: every stage beside its peer")
    parser.add_argument("--scale", type=float, default=1, help="1 is 848,937 rows, 924 MB of JSON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="our stages, and nothing else")
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout of this")
    parser.add_argument("--postgres", type=Path, metavar="DIR", help="with --against: see there")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder to write")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    arguments = parser.parse_args()
    if arguments.against is not None:
        table, result = against(arguments.against, arguments)
        _write(arguments, "-against" + "-postgres" * bool(arguments.postgres), table, result)
        return
    home = Path(tempfile.mkdtemp(prefix="mediatool-bench-"))
    try:
        result = run(up(home), arguments)
    finally:
        down(home)
        shutil.rmtree(home)
    table = f"{_heading(result)}\n\n{markdown(result['table'])}"  # type: ignore[arg-type]  # JSON
    _write(arguments, "-alone" * arguments.alone, table, result)


def _write(arguments: argparse.Namespace, mode: str, table: str, result: dict[str, object]) -> None:
    """The files of the results, and the table or the JSON on stdout."""
    folder: Path = arguments.results
    folder.mkdir(exist_ok=True)
    name = f"scale-{arguments.scale:g}{mode}"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    (folder / f"{name}.md").write_text(table)
    print(json.dumps(result, indent=2) if arguments.json else f"\n{table}")


def run(stack: Stack, arguments: argparse.Namespace) -> dict[str, object]:
    """All rounds, then the comparison of two days; returns what is written as JSON."""
    os.environ.update(stack.environment)
    settings = Settings.parse(stack.environment | {"MEDIATOOL_WORKERS": str(arguments.workers)})
    watch = Stopwatch(
        [server.pid for server in stack.servers if server.pid],
        lambda line: None if arguments.json else print(line, flush=True),
    )
    seed(bench_source(settings), scale=arguments.scale, full=False, day=0)
    began = datetime.now(UTC).replace(microsecond=0)
    with (
        tempfile.TemporaryDirectory(prefix="mediatool-bench-") as scratch,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as peers_process,
    ):
        watch.ignore(peers_process.submit(os.getpid).result())
        bench = Bench(settings, watch, Path(scratch), None if arguments.alone else peers_process)
        for number in range(arguments.rounds):
            bench.round(number, Version(began + timedelta(seconds=number)))
        if not arguments.alone:
            bench.comparison(arguments, Version(began), Version(began + timedelta(days=1)))
        bench.through_dagster()
    return {
        "date": f"{began:%Y-%m-%d}",
        "scale": arguments.scale,
        "rows": bench.rows,
        "workers": arguments.workers,
        "rounds": arguments.rounds,
        "machine": {
            "cpus": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "load_average_at_the_end": round(psutil.getloadavg()[0], 1),
        },
        "absent": [] if arguments.alone else peers.absent(),
        "rows_not_importable": bench.not_importable,
        "table": list(rows(watch.measures)),
        "measures": plain(watch.measures),
    }


def bench_source(settings: Settings) -> Url:
    """The URL of the source that is seeded."""
    assert settings.postgres_url is not None, "the benchmark's servers are up"
    return settings.postgres_url


def _heading(result: dict[str, object]) -> str:
    machine = result["machine"]
    assert isinstance(machine, dict)
    return (
        f"{result['date']}: scale {result['scale']:g}, {result['rows']:,} rows; "
        f"{result['workers']} workers, {result['rounds']} rounds; {machine['cpus']} CPUs, "
        f"{machine['memory_gib']} GiB, {machine['machine']}, Python {machine['python']}. "
        f"{_absent(result['absent'])}"
    )


def _absent(tools: object) -> str:
    """Which peers were not measured, since they are not on this machine."""
    assert isinstance(tools, list)
    return f"Not on this machine, so not measured: {', '.join(tools)}." if tools else ""


@dataclass
class Bench:
    """Rounds on one seeded source; peers run in a process of their own, whose memory is theirs."""

    settings: Settings
    watch: Stopwatch
    scratch: Path
    peers_process: Executor | None
    rows: int = 0
    not_importable: int = 0
    workspace: Workspace = field(init=False)

    def __post_init__(self) -> None:
        """Introduce the stores."""
        self.objects = S3Objects.of(self.settings)
        self.documents = MongoDocuments.of(self.settings)
        self.source = PostgresSource.of(self.settings)
        self.model = load_model(self.settings.model)

    @contextmanager
    def _workers(self) -> Iterator[None]:
        """Fresh workers, as a run has them; their start is not a stage's."""
        with worker_pool(self.settings.workers) as workers:
            self.workspace = Workspace(workers, self.scratch)
            list(workers.map(abs, range(4 * self.settings.workers)))
            yield

    def round(self, number: int, version: Version) -> None:
        """One version, each stage with its peers after it."""
        with self._workers():
            self._round(number, version)

    def _round(self, number: int, version: Version) -> None:
        folder = self.scratch / f"round-{number}"
        folder.mkdir()
        self._ours(number, "export", lambda: self._exported(version))
        self._pg_dumps(number, folder)
        self._ours(number, "transform", lambda: self._transformed(version))
        self._ours(number, "load", lambda: self._loaded(version))
        self._total(number, "transform + load", ("transform", "load"))
        self._inserts(number, version, folder)
        self._ours(number, "dump", lambda: self._dumped(version))
        self._finds(number, version, folder)
        self._ours(number, "complete", lambda: self._completed(version))
        self._total(number, "partition", STAGES)
        self._restores(number, version, folder)
        shutil.rmtree(folder)

    def _ours(self, number: int, stage: str, work: Callable[[], int]) -> None:
        self.watch.run(stage, OURS, number, work)

    def _theirs(self, number: int, stage: str, tool: str, work: Callable[[], int]) -> None:
        if (process := self.peers_process) is not None:
            self.watch.run(stage, tool, number, lambda: process.submit(work).result())

    def _mongodb_tool(self, number: int, stage: str, tool: str, work: Callable[[], int]) -> None:
        """Run a tool of MongoDB's where it is on the PATH."""
        if shutil.which(peers.program(tool)):
            self._theirs(number, stage, tool, work)

    def _total(self, number: int, stage: str, parts: tuple[str, ...]) -> None:
        self.watch.total(stage, number, [(part, OURS) for part in parts], OURS)

    def _exported(self, version: Version) -> int:
        made = export(self.source, self.objects, self.workspace, version).manifest
        self.rows = made.rows
        return made.bytes

    def _transformed(self, version: Version) -> int:
        made = transform(self.objects, self.workspace, version, self.model)
        return made.manifest.bytes

    def _loaded(self, version: Version) -> int:
        made = load(self.objects, self.documents, self.workspace, version)
        return sum(made.bytes.values())

    def _dumped(self, version: Version) -> int:
        made = dump(self.objects, self.documents, self.workspace, version)
        return made.manifest.bytes

    def _completed(self, version: Version) -> int:
        facts = RunFacts("postgres", None, "testing", "benchmark", {})
        complete(Stores(self.objects, self.documents), self.workspace, version, facts)
        write_local_registry(self.objects, self.scratch / "mongodb-versions.json")
        return 0

    def _restored(self, version: Version) -> int:
        target = PostgresTarget.of(self.settings)
        restore_postgres(
            self.objects,
            target,
            self.workspace,
            version,
            RestoreOptions(database="bench", replace=True),
        )
        return 0

    def _pg_dumps(self, number: int, folder: Path) -> None:
        """Each uploaded; the one with the usual compression is for the partition."""
        jobs = f"-j{self.settings.workers}"
        self._theirs(
            number,
            "export",
            "pg_dump -Fd -j2 -Z gzip:1, uploaded",
            partial(
                peers.pg_dump_up, self.settings, folder / "gzip-1", "-Fd", jobs, "-Z", "gzip:1"
            ),
        )
        self._theirs(
            number,
            "export",
            "pg_dump -Fc, uploaded",
            partial(peers.pg_dump_up, self.settings, folder / "custom", "-Fc"),
        )
        self._theirs(
            number,
            "native partition",
            "pg_dump -Fd -j2 -Z gzip:6, uploaded",
            partial(
                peers.pg_dump_up, self.settings, folder / "gzip-6", "-Fd", jobs, "-Z", "gzip:6"
            ),
        )
        if self.peers_process is not None:
            peers.emptied(self.settings)

    def _inserts(self, number: int, version: Version, folder: Path) -> None:
        """MongoDB's tools, and plain pymongo."""
        if self.peers_process is None:
            return
        url = self._mongodb()
        rows_folder = self._unpacked(version, "raw", folder)
        self._compresses(number, rows_folder)
        bson_folder = self._unpacked(version, "transformed", folder) / AS_DESCRIBED.in_mongodb(
            version
        )
        self.not_importable = peers.importable(rows_folder, folder / "importable")
        self._mongodb_tool(
            number,
            "transform + load",
            peers.IMPORT,
            partial(peers.mongoimport, url, folder / "importable", "peer_import"),
        )
        self._theirs(
            number,
            "transform + load",
            "json.loads, insert_many: no transform",
            partial(peers.insert_documents, url, "peer_json", rows_folder),
        )
        self._mongodb_tool(
            number,
            "load",
            peers.RESTORE,
            partial(peers.mongorestore, url, bson_folder, "peer_restore"),
        )
        self._theirs(
            number,
            "load",
            "insert_many of the same BSON: no index, no check",
            partial(peers.insert_many, url, "peer_bson", sorted(bson_folder.glob("*.bson"))),
        )
        peers.dropped(url, "peer_import", "peer_json", "peer_restore", "peer_bson")

    def _compresses(self, number: int, folder: Path) -> None:
        """The largest table, packed as the archive's blocks are, beside programs that pack."""
        largest = max(folder.glob("*.ndjson"), key=lambda path: path.stat().st_size)
        self.watch.run("compress", OURS, number, lambda: peers.packed_in_blocks(largest))
        for tool in ("gzip -6", "pigz -6", "zstd -3 -T2"):
            if shutil.which(tool.partition(" ")[0]):
                self._theirs(number, "compress", tool, partial(peers.packed, tool, largest))

    def _finds(self, number: int, version: Version, folder: Path) -> None:
        """mongodump, and a loop over find; then the native partition where all its tools are."""
        if self.peers_process is None:
            return
        url = self._mongodb()
        database = AS_DESCRIBED.in_mongodb(version)
        self._mongodb_tool(
            number,
            "dump",
            peers.DUMP,
            partial(peers.mongodump, url, database, folder / "dump.gz"),
        )
        self._theirs(
            number,
            "dump",
            "find, bson.encode, gzip",
            partial(peers.find_loop, url, database, folder / "found"),
        )
        if peers.absent():
            return
        parts = (
            ("native partition", "pg_dump -Fd -j2 -Z gzip:6, uploaded"),
            ("transform + load", peers.IMPORT),
            ("dump", peers.DUMP),
        )
        self.watch.total("partition", number, parts, "pg_dump gzip:6, mongoimport, mongodump")

    def _restores(self, number: int, version: Version, folder: Path) -> None:
        self._theirs(
            number,
            "restore, verified",
            "pg_restore -j2",
            partial(peers.pg_restore, self.settings, folder / "gzip-1", "peer"),
        )
        self._ours(number, "restore, verified", lambda: self._restored(version))

    def _mongodb(self) -> str:
        assert self.settings.mongodb_url is not None, "the benchmark's servers are up"
        return self.settings.mongodb_url.reveal()

    def _unpacked(self, version: Version, kind: Kind, folder: Path) -> Path:
        path = folder / f"{kind}.tar.gz"
        with path.open("wb") as file:
            file.writelines(stream(self.objects.open(archive_key(kind, version))))
        with tarfile.open(path) as archive:
            archive.extractall(folder / kind, filter="data")
        path.unlink()
        return folder / kind / str(version)

    def through_dagster(self) -> None:
        """The same partition by ``mediatool export``: Dagster, its events, checks and reports."""
        command = [sys.executable, "-m", "mediatool_assets.main", "export"]
        self.watch.ignore(os.getpid())  # the benchmark itself is no part of it
        self.watch.run(
            "mediatool export",
            OURS,
            0,
            lambda: subprocess.run(command, check=True, capture_output=True).returncode,
        )

    def comparison(self, arguments: argparse.Namespace, first: Version, second: Version) -> None:
        """A day of edits, exported and compared; beside it two COPY exports and a full join."""
        source, schema = bench_source(self.settings), self.settings.postgres_schema
        url = source.reveal()
        tables = yardstick.tables_of(url, schema)
        one, two = self.scratch / "csv-0", self.scratch / "csv-1"
        tool = "two COPY exports, DuckDB full join"

        copied = partial(yardstick.copied, url, schema, tables, workers=self.settings.workers)
        self._theirs(0, "csv", "day 0", partial(copied, folder=one))
        seed(source, scale=arguments.scale, full=False, day=1)
        self._theirs(0, "csv", "day 1", partial(copied, folder=two))
        copies = self.watch.seconds("csv", "day 0", 0) + self.watch.seconds("csv", "day 1", 0)
        joined = partial(yardstick.joined, tables, one, two, self.settings.workers)
        with self._workers():
            export(self.source, self.objects, self.workspace, second)
        for number in range(arguments.rounds):
            with self._workers():
                self._ours(number, "compare", lambda: self._compared(first, second))
            self._theirs(number, "csv join", tool, joined)
            seconds = copies + self.watch.seconds("csv join", tool, number)
            self.watch.add(Measure("compare", tool, number, seconds))

    def _compared(self, first: Version, second: Version) -> int:
        one, two = (self.objects.open(archive_key("raw", v)) for v in (first, second))
        compare((one, two), self.workspace)
        return 0


if __name__ == "__main__":
    main()
