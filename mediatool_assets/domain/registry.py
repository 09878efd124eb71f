"""``mongodb-versions.json``: the list of versions, in the storage description's shape."""

from collections.abc import Iterable

import msgspec

from mediatool_assets.domain.json_documents import decoded, pretty
from mediatool_assets.domain.marks import Marks
from mediatool_assets.domain.metadata import Metadata


class RegistryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version in the registry; ``source_postgres_db`` is its restored database, if any.

    ``pinned`` and ``promoted`` are in the file only if they are true. At most one entry is
    promoted: applications use its ``database_name``.
    """

    version: str
    database_name: str
    source_postgres_db: str | None
    created_at: str
    purpose: str
    notes: str
    pinned: bool = False
    promoted: bool = False

    @classmethod
    def of(cls, metadata: Metadata) -> "RegistryEntry":
        """The entry of a complete version."""
        return cls(
            version=metadata.timestamp,
            database_name=metadata.databases_created.mongodb or "",
            source_postgres_db=metadata.databases_created.postgres,
            created_at=metadata.export_complete,
            purpose=metadata.purpose,
            notes=metadata.notes,
        )

    def marked(self, marks: Marks) -> "RegistryEntry":
        """The entry with the marks of its version."""
        return msgspec.structs.replace(
            self,
            notes=marks.notes.get(self.version, self.notes),
            pinned=self.version in marks.pinned,
            promoted=self.version == marks.promoted,
        )


def registry_to_json(entries: Iterable[RegistryEntry]) -> bytes:
    """The bytes of the registry file, indented for people."""
    return pretty(list(entries), 4)


def registry_from_json(data: bytes) -> tuple[RegistryEntry, ...]:
    """Read the registry file; raises msgspec.ValidationError on anything else."""
    return decoded(data, tuple[RegistryEntry, ...])
