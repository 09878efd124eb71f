"""An object of the bucket without its content."""

from dataclasses import dataclass
from datetime import datetime

COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects have to be copied before they can be read: that takes hours."""


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
        """Whether it lies in a cold tier; a copy of it may be there all the same."""
        return self.storage_class in COLD
