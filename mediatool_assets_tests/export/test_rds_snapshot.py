"""A snapshot exported by AWS: begun once, followed to its end, and its reasons passed on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest

from mediatool_assets.core.errors import BadSource, NotFound
from mediatool_assets.core.version import Version
from mediatool_assets.export.rds import SnapshotExporter
from mediatool_assets_tests.moto_server import QUIET
from mediatool_assets_tests.rds_twin import INSTANCE, RdsTwin, rds_twin

pytestmark = QUIET

VERSION = Version(datetime(2026, 1, 2, 3, tzinfo=UTC))
SNAPSHOT, TASK = "manual-export-20260102-030000", "export-20260102-030000"
DAY = date(2026, 1, 2)


@pytest.fixture
def twin() -> Iterator[RdsTwin]:
    """An account of moto's."""
    with rds_twin() as twin:
        yield twin


@dataclass
class Time:
    """What happens at AWS between two looks, in order; and what was told of the progress."""

    happens: list[Callable[[], None]]
    told: list[tuple[str, int, int]] = field(default_factory=list)

    def __call__(self) -> None:
        """Let the next thing happen; there is none left only where too many looks are taken."""
        self.happens.pop(0)()

    def progress(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """Keep it."""
        assert unit == "percent"
        self.told.append((step, done, total))


def _work(twin: RdsTwin, *happens: Callable[[], None]) -> tuple[SnapshotExporter, Time]:
    time = Time(list(happens))
    return SnapshotExporter(twin.instance(), time, time.progress), time


def _begun(twin: RdsTwin, **task: object) -> None:
    """A snapshot and its task are there already, the task in that state."""
    rds = twin.instance()
    rds.start(TASK, rds.take(SNAPSHOT), "postgres-exports/rds-exports/2026-01-02")
    twin.set_task(TASK, **task)


def test_of_now(twin: RdsTwin) -> None:
    """With nothing to wait for, a snapshot and a task of the version's names."""
    work, time = _work(twin)
    assert work.of_now(VERSION).status == "COMPLETE"
    assert (twin.snapshots(), twin.tasks(), time.told) == ([SNAPSHOT], [TASK], [])


def test_a_snapshot_that_comes_is_waited_for(twin: RdsTwin) -> None:
    """How far it is, is told at each look; it is exported when it is there."""
    twin.instance().take(SNAPSHOT)
    twin.set_snapshot(SNAPSHOT, status="creating", percent_progress=10)
    work, time = _work(
        twin,
        lambda: twin.set_snapshot(SNAPSHOT, percent_progress=60),
        lambda: twin.set_snapshot(SNAPSHOT, status="available"),
    )
    assert work.of_now(VERSION).status == "COMPLETE"
    assert time.told == [("snapshot", 10, 100), ("snapshot", 60, 100)]
    assert time.happens == []


def test_a_task_that_works_is_followed(twin: RdsTwin) -> None:
    """Starting, under way, complete."""
    _begun(twin, status="STARTING")
    work, time = _work(
        twin,
        lambda: twin.set_task(TASK, status="IN_PROGRESS", percent_progress=40),
        lambda: twin.set_task(TASK, status="COMPLETE", percent_progress=100),
    )
    assert work.of_now(VERSION).percent == 100
    assert time.told == [("rds_export", 0, 100), ("rds_export", 40, 100)]
    assert twin.tasks() == [TASK]


@pytest.mark.parametrize("when", ["snapshot", "task"])
def test_who_was_stopped_goes_on_where_it_was(twin: RdsTwin, when: str) -> None:
    """After an interrupt while it waited, the same snapshot and the same task, and no second."""

    def stop() -> None:
        raise KeyboardInterrupt

    _begun(twin, status="IN_PROGRESS")
    if when == "snapshot":
        twin.set_snapshot(SNAPSHOT, status="creating")
    work, _ = _work(twin, stop)
    with pytest.raises(KeyboardInterrupt):
        work.of_now(VERSION)
    twin.set_snapshot(SNAPSHOT, status="available")
    twin.set_task(TASK, status="COMPLETE")
    again, _ = _work(twin)
    assert again.of_now(VERSION).name == TASK
    assert (twin.snapshots(), twin.tasks()) == ([SNAPSHOT], [TASK])


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
def test_a_task_that_fails_says_why(twin: RdsTwin, status: str) -> None:
    """In AWS's own words; the next attempt has a name of its own, since AWS gives none twice."""
    _begun(twin, status="IN_PROGRESS")
    reason = "The KMS key is disabled."
    work, _ = _work(twin, lambda: twin.set_task(TASK, status=status, failure_cause=reason))
    with pytest.raises(BadSource, match=rf"{TASK} is {status}: {reason}; correct that"):
        work.of_now(VERSION)
    again, _ = _work(twin)
    assert again.of_now(VERSION).name == f"{TASK}-2"
    assert twin.snapshots() == [SNAPSHOT]


def test_a_snapshot_that_fails(twin: RdsTwin) -> None:
    """Its state is named."""
    twin.instance().take(SNAPSHOT)
    twin.set_snapshot(SNAPSHOT, status="failed")
    work, _ = _work(twin)
    with pytest.raises(BadSource, match=f"{SNAPSHOT} is failed, not available"):
        work.of_now(VERSION)


def test_a_snapshot_that_was_deleted_meanwhile(twin: RdsTwin) -> None:
    """It is not waited for for ever."""
    twin.instance().take(SNAPSHOT)
    twin.set_snapshot(SNAPSHOT, status="creating")
    work, _ = _work(
        twin, lambda: twin.client.delete_db_snapshot(DBSnapshotIdentifier=SNAPSHOT) and None
    )
    with pytest.raises(BadSource, match=f"{SNAPSHOT} was deleted during the export"):
        work.of_now(VERSION)


def test_a_past_day_has_its_last_automated_snapshot(twin: RdsTwin) -> None:
    """The snapshot's time is the version; nothing new is taken of a day that is over."""
    for hour in (4, 5):
        twin.automated(datetime(2026, 1, 2, hour, 30, 1, 250_000, tzinfo=UTC))
    work, _ = _work(twin)
    version, snapshot = work.chosen(DAY)
    assert (str(version), snapshot.name) == (
        "20260102-053001",
        f"rds:{INSTANCE}-2026-01-02-05-30",
    )
    assert work.export(version, snapshot).name == "export-20260102-053001"
    wanted = Version.parse("20260102-043001")
    assert work.chosen(DAY, wanted)[0] == wanted


@pytest.mark.parametrize("wanted", [None, VERSION])
def test_a_run_that_goes_on_after_midnight(twin: RdsTwin, wanted: Version | None) -> None:
    """Its own snapshot is the day's, under its version, and no other is taken."""
    twin.instance().take(SNAPSHOT)
    twin.set_snapshot(SNAPSHOT, created=datetime(2026, 1, 2, 3, 0, 20, tzinfo=UTC))
    work, _ = _work(twin)
    version, snapshot = work.chosen(DAY, wanted)
    assert (version, snapshot.name) == (VERSION, SNAPSHOT)
    assert work.export(version, snapshot).name == TASK
    assert twin.snapshots() == [SNAPSHOT]


@pytest.mark.parametrize("wanted", [None, VERSION])
def test_a_day_without_snapshots(twin: RdsTwin, wanted: Version | None) -> None:
    """One line says so."""
    work, _ = _work(twin)
    with pytest.raises(NotFound, match="RDS has no automated snapshot of") as raised:
        work.chosen(DAY, wanted)
    assert "\n" not in str(raised.value)
