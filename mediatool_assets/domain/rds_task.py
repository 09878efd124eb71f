"""Snapshots of an RDS instance, and the tasks that export them, as AWS describes them."""

from dataclasses import dataclass
from datetime import datetime

from mediatool_assets.domain.version import Version

UNDER_WAY = frozenset({"STARTING", "IN_PROGRESS", "CANCELING"})
"""The states of a task that has not ended."""


OWN_SNAPSHOTS = "manual-export-"


def snapshot_name(version: Version) -> str:
    """The name of the manual snapshot of a version."""
    return f"{OWN_SNAPSHOTS}{version}"


def task_name(version: Version, attempt: int = 1) -> str:
    """The name of the export task of a version's snapshot, and of the folder that it writes.

    AWS never accepts a task's name twice: after a failed task, the next name ends with ``-2``.
    """
    return f"export-{version}" if attempt == 1 else f"export-{version}-{attempt}"


@dataclass(frozen=True, slots=True)
class DbSnapshot:
    """One snapshot; ``percent`` is its progress, ``taken`` is set once it has started."""

    name: str
    arn: str
    status: str
    percent: int = 0
    taken: datetime | None = None

    @property
    def version(self) -> Version | None:
        """The version in its name; for an automated snapshot, the version of its time."""
        own = Version.of_name(self.name, OWN_SNAPSHOTS)
        return own or (Version.at(self.taken) if self.taken is not None else None)


@dataclass(frozen=True, slots=True)
class Task:
    """One export task. ``failure`` and ``warning`` are AWS's messages."""

    name: str
    status: str
    percent: int = 0
    failure: str | None = None
    warning: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.status in UNDER_WAY

    @property
    def reason(self) -> str:
        """Why it is not complete, in AWS's words."""
        words = (self.failure, self.warning)
        return "; ".join(word for word in words if word) or "AWS gives no reason"
