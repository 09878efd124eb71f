"""What a restore returns, and the name of the database that it makes."""

import re
from dataclasses import dataclass

from mediatool_assets.domain.errors import Refused

_OF_A_VERSION = re.compile(r"media_?tool_(?:sanitized_)?[0-9]{8}-[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Restored:
    """A database that was restored and read back; ``rows`` are by table or collection.

    ``part`` where not all of the version was asked for; ``notes`` say what of its objects is not as
    in the source, and why.
    """

    database: str
    rows: dict[str, int]
    part: bool = False
    notes: tuple[str, ...] = ()


def own_name(asked: str | None, own: str) -> str:
    """The name to restore under; raises Refused where it is that of another version."""
    if asked is not None and asked != own and _OF_A_VERSION.fullmatch(asked):
        raise Refused(
            f"{asked} is the name of another version's database; leave --database out for {own}, "
            "or take a name that is no version's"
        )
    return own if asked is None else asked
