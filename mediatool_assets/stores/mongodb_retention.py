"""Lists and drops databases of versions on MongoDB, for retention."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mediatool_assets.domain.keys import version_of_database
from mediatool_assets.domain.marks import ProtectionCheck, never_protected
from mediatool_assets.domain.retention_inventory import DatabaseState, FoundDatabase
from mediatool_assets.stores.mongodb import MongoDocuments


@dataclass(frozen=True, slots=True)
class MongoDatabases:
    """A DatabaseServer over MongoDB; it touches only databases with the name of a version."""

    documents: MongoDocuments
    kind: Literal["mongodb"] = "mongodb"

    @property
    def server(self) -> str:
        """``host:port``."""
        return self.documents.server

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases of versions, in order of name."""
        prefix = self.documents.database_names.mongodb
        for name in self.documents.names():
            if (named := version_of_database(name, prefix)) is not None:
                version, sanitized = named
                label = self.documents.label(name)
                began = (label or {}).get("began")
                archive = (label or {}).get("archive")
                yield FoundDatabase(
                    "mongodb",
                    name,
                    version,
                    _state(label),
                    made=began if isinstance(began, datetime) else None,
                    archive=archive if isinstance(archive, str) else None,
                    sanitized=sanitized,
                )

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove a database of a version."""
        self.documents.drop(database, protection)


def _state(label: dict[str, object] | None) -> DatabaseState:
    if label is None:
        return "foreign"
    if "dropping" in label:
        return "unfinished"
    if label.get("complete") is True:
        return "complete"
    return "partial" if "archive" in label else "unfinished"
