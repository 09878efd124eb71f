"""How names of the source become names of documents: snake_case to camelCase."""

import re
from collections.abc import Iterable

_JOINT = re.compile(r"(?<=[^_])_+([^_])")

_MOST_BYTES = 120
"""Of a collection's name: MongoDB takes 255 with the database's, and its indexes' names more."""


class Names:
    """Names in one place, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def give(self, wanted: str) -> str:
        """The name, or with the first number that makes it another one."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


def camel_case(name: str) -> str:
    """``line_item_media_buys`` -> ``lineItemMediaBuys``; a name without underscores stays.

    Leading and trailing underscores stay. Dots, which mean sub-documents in a model, become
    underscores, and a leading dollar sign, which MongoDB keeps for operators, is dropped.
    """
    return _JOINT.sub(lambda joint: joint[1].upper(), name.lstrip("$").replace(".", "_")) or "_"


def collection_name(table: str) -> str:
    """The collection of a table before any clash, without the ``$`` that MongoDB refuses."""
    name = camel_case(table).replace("$", "_")
    return name.encode()[:_MOST_BYTES].decode(errors="ignore")
