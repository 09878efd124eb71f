"""The measured figures of a source's rows, for decisions and reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mediatool_assets.domain.inference.references import CandidateReference, Coverage


@dataclass(frozen=True, slots=True)
class TableFigures:
    """One table: its rows, how many of them were read, and their sizes as documents in bytes.

    ``values`` counts the values that are not null, by column. ``losses`` counts values that BSON
    cannot hold exactly, by column and kind. ``odd_keys`` counts JSON documents with keys that
    contain ``$``, ``.`` or NUL.
    """

    rows: int
    read: int
    bytes: int = 0
    largest: int = 0
    largest_key: str = ""
    values: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    odd_keys: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unique: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether every row was read."""
        return self.read == self.rows

    @property
    def mean(self) -> int:
        """The size of an average row's document, in bytes."""
        return self.bytes // self.read if self.read else 0


NO_ROWS = TableFigures(0, 0)


@dataclass(frozen=True, slots=True)
class FanOut:
    """How many rows refer to one row of the target: the median, the 99th percentile, the maximum.

    Only the ``parents`` count: those of all ``targets`` that at least one row refers to.
    ``largest`` is
    the size in bytes of the largest document of a target's row with all rows that refer to it.
    """

    targets: int
    parents: int
    median: int
    p99: int
    most: int
    largest: int

    def __str__(self) -> str:
        return (
            f"rows a parent: p50 {self.median:,}, p99 {self.p99:,}, at most {self.most:,}; "
            f"largest document about {bytes_text(self.largest)}"
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """All measurements: tables by name, and references with their coverage."""

    tables: Mapping[str, TableFigures] = field(default_factory=dict)
    inclusions: Mapping[CandidateReference, Coverage] = field(default_factory=dict)
    fan_outs: Mapping[CandidateReference, FanOut] = field(default_factory=dict)

    def of(self, table: str) -> TableFigures:
        """The table's figures."""
        return self.tables.get(table, NO_ROWS)


def bytes_text(number: int) -> str:
    """Bytes for people: ``512 bytes``, ``3.4 kB``, ``16.8 MB``."""
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1e3:,.1f} kB" if number < 1_000_000 else f"{number / 1e6:,.1f} MB"
