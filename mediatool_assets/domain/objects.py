"""An object of the bucket without its content."""

from dataclasses import dataclass
from datetime import datetime

COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored before they can be read, which takes hours."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its size in bytes, entity tag, time of writing and storage class."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str = "STANDARD"

    @property
    def cold(self) -> bool:
        """Whether it is in a cold tier; a restored copy of it may exist."""
        return self.storage_class in COLD
