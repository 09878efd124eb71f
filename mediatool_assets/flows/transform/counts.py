"""Counts the homes of every table's rows and the unresolved references, then checks them."""

from collections import Counter
from dataclasses import dataclass, field

from mediatool_assets.domain.errors import CountMismatch

HOMES = ("documents", "embedded", "orphans", "folded", "left_out")
"""Every row of the raw archive has one of these homes."""


@dataclass
class Counts:
    """The counts of one share, or of all shares.

    ``homes`` counts rows by home and table, ``unresolved`` and ``ambiguous`` references by
    ``collection.field``, ``losses`` values by ``table.column`` and kind.
    """

    homes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unresolved: Counter[str] = field(default_factory=Counter)
    ambiguous: Counter[str] = field(default_factory=Counter)
    losses: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add the counts of another share."""
        self.homes += other.homes
        self.unresolved += other.unresolved
        self.ambiguous += other.ambiguous
        for column, kinds in other.losses.items():
            self.losses[column] = self.losses.get(column, Counter()) + kinds

    def rows(self, tables: dict[str, int]) -> dict[str, dict[str, int]]:
        """For each table of the raw archive, its number of rows, and the number by home.

        Raises CountMismatch unless each row went to exactly one place.
        """
        result = {}
        for table, rows in tables.items():
            went = {home: self.homes[home, table] for home in HOMES}
            if sum(went.values()) != rows:
                raise CountMismatch(table, "rows that are accounted for", rows, went)
            result[table] = {"in": rows, **went}
        return result

    def facts(self, tables: dict[str, int]) -> dict[str, object]:
        """All counts for the manifest, in order of name."""
        return {
            "rows": self.rows(tables),
            "unresolved": dict(sorted(self.unresolved.items())),
            "ambiguous": dict(sorted(self.ambiguous.items())),
            "losses": {
                column: dict(sorted(kinds.items())) for column, kinds in sorted(self.losses.items())
            },
        }
