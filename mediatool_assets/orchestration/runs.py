"""The version of a run, in the run's tags: a run and all its retries have the same version.

``mediatool/version`` names the version. The tag is set by the launcher of the run, or by the first
step that needs it, so that steps in other processes, retries and people find it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

import dagster as dg

from mediatool_assets.dagster_internals import StepEventStatus
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.namespace import PLAIN, Namespace, namespace_of
from mediatool_assets.domain.errors import Misuse, NotFound, NothingOfDay
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.metadata import Purpose
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import catalog

VERSION_TAG = "mediatool/version"
PURPOSE_TAG = "mediatool/purpose"
NOTES_TAG = "mediatool/notes"


@dataclass(frozen=True, slots=True)
class VersionRequest:
    """What a version is made for: its purpose and notes."""

    purpose: Purpose
    notes: str


@dataclass(frozen=True, slots=True)
class RunVersion:
    """Finds the version of one run of one partition, and pins it to the run."""

    instance: dg.DagsterInstance
    run: dg.DagsterRun
    partition: str
    names: Namespace = PLAIN

    @classmethod
    def of(cls, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> "RunVersion":
        """Build it for the run of a step, and record the process that runs the step."""
        record_process(context.instance, context.run)
        return cls(context.instance, context.run, context.partition_key, namespace_of(context))

    def named(self) -> Version | None:
        """The version in the tags of the run or its root; raises Misuse if it is of another day."""
        text = self._tag(self.names.tag(VERSION_TAG))
        if text is None:
            return None
        version = Version.parse(text)
        if version.partition != self.partition:
            raise Misuse(
                f"version {version} belongs to partition {version.partition}, and the run is of "
                f"{self.partition}; launch it for {version.partition}, or change "
                f"{self.names.tag(VERSION_TAG)}"
            )
        return version

    def to_make(self, objects: ObjectStore) -> Version:
        """The version for an export: the named one, else that of the root run's creation time.

        If another run already uses that second, it is the next free one.
        """
        if (version := self.named()) is not None:
            return version
        version = Version.at(self._created())
        while self._runs_of(version) or objects.head(archive_key("raw", version)) is not None:
            version = Version(version.moment + timedelta(seconds=1))
        return self.pin(version)

    def to_read(self, objects: ObjectStore) -> Version:
        """The version for a downstream step: the named one, else the partition's newest complete
        one.

        Raises NothingOfDay if the partition has none.
        """
        if (version := self.named()) is not None:
            return version
        try:
            return self.pin(catalog.latest(objects, self.partition).version)
        except NotFound as error:
            raise NothingOfDay(
                f"partition {self.partition} has no complete version to work from; materialize all "
                f"its layers, or name an unfinished version with the run tag "
                f"{self.names.tag(VERSION_TAG)}"
            ) from error

    def keep(self, request: VersionRequest) -> None:
        """Store the request in the run's tags, unless an earlier run of the version did."""
        version = self.named()
        if version is not None and self._asked(version) is None:
            tags = {PURPOSE_TAG: request.purpose, NOTES_TAG: request.notes}
            own = {self.names.tag(tag): value for tag, value in tags.items()}
            self.instance.add_run_tags(self.run.run_id, own)

    def request(self, version: Version) -> VersionRequest:
        """The request of a version, from the first of its runs that has one.

        A version without any remaining run counts as a daily backup, which is kept longest.
        """
        return self._asked(version) or VersionRequest("daily_backup", "")

    def asked(self) -> VersionRequest | None:
        """The request in this run's own tags; raises Misuse on an unknown purpose."""
        return self._request(self.run.tags)

    def seconds(self, version: Version) -> dict[str, float]:
        """Seconds of each step's first success, over all runs of the version."""
        seconds: dict[str, float] = {}
        for run in reversed(self._runs_of(version)):
            for step in self.instance.get_run_step_stats(run.run_id):
                if step.status is StepEventStatus.SUCCESS and step.start_time and step.end_time:
                    seconds.setdefault(step.step_key, round(step.end_time - step.start_time, 3))
        return seconds

    def _asked(self, version: Version) -> VersionRequest | None:
        runs = reversed(self._runs_of(version))
        return next((found for run in runs if (found := self._request(run.tags))), None)

    def _runs_of(self, version: Version) -> list[dg.DagsterRun]:
        """The runs that are tagged with the version, newest first."""
        tags = {self.names.tag(VERSION_TAG): str(version)}
        return list(self.instance.get_runs(dg.RunsFilter(tags=tags)))

    def _tag(self, name: str) -> str | None:
        """The current value of the tag on the run, else on its root."""
        for run_id in (self.run.run_id, self.run.root_run_id):
            run = self.instance.get_run_by_id(run_id) if run_id else None
            if run is not None and (value := run.tags.get(name)):
                return value
        return None

    def _created(self) -> datetime:
        for run_id in (self.run.root_run_id, self.run.run_id):
            record = self.instance.get_run_record_by_id(run_id) if run_id else None
            if record is not None:
                return record.create_timestamp
        return datetime.now(UTC)

    def pin(self, version: Version) -> Version:
        """Make it the version of the run and its root, for later steps and retries."""
        for run_id in (self.run.run_id, self.run.root_run_id):
            if run_id and self.instance.has_run(run_id):
                tags = {self.names.tag(VERSION_TAG): str(version)}
                self.instance.add_run_tags(run_id, tags)
        return version

    def _request(self, tags: Mapping[str, str]) -> VersionRequest | None:
        """The request in the tags of a run, or None."""
        tag = self.names.tag(PURPOSE_TAG)
        purpose = tags.get(tag)
        if purpose is None:
            return None
        if purpose not in get_args(Purpose):
            known = " or ".join(get_args(Purpose))
            raise Misuse(f"the run tag {tag} is {purpose!r}; write {known}")
        return VersionRequest(cast(Purpose, purpose), tags.get(self.names.tag(NOTES_TAG), ""))
