"""What the joins of a report need of a table, and the columns of its files of digests."""

from dataclasses import dataclass

import pyarrow as pa

from mediatool_assets.flows.integrity.digest_files import ROWS
from mediatool_assets.flows.workers.duckdb_session import cased

Take = tuple[tuple[str, ...], bool]
"""Columns that are copied together, and whether as one bare value."""


def column_of(name: str) -> str:
    """The name of the file's column with a column's text, as a key."""
    return f"c:{cased(name)}"


def array_of(name: str) -> str:
    """The name of the file's column with the texts of an array's elements, as keys."""
    return f"a:{cased(name)}"


@dataclass(frozen=True, slots=True)
class TableNeeds:
    """The columns needed from a table: columns and arrays as keys, and copied values."""

    keys: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    takes: tuple[Take, ...] = ()

    def schema(self) -> pa.Schema:
        """The columns of the table's files."""
        return pa.schema(
            [*ROWS]
            + [(column_of(name), pa.string()) for name in self.keys]
            + [(array_of(name), pa.list_(pa.string())) for name in self.arrays]
            + [(f"t:{number}", pa.string()) for number in range(len(self.takes))]
        )
