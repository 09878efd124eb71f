"""The identity of the source of a version; versions are compared only if it is the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from mediatool_assets.domain.metadata import RecordedSource


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """A database and the schemas that were exported from it; None means unknown.

    ``system`` is PostgreSQL's identifier of the cluster; a standby has the same, and ``pg_upgrade``
    changes it. ``instance`` is the name of the server.
    """

    schema: str | None
    database: str | None
    system: str | None
    instance: str | None

    @classmethod
    def of(cls, source: RecordedSource) -> "SourceIdentity":
        """The source in a version's metadata."""
        return cls(source.schema, source.database, source.system_identifier, source.instance)

    @classmethod
    def of_facts(cls, facts: Mapping[str, str | int | None]) -> "SourceIdentity":
        """The source in the facts of a snapshot or of a raw archive's manifest."""
        names = ("schema", "database", "system_identifier", "instance")
        schema, database, system, instance = (
            None if (fact := facts.get(name)) is None else str(fact) for name in names
        )
        return cls(schema, database, system, instance)

    def is_cluster_of(self, other: "SourceIdentity") -> bool:
        """Whether both can be one database of one cluster, such as on a primary and its standby."""
        return not (_differ(self.database, other.database) or _differ(self.system, other.system))

    def may_be(self, other: "SourceIdentity") -> bool:
        """Whether both can be the same source: no field that both have differs.

        A cluster with another identifier but the same name is the same one after an upgrade.
        """
        if _differ(self.schema, other.schema) or _differ(self.database, other.database):
            return False
        renewed = self.instance is not None and self.instance == other.instance
        return renewed or not _differ(self.system, other.system)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
