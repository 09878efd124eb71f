"""The interface of RDS snapshot exports; its docstrings are the contract."""

from datetime import date
from typing import Protocol

from mediatool_assets.domain.rds_task import DbSnapshot, Task


class SnapshotExports(Protocol):
    """One RDS instance, its snapshots, and the tasks that export them to the bucket.

    Every call may be repeated: an existing snapshot or task of that name is used, if it is ours.
    All calls raise BadSettings (no such instance, role or key, with AWS's message) and Unreachable.
    """

    def take(self, name: str) -> DbSnapshot:
        """Start a manual snapshot, or return the one with that name; Refused if another's."""

    def snapshot(self, name: str) -> DbSnapshot | None:
        """The snapshot's current state, or None. Refused if it is another instance's."""

    def of_day(self, day: date) -> list[DbSnapshot]:
        """The available snapshots taken on that day (UTC), by time.

        Automated ones, and manual ones with the name that ``take`` gives to a version.
        """

    def start(self, name: str, snapshot: DbSnapshot, prefix: str) -> Task:
        """Start to export a snapshot to ``{prefix}/{name}/``, or return the task of that name.

        Raises Refused if the task of that name has another snapshot or destination.
        """

    def task(self, name: str) -> Task | None:
        """The export task's current state; None if it does not exist."""
