"""The result of a restore, and the name of the database that it creates."""

import re
from dataclasses import dataclass

from mediatool_assets.domain.errors import Refused

_OF_A_VERSION = re.compile(r"media_?tool_(?:sanitized_)?[0-9]{8}-[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Restored:
    """A database that was restored and read back; ``rows`` is by table or collection.

    ``part`` is true if only part of the version was requested. ``notes`` lists how its objects
    differ from the source, and why.
    """

    database: str
    rows: dict[str, int]
    part: bool = False
    notes: tuple[str, ...] = ()


def own_name(asked: str | None, own: str) -> str:
    """The name to restore to; raises Refused if it is that of another version's database."""
    if asked is not None and asked != own and _OF_A_VERSION.fullmatch(asked):
        raise Refused(
            f"{asked} is the name of another version's database; leave --database out for {own}, "
            "or use a name that belongs to no version"
        )
    return own if asked is None else asked
