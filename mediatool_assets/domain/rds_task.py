"""Snapshots of an RDS instance, and the tasks that export them, as AWS describes them."""

from dataclasses import dataclass
from datetime import datetime

from mediatool_assets.domain.version import Version

UNDER_WAY = frozenset({"STARTING", "IN_PROGRESS", "CANCELING"})
"""The states of a task that is not at its end."""


OWN_SNAPSHOTS = "manual-export-"


def snapshot_name(version: Version) -> str:
    """The name of the manual snapshot of a version."""
    return f"{OWN_SNAPSHOTS}{version}"


def task_name(version: Version, attempt: int = 1) -> str:
    """The name of the export task of a version's snapshot, and of the folder that it writes.

    AWS never gives a task's name away again: after one that failed, the next ends with ``-2``.
    """
    return f"export-{version}" if attempt == 1 else f"export-{version}-{attempt}"


@dataclass(frozen=True, slots=True)
class DbSnapshot:
    """One snapshot; ``percent`` of it is there, and ``taken`` is known once it has begun."""

    name: str
    arn: str
    status: str
    percent: int = 0
    taken: datetime | None = None

    @property
    def version(self) -> Version | None:
        """The one that it was taken for, which is in its name; of an automated one its time."""
        own = Version.of_name(self.name, OWN_SNAPSHOTS)
        return own or (Version.at(self.taken) if self.taken is not None else None)


@dataclass(frozen=True, slots=True)
class Task:
    """One export task. ``failure`` and ``warning`` are AWS's own words."""

    name: str
    status: str
    percent: int = 0
    failure: str | None = None
    warning: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether it has not come to an end."""
        return self.status in UNDER_WAY

    @property
    def reason(self) -> str:
        """Why it is not complete, in AWS's words."""
        return "; ".join(word for word in (self.failure, self.warning) if word) or "AWS says no why"
