"""The rules of masking: what happens to every column, and to every path of a JSON column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mediatool_assets.domain.masking.pseudonyms import PseudonymKind
from mediatool_assets.domain.schema import Column, Schema, Table


class MaskingVerb(StrEnum):
    """What can happen to a value."""

    KEEP = "keep"
    PSEUDONYM = "pseudonym"
    REDACT = "redact"
    GENERALIZE = "generalize"
    NOISE = "noise"
    DROP = "drop"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class MaskingRule:
    """One rule. ``argument``: kind of the pseudonym, step of generalize, percentage of noise.

    ``paths`` are the rules inside a JSON document, such as ``weeks[].spend``; ``otherwise`` is the
    rule for every value that no path covers.
    """

    verb: MaskingVerb
    argument: str = ""
    line: int = 0
    paths: tuple[tuple[str, "MaskingRule"], ...] = ()
    otherwise: "MaskingRule | None" = None

    @property
    def words(self) -> str:
        """The rule as it is written: ``pseudonym person``."""
        return f"{self.verb} {self.argument}".strip()

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of pseudonyms that it makes, including those inside a document."""
        own = {self.argument} if self.verb is MaskingVerb.PSEUDONYM else set()
        return frozenset(own).union(*(rule.kinds for rule in self.every_path()))

    def every_path(self) -> Iterator["MaskingRule"]:
        """The rules inside its documents."""
        yield from (rule for _, rule in self.paths)
        if self.otherwise is not None:
            yield self.otherwise

    def redacting(self) -> "MaskingRule":
        """The same rule, which redacts every value of a document that no path covers."""
        if self.verb is not MaskingVerb.JSON or self.otherwise is not None:
            return self
        return replace(self, otherwise=REDACT)


REDACT = MaskingRule(MaskingVerb.REDACT, line=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """One rules file: ``source`` is its name, ``digest`` the SHA-256 of its text.

    ``smallest_groups`` is k by table: the least number of rows that share their quasi-identifiers.
    ``kept_ddl`` are reviewed objects of the schema (``view totals``), and ``comments``.
    """

    source: str
    digest: str
    kinds: Mapping[str, PseudonymKind]
    tables: Mapping[str, Mapping[str, MaskingRule]]
    quasi_identifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    smallest_groups: Mapping[str, int] = field(default_factory=dict)
    kept_ddl: frozenset[str] = frozenset()

    def rule(self, table: str, column: str) -> MaskingRule | None:
        """The rule of a column; None if it is not classified."""
        return self.tables.get(table, {}).get(column)

    def redacting(self, schema: Schema) -> "Rules":
        """The same rules, which redact every column and path that they do not cover."""
        tables = {
            table.name: {
                column.name: (self.rule(table.name, column.name) or REDACT).redacting()
                for column in table.columns
            }
            for table in schema.tables
        }
        return replace(self, tables={**self.tables, **tables})

    def unclassified(self, schema: Schema) -> Iterator[tuple[Table, Column]]:
        """The columns that no rule covers, in order."""
        for table in schema.tables:
            for column in table.columns:
                if self.rule(table.name, column.name) is None:
                    yield table, column

    def unused(self, schema: Schema) -> Iterator[str]:
        """``table.column``, or ``table``, of rules for objects that the schema does not have."""
        known = {table.name: {column.name for column in table.columns} for table in schema.tables}
        for table, columns in self.tables.items():
            if table not in known:
                yield table
            else:
                yield from (f"{table}.{name}" for name in columns if name not in known[table])
