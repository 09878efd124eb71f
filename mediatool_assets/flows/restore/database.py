"""The PostgreSQL database that a version was restored to, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.restore_record import content_of
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore, RestoreTarget
from mediatool_assets.flows.restore.records import why_not_restored
from mediatool_assets.flows.versions.version_databases import restored


@dataclass(frozen=True, slots=True)
class RestoredDatabase:
    """The location of the database. To read it, connect with your own rights.

    ``rows`` are by table; ``content`` is the digest of all tables' fingerprints.
    """

    version: Version
    server: str
    database: str
    rows: Mapping[str, int]
    content: str

    @property
    def uri(self) -> str:
        """``postgresql://host:port/database``, without user and password."""
        return f"postgresql://{self.server}/{self.database}"


def restored_database(
    objects: ObjectStore, target: RestoreTarget, manifest: Manifest
) -> RestoredDatabase:
    """The database that was restored from a version's raw archive.

    Raises NotFound with the reason if the version has none.
    """
    version, found = Version.parse(manifest.version), restored(target, manifest)
    if found is None:
        name = objects.database_names.in_postgres(version)
        why = why_not_restored(objects, version, name)
        raise NotFound(f"{version} has no PostgreSQL database {name}: {why}; restore it first")
    content = content_of(manifest)
    return RestoredDatabase(version, target.server, found.database, found.rows, content)
