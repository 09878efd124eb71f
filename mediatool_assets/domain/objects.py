"""What is known of an object in the bucket without reading it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its size in bytes, entity tag, time of writing and storage class."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str = "STANDARD"
