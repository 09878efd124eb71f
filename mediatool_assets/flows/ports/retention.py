"""The interfaces that retention needs; their docstrings are the contract."""

from collections.abc import Iterator
from typing import Literal, Protocol

from mediatool_assets.domain.marks import Protection, unprotected
from mediatool_assets.domain.retention_inventory import FoundDatabase


class DatabaseServer(Protocol):
    """A server with databases of versions; no other one is ever told of, or touched."""

    @property
    def kind(self) -> Literal["mongodb", "postgres"]:
        """Which of the two it is."""

    @property
    def server(self) -> str:
        """``host:port``."""

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases with the name of a version, in order of name."""

    def remove(self, database: str, protection: Protection = unprotected) -> None:
        """Remove a database; nothing happens where there is none. Raises CheckFailed, Refused.

        ``protection`` is asked right before that, on MongoDB when the database is complete for no
        reader any more: its reason raises Refused, and the database is as it was.
        """


class Deletion(Protocol):
    """What deletes objects of the bucket."""

    def locked(self, key: str) -> str | None:
        """Why Object Lock holds a version of the object; None where it holds none."""

    def tags(self, key: str) -> dict[str, str]:
        """The object's tags; raises NotFound."""

    def remove(self, key: str) -> None:
        """Delete every version of the object and every delete marker, and look that none is left.

        Nothing happens where there is none. Raises Refused, before anything is deleted, where
        Object Lock holds a version; CheckFailed where something is left.
        """

    def hide(self, key: str) -> None:
        """Delete the object; a bucket with versioning keeps what it was for its usual days."""

    def left(self, key: str) -> int:
        """How many versions and delete markers the object still has."""
