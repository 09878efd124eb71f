"""A MongoDB collection without its documents: name, options, indexes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection's options and indexes, as mongod lists them."""

    name: str
    options: dict[str, object]
    indexes: tuple[dict[str, object], ...]
