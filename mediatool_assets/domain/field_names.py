"""How names of the source become names of documents: snake_case to camelCase."""

import re
from collections.abc import Iterable

_JOINT = re.compile(r"(?<=[^_])_+([^_])")

_MOST_BYTES = 120
"""The longest collection name: MongoDB limits database, collection and index names to 255 bytes."""


class Names:
    """Unique names within one document or database."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def give(self, wanted: str) -> str:
        """The name, or the name with the first number that makes it unique."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


def camel_case(name: str) -> str:
    """``line_item_media_buys`` -> ``lineItemMediaBuys``; a name without underscores is unchanged.

    Leading and trailing underscores are kept. Dots, which mean sub-documents in a model, become
    underscores. A leading dollar sign, which MongoDB reserves for operators, is dropped.
    """
    return _JOINT.sub(lambda joint: joint[1].upper(), name.lstrip("$").replace(".", "_")) or "_"


def collection_name(table: str) -> str:
    """The collection of a table, without the ``$`` that MongoDB refuses; it may not be unique."""
    name = camel_case(table).replace("$", "_")
    return name.encode()[:_MOST_BYTES].decode(errors="ignore")
