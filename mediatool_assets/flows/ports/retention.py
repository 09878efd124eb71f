"""The stores that retention needs; the docstrings of the interfaces are the contract."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mediatool_assets.domain.marks import ProtectionCheck, never_protected
from mediatool_assets.domain.retention_inventory import FoundDatabase
from mediatool_assets.domain.signing import SigningKey
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.ports.bucket import BucketSettings


class DatabaseServer(Protocol):
    """A server with databases of versions; other databases are neither listed nor changed."""

    @property
    def kind(self) -> Literal["mongodb", "postgres"]:
        """The kind of server."""

    @property
    def server(self) -> str:
        """``host:port``."""

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases with the name of a version, in order of name."""

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove a database, if it exists. Raises CheckFailed, Refused.

        ``protection`` is called right before that, on MongoDB once the removal is announced. If it
        returns a reason, the database is left as it was and Refused is raised.
        """


class Deletion(Protocol):
    """Deletes objects of the bucket."""

    def locked(self, key: str) -> str | None:
        """Why Object Lock protects a version of the object; None if it does not."""

    def tags(self, key: str) -> dict[str, str]:
        """The object's tags; raises NotFound."""

    def remove(self, key: str) -> None:
        """Delete every version and delete marker of the object, and check that none is left.

        Does nothing if there is none. Raises Refused, before anything is deleted, if Object Lock
        protects a version; CheckFailed if something is left.
        """

    def hide(self, key: str) -> None:
        """Delete the object; a bucket with versioning keeps it for the configured days."""

    def left(self, key: str) -> int:
        """The number of versions and delete markers that the object still has."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """The stores that pruning reads and changes."""

    objects: ObjectStore
    deletion: Deletion
    servers: Sequence[DatabaseServer]
    bucket: BucketSettings
    signing_key: SigningKey | None = None
