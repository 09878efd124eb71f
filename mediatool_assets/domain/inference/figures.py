"""The measured figures of a source's rows, for decisions and reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mediatool_assets.domain.inference.references import CandidateReference, Coverage


@dataclass(frozen=True, slots=True)
class TableFigures:
    """One table: its rows, how many of them were read, and their sizes as documents in bytes.

    ``values`` counts, by column, what is not null; ``losses`` what BSON will not hold as it is, by
    column and kind; ``odd_keys`` the JSON documents with keys that hold ``$``, ``.`` or NUL.
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
        """Bytes of a usual row's document."""
        return self.bytes // self.read if self.read else 0


NO_ROWS = TableFigures(0, 0)


@dataclass(frozen=True, slots=True)
class FanOut:
    """How many rows name one row of the target: at half, at 99 of 100, and at most.

    Counted over those ``parents`` of all ``targets`` that any row names. ``largest`` is the biggest
    document, in bytes, that the target's row and all of its own would make together.
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
    """Everything measured: tables by name, references with what was found of them."""

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
