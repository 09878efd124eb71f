"""Queries over a range of versions, beside fetching the archives and DuckDB's own JSON reader.

    .venv/bin/python benchmarks/queries.py --scale 1 --versions 10

Exports a day of edits after another, then measures each question as a user asks it: a command in a
process of its own; seconds from its start to its end, bytes read from S3, peak memory. The peer
fetches whole archives with `mediatool fetch`, unpacks them with tar, and asks the same of the files
with DuckDB's `read_json`; its second query finds them unpacked. Writes ``benchmarks/results/``.

A home that is given with ``--home`` is kept, with the versions in it, and measured again as it is.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import msgspec
import psutil
from history import small_version

from mediatool_assets.archive.reader import sha256_of
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key, metadata_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.stores.local_stack import Stack, down, up
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace

RESULTS = Path(__file__).parent / "results"
FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
COMMAND = Path(__file__).parent / "counting.py"

FETCH = "peer: fetch and tar -x"
ENTITY = "1"
COUNT = "SELECT version, stage, count(*) FROM campaigns GROUP BY ALL ORDER BY ALL"
PEER_COUNT = "SELECT filename, stage, count(*) FROM {campaigns} GROUP BY ALL ORDER BY ALL"
PEER_HISTORY = f"FROM {{media_platform_entities}} WHERE id = {ENTITY} ORDER BY filename"


@dataclass(frozen=True)
class Step:
    """What one step took; ``cpu_seconds`` is its processor time, without that of S3's server."""

    step: str
    seconds: float
    cpu_seconds: float
    s3_mb: float
    peak_mib: int


@dataclass(frozen=True)
class Commands:
    """Runs commands against the servers, one at a time; caches and files are in ``folder``."""

    environment: dict[str, str]
    folder: Path

    def measure(self, step: str, *arguments: str) -> Step:
        """A command of ``mediatool``, or ``--duckdb`` and a query."""
        counted = self.folder / "counted"
        found = self.run(step, sys.executable, str(COMMAND), str(counted), *arguments)
        read, kib, _ = map(int, counted.read_text().split())
        return replace(found, s3_mb=round(read / 1e6, 1), peak_mib=round(kib / 1024))

    def run(self, step: str, *command: str) -> Step:
        """Any process; its memory is not measured."""
        began = perf_counter()
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = perf_counter() - began
        if process.returncode:
            raise SystemExit(f"{step}: exit code {process.returncode}")
        return Step(step, round(seconds, 2), round(used.ru_utime + used.ru_stime, 2), 0, 0)


def main() -> None:
    """Start the servers, make the versions, measure, and remove everything."""
    parser = argparse.ArgumentParser(description="queries over a range of versions")
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--home", type=Path, help="kept, with the versions that it has")
    arguments = parser.parse_args()
    with home_of(arguments.home) as home:
        found = run(up(home), arguments.scale, arguments.versions)
    RESULTS.mkdir(exist_ok=True)
    name = f"queries-scale-{arguments.scale:g}-versions-{arguments.versions}"
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


@contextmanager
def home_of(kept: Path | None) -> Iterator[Path]:
    """A new home, which is removed at the end, or one that is kept; its servers are stopped."""
    home = kept or Path(tempfile.mkdtemp(prefix="mediatool-benchmark-"))
    try:
        yield home
    finally:
        down(home)
        if kept is None:
            shutil.rmtree(home)


def run(stack: Stack, scale: float, versions: int) -> dict[str, object]:
    """What each step took; and how much faster the second count is than the peer."""
    os.environ.update(stack.environment)
    wanted = [Version(FIRST + timedelta(days=day)) for day in range(versions)]
    size = make(Settings.parse(stack.environment), wanted, scale)
    with tempfile.TemporaryDirectory(prefix="mediatool-queries-") as folder:
        home = {"MEDIATOOL_HOME": folder, "MEDIATOOL_CACHE_BYTES": str(10 << 30)}
        steps = list(measured(Commands({**os.environ, **home}, Path(folder)), wanted))
    seconds = {each.step: each.seconds for each in steps}
    peer = seconds[FETCH] + seconds["peer: count by stage"]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "scale": scale,
        "versions": versions,
        "archives_mb": round(size / 1e6, 1),
        "load_average_at_the_end": round(psutil.getloadavg()[0], 1),
        "steps": [asdict(each) for each in steps],
        "second_count_times_faster": round(peer / seconds["count by stage, second time"], 1),
    }


def make(settings: Settings, wanted: Sequence[Version], scale: float) -> int:
    """Export the versions that are not there yet; returns the bytes of all archives.

    Their metadata is that of a small version that is whole, with their own archive's digest.
    """
    objects, source = S3Objects.of(settings), PostgresSource.of(settings)
    assert settings.postgres_url is not None, "the benchmark's servers are up"
    missing = sorted(set(wanted) - set(catalog.versions(objects)))
    if missing:
        whole = small_version(settings, objects, Version(FIRST - timedelta(days=1)))
    with worker_pool(2) as workers, tempfile.TemporaryDirectory() as scratch:
        for version in missing:
            seed(settings.postgres_url, scale=scale, full=False, day=wanted.index(version))
            export(source, objects, Workspace(workers, Path(scratch)), version)
            digest = sha256_of(objects.open(archive_key("raw", version)))
            raw = msgspec.structs.replace(whole.exports.raw, sha256=digest)
            own = msgspec.structs.replace(
                whole,
                timestamp=str(version),
                exports=msgspec.structs.replace(whole.exports, raw=raw),
            )
            objects.put(metadata_key(version), own.to_json())
            print(f"made {version}", file=sys.stderr, flush=True)
    return sum(objects.open(archive_key("raw", version)).size for version in wanted)


def measured(commands: Commands, wanted: Sequence[Version]) -> Iterator[Step]:
    """Every step, in order."""
    span = f"{wanted[0]}..{wanted[-1]}"
    history = ("history", "media_platform_entities", ENTITY, "--versions", span)
    files = {
        table: f"read_json('{commands.folder}/*/{table}.ndjson', filename = true)"
        for table in ("campaigns", "media_platform_entities")
    }
    yield commands.measure("count by stage, first time", "sql", span, COUNT)
    yield commands.measure("count by stage, second time", "sql", span, COUNT)
    yield commands.measure("history of an entity", *history)
    yield _fetched(commands, wanted)
    yield commands.measure("peer: count by stage", "--duckdb", PEER_COUNT.format(**files))
    yield commands.measure("peer: history of an entity", "--duckdb", PEER_HISTORY.format(**files))


def _fetched(commands: Commands, wanted: Sequence[Version]) -> Step:
    """The peer's first step: whole archives, unpacked by tar."""
    steps, folder = [], str(commands.folder)
    for version in wanted:
        steps.append(commands.measure(FETCH, "fetch", str(version), "--output", folder))
        (archive,) = commands.folder.glob("*.tar.gz")
        steps.append(commands.run(FETCH, "tar", "-xzf", str(archive), "-C", folder))
        archive.unlink()
    return Step(
        FETCH,
        round(sum(each.seconds for each in steps), 2),
        round(sum(each.cpu_seconds for each in steps), 2),
        round(sum(each.s3_mb for each in steps), 1),
        max(each.peak_mib for each in steps),
    )


if __name__ == "__main__":
    main()
