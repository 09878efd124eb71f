"""Takes a snapshot of the RDS instance, and has AWS export it to the bucket.

A run that is killed and started again with the same version finds its own snapshot and task by
their names, and continues to wait for them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import NoReturn

from mediatool_assets.domain.errors import BadSource, NotFound
from mediatool_assets.domain.rds_export import day_prefix
from mediatool_assets.domain.rds_task import (
    OWN_SNAPSHOTS,
    DbSnapshot,
    Task,
    snapshot_name,
    task_name,
)
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import Progress, silent
from mediatool_assets.flows.ports.rds import SnapshotExports

_COMING = {"creating", "copying"}
"""The states of a snapshot that is available or will be."""


@dataclass(frozen=True)
class SnapshotExporter:
    """Exports snapshots of one instance. ``wait`` sleeps between two requests to AWS."""

    rds: SnapshotExports
    wait: Callable[[], None]
    progress: Progress = silent

    def of_now(self, version: Version) -> Task:
        """Take the version's snapshot, wait until it is available, and export it.

        Raises BadSource with AWS's own reason if the snapshot or the export fails.
        """
        return self.export(version, self.rds.take(snapshot_name(version)))

    def chosen(self, day: date, wanted: Version | None = None) -> tuple[Version, DbSnapshot]:
        """Return the day's last snapshot and its version, or that of the ``wanted`` version.

        A snapshot taken for ``wanted`` comes first: a run that took it may continue after midnight.
        Raises NotFound if the day has none.
        """
        own = self.rds.snapshot(snapshot_name(wanted)) if wanted else None
        if wanted is not None and own is not None:
            return wanted, own
        found = {
            version: snapshot
            for snapshot in self.rds.of_day(day)
            if (version := snapshot.version) is not None and wanted in (None, version)
        }
        if not found:
            of = f"version {wanted}" if wanted else f"{day} (UTC)"
            raise NotFound(
                f"RDS has no automated snapshot of {of} and no {OWN_SNAPSHOTS}… one; "
                "put an export of that day into the bucket, or take another day"
            )
        return max(found.items())

    def export(self, version: Version, snapshot: DbSnapshot) -> Task:
        """Export a snapshot to the version's key once it is available; wait for the task's end.

        Raises BadSource if the snapshot or the export task fails.
        """
        while snapshot.status in _COMING:
            self.progress("snapshot", snapshot.percent, 100, "percent")
            self.wait()
            snapshot = self.rds.snapshot(snapshot.name) or _gone(f"RDS snapshot {snapshot.name}")
        if snapshot.status != "available":
            raise BadSource(
                f"RDS snapshot {snapshot.name} is {snapshot.status}, not available; look at it in "
                "the console of RDS, and run it again"
            )
        task = self._begun(version, snapshot)
        while task.under_way:
            self.progress("rds_export", task.percent, 100, "percent")
            self.wait()
            task = self.rds.task(task.name) or _gone(f"RDS export task {task.name}")
        if task.status != "COMPLETE":
            raise BadSource(
                f"RDS export task {task.name} is {task.status}: {task.reason}; correct that, and "
                "export again"
            )
        return task

    def _begun(self, version: Version, snapshot: DbSnapshot) -> Task:
        """Start the version's export task, or return the first one that has not failed."""
        attempt = 1
        while (task := self.rds.task(task_name(version, attempt))) is not None and not (
            task.under_way or task.status == "COMPLETE"
        ):
            attempt += 1
        return self.rds.start(
            task_name(version, attempt), snapshot, day_prefix(version.partition).rstrip("/")
        )


def _gone(what: str) -> NoReturn:
    raise BadSource(f"{what} was deleted during the export; export again")
