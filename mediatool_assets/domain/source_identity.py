"""The identity of the source of a version; versions are compared only if it is the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from mediatool_assets.domain.metadata import RecordedSource


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """A database and the schemas that were exported of it; None is not known.

    ``system`` is PostgreSQL's own identifier of the cluster, which a standby shares and
    ``pg_upgrade`` changes; ``instance`` is what the server was called.
    """

    schema: str | None
    database: str | None
    system: str | None
    instance: str | None

    @classmethod
    def of(cls, source: RecordedSource) -> "SourceIdentity":
        """What a version's metadata says."""
        return cls(source.schema, source.database, source.system_identifier, source.instance)

    @classmethod
    def of_facts(cls, facts: Mapping[str, str | int | None]) -> "SourceIdentity":
        """What a snapshot or a raw archive's manifest says."""
        names = ("schema", "database", "system_identifier", "instance")
        schema, database, system, instance = (
            None if (fact := facts.get(name)) is None else str(fact) for name in names
        )
        return cls(schema, database, system, instance)

    def is_cluster_of(self, other: "SourceIdentity") -> bool:
        """Whether both can be one database of one cluster: of a primary and its standby."""
        return not (_differ(self.database, other.database) or _differ(self.system, other.system))

    def may_be(self, other: "SourceIdentity") -> bool:
        """Whether both can be one source: nothing that both know says otherwise.

        A cluster of another identifier that goes by the same name is the old one after an upgrade.
        """
        if _differ(self.schema, other.schema) or _differ(self.database, other.database):
            return False
        renewed = self.instance is not None and self.instance == other.instance
        return renewed or not _differ(self.system, other.system)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
