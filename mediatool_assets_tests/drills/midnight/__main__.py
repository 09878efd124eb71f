"""Midnight, the year's end and a clock change inside a run: ``make drill-midnight``.

The source has a table of one row, the day on which it was read, by the clock that the commands
read. So each raw archive says itself of which day its snapshot is. What is made is judged by the
oracle of the pairs, which imports nothing of the product.
"""

import gzip
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.stores.local_stack import down, up
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.drills.midnight.shifted_clock import ShiftedClock
from mediatool_assets_tests.drills.pairs import home as pair_home
from mediatool_assets_tests.drills.pairs.oracle import judge_state
from mediatool_assets_tests.drills.pairs.state import Clients, World

PATIENCE_SECONDS = 400
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
METADATA, RAW = "postgres-exports/metadata/", "postgres-exports/raw/"


@dataclass
class Night:
    """The home, its clock, and what was found."""

    clock: ShiftedClock
    environment: dict[str, str]
    folder: Path
    clients: Clients
    problems: list[str] = field(default_factory=list)

    def begin(self, *words: str, **variables: str) -> "subprocess.Popen[str]":
        """Start a command that reads the clock."""
        return subprocess.Popen(
            [sys.executable, "-m", "mediatool_assets.main", *words],
            cwd=self.folder,
            env=self.environment | self.clock.environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *words: str,
        at: datetime,
        until: Callable[[], bool] | None = None,
        then: datetime | None = None,
        **variables: str,
    ) -> tuple[int, str, str]:
        """Run a command from ``at`` on; once ``until`` is true, its clock jumps to ``then``."""
        self.clock.set(at)
        process = self.begin(*words, **variables)
        if until is not None and then is not None:
            self.wait(until, process)
            self.clock.set(then)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out, err

    def wait(self, until: Callable[[], bool], process: "subprocess.Popen[str] | None") -> None:
        """Wait for it; a process that ends before is an error."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            if process is not None and process.poll() is not None:
                return
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.05)

    def keys(self, prefix: str) -> set[str]:
        """What the bucket has below a prefix."""
        pages = self.clients.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.clients.bucket, Prefix=prefix
        )
        return {each["Key"] for page in pages for each in page.get("Contents", [])}

    def check(self, story: str, true: bool, said: object) -> None:
        """Record what is not as it should be."""
        if not true:
            self.problems.append(f"{story}: {said}")
            told(story, f"PROBLEM: {said}")

    def made(self, story: str, before: set[str]) -> list[dict[str, Any]]:
        """The metadata of the versions since then; each is of the day of its snapshot."""
        found = []
        for key in sorted(self.keys(METADATA) - before):
            body = self.clients.s3.get_object(Bucket=self.clients.bucket, Key=key)["Body"]
            metadata = json.loads(body.read())
            found.append(metadata)
            if metadata["source"]["type"] == "rds":
                continue
            version, day = metadata["timestamp"], metadata["export_date"]
            read = self._read_on(metadata["exports"]["raw"]["path"].split("/", 3)[3])
            self.check(story, version[:8] == read.replace("-", ""), f"{version} was read on {read}")
            self.check(story, day == read, f"{version} is filed under {day}, and read on {read}")
            ended = metadata["export_complete"][:10]
            self.check(story, ended >= day, f"{version} of {day} ended on {ended}")
            self.check(
                story,  # the longest jump of a story is 35 minutes, a clock change an hour
                all(0 <= seconds < 3000 for seconds in metadata["seconds"].values()),
                f"{version} took {metadata['seconds']}",
            )
        return found

    def _read_on(self, key: str) -> str:
        data = self.clients.s3.get_object(Bucket=self.clients.bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            name = next(n for n in archive.getnames() if n.endswith("/clock.ndjson"))
            file = archive.extractfile(name)
            assert file is not None
            return str(json.loads(file.read())["day"])

    def judge(self, story: str, before: World) -> None:
        """Everything that is there, by the oracle of the pairs."""
        after = self.clients.world(None)
        self.problems += [f"{story}: {problem}" for problem in judge_state(before, after)]


@contextmanager
def ticking(night: Night) -> Iterator[None]:
    """The source's row has the day of the clock, as exactly as a thread can write it."""
    end = threading.Event()

    def tick() -> None:
        with psycopg.connect(night.environment["MEDIATOOL_POSTGRES_URL"], autocommit=True) as own:
            written = None
            while not end.wait(0.02):
                today = night.clock.now().date()
                if today != written:
                    own.execute("UPDATE media_tool.clock SET day = %s", [today])
                    written = today

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def nights(night: Night) -> None:
    """An export over midnight: begun from 40 s before it until 1 s before it."""
    for midnight in (TODAY + DAY, datetime(TODAY.year + 1, 1, 1, tzinfo=UTC)):
        for seconds in (20, 10, 5, 1):
            story = f"an export begun {seconds} s before {midnight:%Y-%m-%d}"
            world, before = night.clients.world(None), night.keys(METADATA)
            code, out, err = night.run("export", at=midnight - timedelta(seconds=seconds))
            made = night.made(story, before)
            night.check(story, code == 0 and len(made) == 1, (code, out, err))
            told(story, [m["timestamp"] for m in made])
            night.judge(story, world)
            _forget(night, made)


def jumps(night: Night) -> None:
    """Midnight comes right after the raw archive is there; the rest is made in the morning."""
    for midnight in (TODAY + DAY, datetime(TODAY.year + 1, 1, 1, tzinfo=UTC)):
        story = f"midnight of {midnight:%Y-%m-%d} after the raw archive"
        world, before = night.clients.world(None), night.keys(METADATA)
        raw = night.keys(RAW)
        code, out, err = night.run(
            "export",
            "--notes",
            "late",
            at=midnight - timedelta(minutes=10),
            until=lambda raw=raw: night.keys(RAW) > raw,  # type: ignore[misc]
            then=midnight + timedelta(minutes=10),
        )
        made = night.made(story, before)
        night.check(story, code == 0 and len(made) == 1, (code, out, err))
        if not made:
            continue
        evening = (midnight - DAY).date().isoformat()
        reports = night.keys("comparison-reports/") - world.objects.keys()
        of_days = {key.split("/")[1] for key in reports if key.count("/") > 1}
        night.check(story, evening in of_days and f"{midnight:%Y-%m-%d}" not in of_days, reports)
        night.check(story, made[0]["purpose"] == "testing", made[0]["purpose"])
        version = made[0]["timestamp"]
        code, out, err = night.run("latest", at=midnight + timedelta(minutes=20))
        night.check(story, out.strip() == version, (out, err))
        code, out, err = night.run("verify", version, at=midnight + timedelta(minutes=20))
        night.check(story, code == 0, (out, err))
        verdicts = night.keys(f"postgres-exports/verdicts/{evening}/{version}-")
        night.check(story, len(verdicts) == 1, verdicts)
        told(story, version)
        night.judge(story, world)
        _forget(night, made)


def clock_changes(night: Night) -> None:
    """The local hour between 1 and 3 comes twice or not at all while an export runs."""
    changes = {
        "America/New_York": datetime(2026, 11, 1, 6, tzinfo=UTC),
        "Europe/Berlin": datetime(2027, 3, 28, 1, tzinfo=UTC),
        "Australia/Lord_Howe": datetime(2027, 4, 3, 15, tzinfo=UTC),
        "Pacific/Auckland": datetime(2027, 4, 3, 14, tzinfo=UTC),
    }
    for zone, moment in changes.items():
        story = f"the clock change of {zone}"
        world, before = night.clients.world(None), night.keys(METADATA)
        code, out, err = night.run(
            "export", at=moment - timedelta(seconds=6), TZ=zone, MEDIATOOL_SCHEDULE_TIME_ZONE=zone
        )
        made = night.made(story, before)
        night.check(story, code == 0 and len(made) == 1, (code, out, err))
        for one in made:
            begun = datetime.strptime(one["timestamp"] + "Z", "%Y%m%d-%H%M%S%z")
            late = abs((begun - moment).total_seconds())
            night.check(story, late < PATIENCE_SECONDS, f"{one['timestamp']} began at {moment}")
        told(story, [m["timestamp"] for m in made])
        night.judge(story, world)
        _forget(night, made)


def verifications(night: Night) -> None:
    """A version is verified by a sample while midnight passes; the verdict is of one moment."""
    midnight = TODAY + DAY
    before = night.keys(METADATA)
    code, _, err = night.run("export", at=midnight - timedelta(hours=2))
    made = night.made("verify", before)
    night.check("verify", code == 0, err)
    version = made[0]["timestamp"]
    for seconds in (8, 4, 2, 1):
        story = f"verify begun {seconds} s before midnight"
        code, out, err = night.run(
            "verify", version, "--json", at=midnight - timedelta(seconds=seconds)
        )
        verdict = json.loads(out)
        night.check(story, code == 0 and verdict["verdict"] == "passed", (code, out, err))
        night.check(story, 0 <= verdict["seconds"] < PATIENCE_SECONDS, verdict["seconds"])
        told(story, verdict["at"])
    keys = night.keys(f"postgres-exports/verdicts/{made[0]['export_date']}/{version}-")
    night.check("verify", len(keys) == 4, keys)
    code, out, err = night.run("show", version, at=midnight + timedelta(hours=1))
    night.check("verify", code == 0 and "passed" in out, out)
    _forget(night, made)


def backfills(night: Night) -> None:
    """A range of days that ends with today, and today is over before its turn comes."""
    midnight = TODAY + DAY
    objects = S3Objects.of(Settings.parse(night.environment), is_maker=True)
    yesterday = TODAY - DAY
    url = Url(night.environment["MEDIATOOL_POSTGRES_URL"])
    export_as_rds(url, objects.put, Version(yesterday + timedelta(hours=3)))
    story = "a backfill of yesterday and today over midnight"
    world, before, raw = night.clients.world(None), night.keys(METADATA), night.keys(RAW)
    code, out, err = night.run(
        "export",
        "--date",
        f"{yesterday:%Y-%m-%d}..{TODAY:%Y-%m-%d}",
        at=midnight - timedelta(minutes=10),
        until=lambda: night.keys(RAW) > raw,
        then=midnight + timedelta(minutes=10),
    )
    made = night.made(story, before)
    night.check(story, code == 1 and len(made) == 1, (code, out, err))
    night.check(story, made[0]["export_date"] == f"{yesterday:%Y-%m-%d}", made[0])
    night.check(story, f"{TODAY:%Y-%m-%d}: failed" in out, out)
    told(story, out.strip())
    night.judge(story, world)
    _forget(night, made)


def schedules(night: Night) -> None:
    """Dagster's daemon: a tick at midnight, and one whose run is still going at the next midnight.

    Dagster remembers its ticks, and makes none before the last one: the clock only goes forward.
    """
    midnight, next_midnight = TODAY + DAY, TODAY + 2 * DAY
    for story, hour, zone, tick, jump in (
        ("a tick at midnight", "0", "UTC", midnight, None),
        (
            "a scheduled run over midnight",
            "5",
            "Asia/Kolkata",
            next_midnight - timedelta(minutes=30),
            next_midnight + timedelta(minutes=5),
        ),
    ):
        world, before, raw = night.clients.world(None), night.keys(METADATA), night.keys(RAW)
        own = {"MEDIATOOL_SCHEDULE_HOUR": hour, "MEDIATOOL_SCHEDULE_TIME_ZONE": zone}
        night.clock.set(tick - timedelta(minutes=20))
        port = _port()
        process = night.begin("dev", "--port", port, **own)
        try:
            night.wait(lambda port=port: _schedules_run(port), process)  # type: ignore[misc]
            night.clock.set(tick - timedelta(seconds=5))
            night.wait(lambda raw=raw: night.keys(RAW) > raw, process)  # type: ignore[misc]
            if jump is not None:
                night.clock.set(jump)
            night.wait(lambda b=before: night.keys(METADATA) > b, process)  # type: ignore[misc]
            night.wait(
                lambda w=world: bool(night.keys("comparison-reports/") - w.objects.keys()),  # type: ignore[misc]
                process,
            )
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_SECONDS)
        made = night.made(story, before)
        night.check(story, len(made) == 1, [m["timestamp"] for m in made])
        night.check(story, made[0]["timestamp"] == f"{tick:%Y%m%d-%H%M%S}", made[0]["timestamp"])
        told(story, made[0]["timestamp"])
        night.judge(story, world)
        _forget(night, made)


_HEALTH = '{instance{daemonHealth{daemonStatus(daemonType:"SCHEDULER"){healthy}}}}'


def _schedules_run(port: str) -> bool:
    """Whether Dagster's daemon evaluates schedules."""
    request = urllib.request.Request(  # our own http URL
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": _HEALTH}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  # as above
            found = json.load(answer)["data"]["instance"]["daemonHealth"]["daemonStatus"]
    except (OSError, ValueError):
        return False
    return bool(found["healthy"])


def _port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _forget(night: Night, made: list[dict[str, Any]]) -> None:
    """Remove the databases and objects of a story, so that the next one begins as this one did."""
    golden = WORLD[0]
    now = night.clients.world(None)
    night.clients.undo(now, golden)


WORLD: list[World] = []
STORIES: Mapping[str, Callable[[Night], None]] = {
    each.__name__: each
    for each in (jumps, nights, clock_changes, verifications, backfills, schedules)
}


def told(story: str, said: object) -> None:
    """Print what a story came to."""
    print(f"{story}: {said}", flush=True)  # noqa: T201


def main() -> int:
    """Tell the stories that are named, or all; 1 if one has a problem."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are stopped
    folder = Path(tempfile.mkdtemp(prefix="mediatool-midnight-"))
    try:
        stack = up(folder)
        with pair_home.home(stack, folder, "midnight", {}) as own:
            with psycopg.connect(own["MEDIATOOL_POSTGRES_URL"]) as connection:
                connection.execute(
                    "CREATE TABLE media_tool.clock (day date NOT NULL PRIMARY KEY);"
                    "INSERT INTO media_tool.clock VALUES ('2000-01-01')"
                )
            clock = ShiftedClock(folder / "clock")
            clock.set(datetime.now(UTC))
            environment = {**os.environ, **own}
            night = Night(clock, environment, folder, Clients(own))
            WORLD.append(night.clients.world(None))
            with ticking(night):
                for name in sys.argv[1:] or STORIES:
                    STORIES[name](night)
    finally:
        down(folder)
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join([*night.problems, f"{len(night.problems)} problems"]))  # noqa: T201
    return 1 if night.problems else 0


if __name__ == "__main__":
    sys.exit(main())
