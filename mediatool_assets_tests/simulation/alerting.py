"""Alerts of the simulated runs: the product's tick, its cursor, and a channel that can be away."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from mediatool_assets.alerts.assets import AlertCursor, EventPosition, tick
from mediatool_assets.alerts.messages import Alert, Observations, OpenProblems, Problem, Success
from mediatool_assets.core.errors import Unreachable
from mediatool_assets_tests.simulation.platform import PlatformTwin, SimulatedRun
from mediatool_assets_tests.simulation.world import (
    PROCESS_FAULTS,
    Fault,
    Process,
    Violation,
    World,
    raising,
)


def _away() -> Unreachable:
    return Unreachable("the channel does not answer")


POST_FAULTS = (
    Fault("the channel does not answer", before=raising(_away)),
    Fault("posted, and the answer was lost", after=raising(_away)),
    *PROCESS_FAULTS,
)


@dataclass(eq=False)
class Alerting:
    """The alert sensor, and what it has posted."""

    platform: PlatformTwin
    cursor: bytes | None = None
    posted: list[Alert] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    """What the clock showed to the tick that posted each."""
    name: str = "channel"
    excused: int = 0
    """How many posts may come again: their answers, or the cursor after them, were lost."""
    ticking: Process | None = None
    now: datetime = datetime.min

    @property
    def _world(self) -> World:
        return self.platform.world

    def tick(self, process: Process) -> None:
        """One tick; Dagster begins none while another is at work."""
        if self.ticking is not None and not self.ticking.is_dead:
            return
        self.ticking = process
        self.now = now = self._world.now()
        if self.cursor is None:
            memory = AlertCursor(EventPosition(now, now), OpenProblems())
        else:
            memory = msgspec.json.decode(self.cursor, type=AlertCursor)
        before = len(self.posted)
        try:
            tick(memory, _News(self.platform, now), self.platform.settings(), [self])  # type: ignore[arg-type]

            def keep() -> None:
                self.cursor = msgspec.json.encode(memory)

            self._world.call("Dagster: keep the cursor", keep, PROCESS_FAULTS[:1])
        except BaseException:
            self.excused += len(self.posted) - before
            raise
        finally:
            self.ticking = None

    def post(self, alert: Alert) -> None:
        """Take it; raises Unreachable."""

        def act() -> None:
            self.posted.append(alert)
            self.moments.append(self.now)
            if alert.kind == "recovery":
                self._require_recovery(alert)
            else:
                self._require_news(alert)

        try:
            self._world.call(f"post an alert of kind {alert.kind}", act, POST_FAULTS)
        except Unreachable:
            self.excused += bool(self.posted) and self.posted[-1] is alert
            raise

    def _require_recovery(self, alert: Alert) -> None:
        """What is well again has been made since it went wrong."""
        for problem in alert.problems:
            made = [
                run
                for run in self.platform.instance.runs.values()
                if run.partition == problem.partition
                and problem.thing in run.done
                and (problem.began is None or run.created >= problem.began)
            ]
            if not made:
                raise Violation(
                    f"a recovery of {problem.thing} of {problem.partition} that did not happen"
                )

    def _require_news(self, alert: Alert) -> None:
        """The same trouble is not posted again within its window, unless it was well between."""
        window = timedelta(hours=self.platform.settings().alert_window_hours)
        pairs = list(zip(self.posted, self.moments, strict=True))[:-1]
        for earlier, moment in reversed(pairs):
            if alert.fingerprint in earlier.ends:
                return
            if earlier.fingerprint == alert.fingerprint and moment <= self.now < moment + window:
                if self.excused:
                    self.excused -= 1
                    return
                raise Violation(f"{alert.problems[0].thing} was posted twice within its window")

    def require_told(self) -> None:
        """Every run that failed was told of, or one that failed alike within the window."""
        told = {p.thing for alert in self.posted for p in alert.problems if alert.kind == "run"}
        for run in self.platform.instance.runs.values():
            if run.status == "FAILURE" and run.seen and run.step not in told:
                raise Violation(f"nobody was told that {run.step} of {run.run_id} failed")


@dataclass(frozen=True)
class _News:
    """What the instance has of runs; those of dead processes have failed."""

    platform: PlatformTwin
    now: datetime

    def news(self, position: EventPosition) -> Iterator[Observations]:
        """The runs that have ended, and were not read."""
        world, runs = self.platform.world, self.platform.instance.runs
        for run in runs.values():
            if run.status == "STARTED" and run.process is not None and run.process.is_dead:
                run.status, run.ended = "FAILURE", world.now()
        ended = [r for r in runs.values() if r.ended is not None and r.run_id not in position.seen]
        for run in sorted(ended, key=lambda run: (run.ended, run.run_id)):
            position.seen[run.run_id] = self.now
            run.seen = True
            yield self._of(run)

    def _of(self, run: SimulatedRun) -> Observations:
        well = tuple(Success("run", thing, run.partition, run.created) for thing in run.done)
        problems = (
            ()
            if run.status == "SUCCESS"
            else (
                Problem(
                    "run", run.step, "it failed", partition=run.partition, began=run.ended,
                    cause=run.error,
                ),
            )
        )  # fmt: skip
        return Observations(
            run.ended or self.now, problems, well, partition=run.partition, run_id=run.run_id
        )
