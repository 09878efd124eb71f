"""Days of a platform, from a seed: who does what when, and the story of what became of it."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from mediatool_assets.core.bucket import TESTING
from mediatool_assets.core.errors import DamagedInput, MediatoolError, Misuse, NotFound, Refused
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.version import Version
from mediatool_assets.export import assets as raw
from mediatool_assets.load import assets as mongodb
from mediatool_assets.load.flow import DocumentKind, LoadOptions, dump, load
from mediatool_assets.orchestration.runs import NOTES_TAG, PURPOSE_TAG, RunVersion
from mediatool_assets.prune.flow import carry_out, plan
from mediatool_assets.prune.rules import Policy
from mediatool_assets.query.handles import archive_of
from mediatool_assets.stores.ports import Pruning, Stores
from mediatool_assets.transform.flow import transform
from mediatool_assets.verify import assets as publication
from mediatool_assets.verify.flow import verify
from mediatool_assets.versions import catalog
from mediatool_assets.versions import flow as marking
from mediatool_assets.versions.flow import fetch
from mediatool_assets_tests.simulation.alerting import Alerting
from mediatool_assets_tests.simulation.invariants import Watch, keys_of, version_of
from mediatool_assets_tests.simulation.platform import (
    Declared,
    PlatformTwin,
    SimulatedRun,
    inside,
)
from mediatool_assets_tests.simulation.world import History, Process, Violation, World

STARTS = (
    datetime(2025, 6, 20, tzinfo=UTC),
    datetime(2025, 12, 29, tzinfo=UTC),  # the year ends
    datetime(2024, 2, 27, tzinfo=UTC),  # a leap day
    datetime(2025, 3, 29, tzinfo=UTC),  # summer time begins in Europe
    datetime(2025, 10, 25, tzinfo=UTC),  # and ends
)
POLICY = Policy(daily=2, weekly=1, monthly=0, yearly=0, testing_days=2, sanitized_days=2)
RULE_DAYS = 2
"""After how many days the bucket's rule deletes test versions, as the policy does."""

STEPS = ("export", "transform", "load", "dump", "publish")
PAUSES = (2.0, 6.0)


@dataclass(eq=False)
class Days:
    """One history: a platform, its users, and what they do."""

    history: History
    folder: Path
    world: World = field(init=False)
    platform: PlatformTwin = field(init=False)
    watch: Watch = field(init=False)
    days: int = 0

    def __post_init__(self) -> None:
        """Draw the days."""
        self.world = World(self.history, Random(self.history.seed).choice(STARTS))
        self.platform = PlatformTwin(self.world, self.folder)
        self.watch = Watch(self.platform)
        self.alerting = Alerting(self.platform)
        self.model = load_model(self.folder / "model.yaml")
        self._draw()

    def run(self) -> None:
        """Let them pass; raises Violation."""
        with inside(self.world):
            self.world.run()

    # --- who does what when -----------------------------------------------------------------------

    def _draw(self) -> None:
        random, start = self.world.random, self.world.time
        self.days = random.randint(2, 6)
        for day in range(self.days):
            midnight = start + timedelta(days=day)
            self._at(midnight + timedelta(hours=2), "nightly run", self.night)
            if random.random() < 0.7:
                self._at(midnight + timedelta(hours=6), "prune", self.prune)
            self._at(midnight + timedelta(hours=1), "lifecycle rules", self.expire)
            for hour in (0, 3, 4, 9, 15):
                self._at(midnight + timedelta(hours=hour), "alert sensor", self.alerting.tick)
            if random.random() < 0.15:
                late = midnight + timedelta(days=1, seconds=-random.choice((1, 20, 100)))
                self._at(late, "on-demand run", self.on_demand)
            for _ in range(random.randrange(8)):
                self._at(self._some_time(midnight), "a writer", self.write)
            for _ in range(random.randrange(7)):
                name, work = random.choice(self._others())
                self._at(self._some_time(midnight), name, work)
        end = start + timedelta(days=self.days + 1)
        self._at(end, "the last run", self.last)

    def _some_time(self, midnight: datetime) -> datetime:
        """Often where something else is under way: around 02:00, 06:00 and midnight."""
        random = self.world.random
        near = random.choice((2.0, 2.0, 6.0, 24.0, random.random() * 24))
        return midnight + timedelta(hours=near, seconds=random.gauss(0, 200))

    def _others(self) -> list[tuple[str, Callable[[Process], object]]]:
        return [
            ("on-demand run", self.on_demand),
            ("on-demand run", self.on_demand),
            ("test run", self.test_run),
            ("backfill", self.backfill),
            ("retry", self.retry),
            ("prune", self.prune),
            ("promote", self.promote),
            ("promote", self.promote),
            ("rollback", self.rollback),
            ("keep", self.keep),
            ("keep", self.keep),
            ("unkeep", self.unkeep),
            ("annotate", self.annotate),
            ("verify", self.verify),
            ("verify", self.verify),
            ("restore", self.restore),
            ("fetch", self.fetch),
            ("reader", self.read),
            ("mongod crashes", self.crash),
            ("the clock jumps", self.jump),
            ("schema change", self.alter),
            ("edit in MongoDB", self.edit),
            ("decay in the bucket", self.decay),
        ]

    def _at(self, when: datetime, name: str, work: Callable[[Process], object]) -> None:
        self.world.at(when, name, work)

    def _dice(self, process: Process) -> Random:
        return Random(self.history.seed * 31 + process.number)

    # --- runs -------------------------------------------------------------------------------------

    def night(self, process: Process) -> None:
        """The schedule's run of today."""
        self._run(process, self._new_run(process, self.world.now().date().isoformat(), {}))

    def on_demand(self, process: Process) -> None:
        """Somebody's, of today."""
        self.night(process)

    def test_run(self, process: Process) -> None:
        """One made for testing."""
        tags = {PURPOSE_TAG: "testing", NOTES_TAG: "a test"}
        self._run(process, self._new_run(process, self.world.now().date().isoformat(), tags))

    def backfill(self, process: Process) -> None:
        """The run of a past day."""
        day = self.world.now().date() - timedelta(days=self._dice(process).randint(1, 3))
        self._run(process, self._new_run(process, day.isoformat(), {}))

    def retry(self, process: Process) -> None:
        """The last failed run, once more: what it has made is taken."""
        runs = self.platform.instance.runs.values()
        failed = [r for r in runs if r.status == "FAILURE" or (r.process and r.process.is_dead)]
        failed = [r for r in failed if r.status != "SUCCESS"]
        if not failed:
            return
        last = failed[-1]
        run = self._new_run(process, last.partition, dict(last.tags))
        run.root_run_id, run.parent_run_id = last.root_run_id or last.run_id, last.run_id
        self._run(process, run)

    def last(self, process: Process) -> None:
        """Whatever has happened: the next run of a day without faults makes its version."""
        self.world.stops_faults = True
        while not self.world.alone:
            self.world.sleep(600)
        self.world.skew = timedelta()
        self.night(process)
        self.watch.require_agreement()
        self.watch.require_local_copy()
        self.world.sleep(50 * 3600)  # longer than a window
        self.alerting.tick(process)
        self.alerting.require_told()

    def _new_run(self, process: Process, partition: str, tags: dict[str, str]) -> SimulatedRun:
        run_id = f"run-{process.number}"
        run = SimulatedRun(run_id, partition, self.world.now(), tags, process=process)
        self.platform.instance.runs[run_id] = run
        if not self.world.stops_faults:  # it waits in Dagster's queue
            self.world.sleep(self._dice(process).choice((0, 0, 0, 0, 60, 600, 7200)))
        return run

    def _run(self, process: Process, run: SimulatedRun) -> None:
        platform, context = self.platform, self.platform.context(run)
        config = raw.ExportRequest()
        steps: tuple[Callable[[], object], ...] = (
            lambda: self._export(context, config),
            lambda: self._transform(context),
            lambda: self._load(context),
            lambda: self._dump(context),
            lambda: publication._complete(platform, RunVersion.of(context), self._version(context)),  # type: ignore[arg-type]
        )
        try:
            for name, step in zip(STEPS, steps, strict=True):
                run.step = f"step {name}"
                self._step(step)
                run.done.append(run.step)
        except MediatoolError as error:
            run.status, run.error, run.ended = "FAILURE", type(error).__name__, self.world.now()
            raise
        run.status, run.ended = "SUCCESS", self.world.now()
        if self.world.alone and not process.met_fault:
            self.watch.require_agreement()

    def _step(self, step: Callable[[], object]) -> None:
        """One step, again where that helps."""
        for pause in (*PAUSES, None):
            try:
                step()
            except (Misuse, DamagedInput, Refused):
                raise
            except MediatoolError as error:
                if pause is None:
                    raise
                self.world.tell(f"{self.world.process}: {error}; once more")
                self.world.sleep(pause)
            else:
                return

    def _export(self, context: Any, config: raw.ExportRequest) -> None:
        platform, run = self.platform, RunVersion.of(context)
        version = run.named()
        if version is None or catalog.find(platform.bucket, "raw", version) is None:
            raw._make(context, config, platform)  # type: ignore[arg-type]

    def _version(self, context: Any) -> Version:
        return RunVersion.of(context).to_read(self.platform.bucket)

    def _transform(self, context: Any) -> None:
        version = self._version(context)
        with self.platform.workspace() as workspace:
            transform(self.platform.bucket, workspace, version, self.model)

    def _load(self, context: Any) -> None:
        archive = archive_of(self.platform.bucket, "transformed", self._version(context))
        mongodb._load(context, self.platform, archive)  # type: ignore[arg-type]

    def _dump(self, context: Any) -> None:
        version, platform = self._version(context), self.platform
        with platform.workspace() as workspace:
            dump(platform.bucket, platform.mongodb, workspace, version)

    # --- operators --------------------------------------------------------------------------------

    def prune(self, process: Process) -> None:
        """Retention, carried out."""
        platform = self.platform
        stores = Pruning(platform.bucket, platform.bucket, [platform.mongodb], Declared())  # type: ignore[arg-type]
        decisions = plan(stores, POLICY, self.world.now())
        done = carry_out(stores, decisions, platform.registry)
        for name, reason in done.failed.items():
            self.world.tell(f"{process} could not drop {name}: {reason}")
        for each in done.dropped:
            self.world.tell(f"{process} dropped the {each.kind} {each.name}: {each.reason}")

    def promote(self, process: Process) -> None:
        """A version for applications."""
        platform, now = self.platform, self.world.now()
        if (version := self._chosen(process)) is not None:
            stores = (platform.bucket, platform.mongodb)
            with self.watch.asked(version):
                marking.promote(*stores, version, platform.registry, at=now, who="ann")
            self.world.tell(f"{process} promoted {version}")

    def rollback(self, process: Process) -> None:
        """Back to what was promoted before."""
        platform, now = self.platform, self.world.now()
        marking.rollback(platform.bucket, platform.mongodb, platform.registry, at=now)
        self.world.tell(f"{process} rolled back")

    def keep(self, process: Process) -> None:
        """Pin a version."""
        platform, now = self.platform, self.world.now()
        if (version := self._chosen(process)) is not None:
            with self.watch.asked(version):
                marking.keep(platform.bucket, version, platform.registry, at=now, who="ann")
            self.world.tell(f"{process} pinned {version}")
            if str(version) not in self.watch.listed() and self.watch.still_pinned(version):
                raise Violation(f"{version} was pinned, and is not there any more")

    def unkeep(self, process: Process) -> None:
        """Take a pin away."""
        pinned = sorted(self.watch.marks().get("pinned", {}))
        if pinned:
            version = Version.parse(self._dice(process).choice(pinned))
            marking.unkeep(self.platform.bucket, version, self.platform.registry)
            self.world.tell(f"{process} unpinned {version}")

    def annotate(self, process: Process) -> None:
        """Other notes."""
        if (version := self._chosen(process)) is not None:
            notes = f"said by {process}"
            marking.annotate(self.platform.bucket, version, notes, self.platform.registry)

    def _chosen(self, process: Process) -> Version | None:
        listed = self.watch.listed()
        return Version.parse(self._dice(process).choice(listed)) if listed else None

    def verify(self, process: Process) -> None:
        """What is whole is not called damaged, and what is damaged not whole."""
        platform, version = self.platform, self._chosen(process)
        if version is None:
            return
        keys, database = keys_of(str(version)), f"mediatool_{version}"
        before = {name: keys[name] in self.watch.damaged for name in ("raw", "transformed", "dump")}
        before["mongodb"] = database in self.watch.damaged
        with platform.workspace() as workspace:
            verdict = verify(Stores(platform.bucket, platform.mongodb), workspace, version)
        for check in verdict.checks:
            key = keys.get(check.part)
            there = (
                key in platform.bucket.content if key else database in platform.mongodb.databases_
            )
            after = (key or database) in self.watch.damaged
            if check.outcome == "failed" and there and not after and key is not None:
                raise Violation(f"{version}: {check.part} is whole, and failed: {check.findings}")
            if check.outcome == "passed" and before[check.part] and after:
                raise Violation(f"{version}: {check.part} is damaged, and passed")

    def restore(self, process: Process) -> None:
        """A version's database anew."""
        platform, version = self.platform, self._chosen(process)
        if version is None:
            return
        kinds: tuple[DocumentKind, ...] = ("transformed", "dump")
        options = LoadOptions(self._dice(process).choice(kinds), replace=True)
        with platform.workspace() as workspace:
            load(platform.bucket, platform.mongodb, workspace, version, options)
        self.watch.damaged.discard(f"mediatool_{version}")

    def fetch(self, process: Process) -> None:
        """A download that is verified."""
        if (version := self._chosen(process)) is None:
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            fetch(self.platform.bucket, version, "raw", Path(folder))

    def read(self, process: Process) -> None:
        """A reader with our tools: what is offered is there."""
        del process
        bucket = self.platform.bucket
        try:
            metadata = catalog.latest(bucket)
        except NotFound:
            return
        catalog.reader(bucket, "raw", metadata.version)
        catalog.registry(bucket)

    # --- what others do ---------------------------------------------------------------------------

    def write(self, process: Process) -> None:
        """Transactions on the source."""
        dice = self._dice(process)
        for _ in range(dice.randint(1, 4)):
            self.platform.postgres.change(dice)

    def alter(self, process: Process) -> None:
        """Another schema."""
        del process
        self.platform.postgres.add_column()

    def expire(self, process: Process) -> None:
        """The bucket's rule for test versions."""
        del process
        self.platform.bucket.expire(TESTING, RULE_DAYS)

    def crash(self, process: Process) -> None:
        """mongod is killed, and started again."""
        del process
        self.platform.mongodb.crash()

    def jump(self, process: Process) -> None:
        """The clock of our host is set."""
        self.world.skew = timedelta(seconds=self._dice(process).choice((-7200, -5, 0, 5, 7200)))

    def edit(self, process: Process) -> None:
        """Somebody edits a version's database."""
        databases = self.platform.mongodb.databases_
        for name, database in sorted(databases.items(), reverse=True):
            complete = any(m.get("complete") is True for m in database.markers)
            for collection in database.collections.values():
                if complete and collection.documents:
                    collection.documents.popitem()
                    self.platform.mongodb.flush()
                    self.watch.damaged.add(name)
                    self.world.tell(f"{process}: a document of {name} is deleted")
                    return

    def decay(self, process: Process) -> None:
        """A bit of a complete version's archive flips at rest."""
        dice, content = self._dice(process), self.platform.bucket.content
        keys = sorted(
            key
            for key in content
            if key.endswith(".tar.gz") and version_of(key) in self.watch.published
        )
        if keys:
            key = dice.choice(keys)
            data = bytearray(content[key].data)
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            content[key].data = bytes(data)
            self.watch.damaged.add(key)
            self.world.tell(f"{process}: a bit of {key} flips")


def play(history: History) -> tuple[Days, BaseException | None]:
    """One history to its end; the violation, if there is one."""
    folder = Path(tempfile.mkdtemp(prefix="days-"))
    try:
        days = Days(history, folder)
        try:
            days.run()
        except Exception as error:  # noqa: BLE001  # any of them is a finding
            return days, error
        return days, None
    finally:
        shutil.rmtree(folder)
