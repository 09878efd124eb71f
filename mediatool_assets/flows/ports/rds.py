"""The interface of RDS snapshot exports; its docstrings are the contract."""

from datetime import date
from typing import Protocol

from mediatool_assets.domain.rds_task import DbSnapshot, Task


class SnapshotExports(Protocol):
    """One RDS instance, its snapshots, and the tasks that export them to the bucket.

    Every call may be made again: what is there already under the name is taken, if it is ours.
    All raise BadSettings (no such instance, role or key; what AWS says of them) and Unreachable.
    """

    def take(self, name: str) -> DbSnapshot:
        """Begin a manual snapshot, or find the one that has the name; Refused if another's."""

    def snapshot(self, name: str) -> DbSnapshot | None:
        """A snapshot as it is now; None where there is none. Refused if another instance's."""

    def of_day(self, day: date) -> list[DbSnapshot]:
        """The snapshots that were taken on that day (UTC) and are there, by time.

        Automated ones, and manual ones that are named as ``take`` is asked to name a version's.
        """

    def start(self, name: str, snapshot: DbSnapshot, prefix: str) -> Task:
        """Begin to export a snapshot to ``{prefix}/{name}/``, or find the task of that name.

        Raises Refused where the task of that name exports something else, or to somewhere else.
        """

    def task(self, name: str) -> Task | None:
        """An export task as it is now; None where there is none."""
