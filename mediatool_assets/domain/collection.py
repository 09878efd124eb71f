"""What is known of a MongoDB collection without reading its documents."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection's options and indexes, as mongod lists them."""

    name: str
    options: dict[str, object]
    indexes: tuple[dict[str, object], ...]
