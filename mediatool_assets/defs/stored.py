"""The value that a step returns to an asset's IO manager: what it has stored."""

from dataclasses import dataclass, field
from hashlib import sha256

import dagster as dg

from mediatool_assets.defs.layers import Facts
from mediatool_assets.domain.manifest import Manifest, Member
from mediatool_assets.domain.schema import namespaces
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.restore.database import RestoredDatabase
from mediatool_assets.flows.versions.archives import StoredArchive
from mediatool_assets.flows.versions.version_databases import Loaded


@dataclass(frozen=True, slots=True)
class Stored:
    """One asset of a version, as described by the step that stored it.

    ``rows`` are rows or documents and ``bytes`` those of their JSON or BSON, None where there are
    none; ``digest`` is equal for equal content. ``more`` is recorded and not compared.
    """

    version: Version
    uri: str
    rows: int | None
    bytes: int | None
    digest: str
    more: Facts = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        rows = "" if self.rows is None else f"{self.rows:,} rows, "
        size = "" if self.bytes is None else f"{self.bytes:,} bytes, "
        return f"{rows}{size}digest {self.digest[:16]} of version {self.version} at {self.uri}"

    def facts(self) -> Facts:
        """The metadata of the materialization; the UI plots the row counts."""
        rows = {"dagster/row_count": self.rows, "dagster/partition_row_count": self.rows}
        return {
            "version": str(self.version),
            "dagster/uri": self.uri,
            **(rows if self.rows is not None else {}),
            **({"bytes": self.bytes} if self.bytes is not None else {}),
            "digest": self.digest,
            **self.more,
        }


def stored_archive(version: Version, archived: StoredArchive, digest: str) -> Stored:
    """A whole archive; ``digest`` is its reader's."""
    manifest = archived.manifest
    more = _of_archive(archived)
    return Stored(version, archived.uri, manifest.rows, manifest.bytes, digest, more)


def stored_member(version: Version, archived: StoredArchive, member: Member) -> Stored:
    """A table or collection of an archive."""
    more: Facts = {
        **_of_archive(archived),
        "member": member.name,
        "compressed_bytes": sum(block.length for block in member.blocks),
        "fingerprint": member.fingerprint or "",
    }
    return Stored(version, archived.uri, member.rows, member.bytes, member.content, more)


def _of_archive(archived: StoredArchive) -> Facts:
    return {"archive": dg.MetadataValue.path(archived.uri), "archive_bytes": archived.size}


def stored_mongodb_database(version: Version, server: str, database: Loaded) -> Stored:
    """A MongoDB database; ``server`` is its URI without user, password and database."""
    rows, size = sum(database.documents.values()), sum(database.bytes.values())
    return Stored(version, f"{server}/{database.database}", rows, size, database.content)


def stored_collection(version: Version, server: str, database: Loaded, name: str) -> Stored:
    """A collection of a MongoDB database, as it was read back."""
    fingerprint = database.fingerprints[name]
    more: Facts = {
        "dagster/table_name": f"{database.database}.{name}",
        "fingerprint": fingerprint,
    }
    uri, rows = f"{server}/{database.database}", database.documents[name]
    return Stored(version, uri, rows, database.bytes[name], fingerprint, more)


def stored_postgres_database(database: RestoredDatabase) -> Stored:
    """A PostgreSQL database that was restored and read back."""
    rows = sum(database.rows.values())
    more: Facts = {"restored": True}
    return Stored(database.version, database.uri, rows, None, database.content, more)


def stored_postgres_table(database: RestoredDatabase, manifest: Manifest, member: Member) -> Stored:
    """A table of a PostgreSQL database, whose rows the restore compared with the raw archive's."""
    schema = str(manifest.source.get("schema"))
    prefix = f"{schema}." if len(namespaces(schema)) == 1 else ""  # else it is part of the name
    fingerprint = member.fingerprint or ""
    more: Facts = {
        "dagster/table_name": f"{database.database}.{prefix}{member.table}",
        "fingerprint": fingerprint,
    }
    return Stored(database.version, database.uri, member.rows, None, fingerprint, more)


def stored_json(version: Version, uri: str, data: bytes) -> Stored:
    """A JSON document of the bucket."""
    return Stored(version, uri, None, len(data), sha256(data).hexdigest())


def server_uri(settings: Settings) -> str:
    """``mongodb://hosts``, without user, password and options; raises BadSettings."""
    url = settings.required_url("mongodb_url")
    return f"{url.scheme}://{url.hosts}"
