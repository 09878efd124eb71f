"""The marker of a restored PostgreSQL database, and the stored record of a restore."""

import hashlib
from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from mediatool_assets.domain.json_documents import JsonDocument, decoded
from mediatool_assets.domain.keys import RESTORES_PREFIX
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.metadata import in_utc
from mediatool_assets.domain.version import Version

RestoreTo = Literal["postgres", "mongodb"]


class Marker(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="mediatool", tag="restored"
):
    """The comment of a restored PostgreSQL database; without it, the restore was not finished.

    ``tables`` names the restored tables if they are not all: such a database is a part, and not
    ``complete``. ``left_out`` names foreign keys that a part cannot have, ``skipped`` the objects
    left out on request (``VIEW totals``). ``content`` is ``content_of`` the raw archive, if all of
    it was restored. ``sanitized``: a sanitized copy was restored. ``notes`` list the differences
    from the source and their reasons, a line for each object.
    """

    version: str
    complete: bool
    rows: int
    tables: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    content: str = ""
    sanitized: bool = False
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, comment: str | None) -> "Marker | None":
        """The marker in a database's comment; None for any other comment."""
        try:
            return decoded((comment or "").encode(), cls)
        except msgspec.DecodeError:
            return None

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


def content_of(manifest: Manifest) -> str:
    """The SHA-256 of every table's name and fingerprint: equal if the rows of all tables are."""
    lines = (f"{name} {member.fingerprint}\n" for name, member in sorted(manifest.tables().items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class RestoreRecord(msgspec.Struct, JsonDocument, frozen=True, omit_defaults=True):
    """One restore that was executed: ``verified``, or ``failed`` and why.

    ``who`` is the account that started it, ``server`` the target host; ``rows`` are rows or
    documents, by table or collection. ``notes`` are the marker's. Kept indefinitely, one small
    object for each.
    """

    INDENT: ClassVar = 0

    version: str
    to: RestoreTo
    database: str
    server: str
    who: str
    began: str
    seconds: float
    verdict: Literal["verified", "failed"]
    rows: dict[str, int] = {}
    part: bool = False
    reason: str | None = None
    notes: tuple[str, ...] = ()

    def checked(self) -> "RestoreRecord":
        """The record with its time in today's format."""
        return msgspec.structs.replace(self, began=in_utc(self.began))


def restore_key(version: Version, began: datetime, to: RestoreTo) -> str:
    """The key of the record of a restore: by the version's day, then in order of time."""
    return f"{restores_prefix(version)}{began:%Y%m%dT%H%M%S.%f}-{to}.json"


def restores_prefix(version: Version) -> str:
    """The prefix of all restore records of a version."""
    return f"{RESTORES_PREFIX}{version.partition}/{version}-"
