"""Examples of differences, with values that may be shown.

Numbers, booleans, dates, times, enum labels, uuids and arrays of them are shown. A text is shown
only if its column is an id (part of the key, named ``id`` or ``…_id``, or a foreign key) and the
text looks like an id. Everything else, such as json and free text, is hidden: ``{"hidden": true,
"length": n}`` gives the number of characters. Columns that the masking rules change are hidden too,
except ids that identify the row. With a masking key, a column with a rule is shown as the rule
says: kept, or as its pseudonym.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mediatool_assets.domain.comparison import ChangedValue, Examples, WholeRow
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.compare.block_digests import Numbered, Side, read_lines
from mediatool_assets.flows.compare.key_buckets import Place
from mediatool_assets.flows.compare.masking import Masking, Show
from mediatool_assets.flows.compare.row_digests import row_decoder

_SHOWN_CATEGORIES = frozenset("NBDT")  # numbers, booleans, dates and times, intervals
_SHOWN_ELEMENTS = frozenset(
    {"smallint", "integer", "bigint", "real", "double precision", "numeric", "boolean", "uuid"}
    | {"date", "timestamp with time zone", "timestamp without time zone"}
)
_ID = re.compile(rb'"(?=[^"]*[0-9])[A-Za-z0-9_.:-]{1,64}"')  # no space, no @, and a digit in it
_LONGEST = 200  # characters of a value that is shown; only arrays and numerics are ever longer


@dataclass(frozen=True, slots=True)
class ExampleShare:
    """The places of a table's examples; ``changed`` is (column, place in one, place in two)."""

    sides: tuple[Side, Side]
    blocks: tuple[Numbered, Numbered]
    changed: tuple[tuple[str, Place, Place], ...]
    added: tuple[Place, ...]
    removed: tuple[Place, ...]
    masking: Masking | None = None


def examples(share: ExampleShare) -> Examples:
    """Read the rows and show the values that may be shown; raises BadArchive."""
    one = _Rows(share, 0, [place for _, place, _ in share.changed] + [*share.removed])
    two = _Rows(share, 1, [place for _, _, place in share.changed] + [*share.added])
    return Examples(
        tuple(
            ChangedValue(
                one.key(first),
                column,
                one.value(first, column),
                two.value(second, column),
                one.number(first),
                two.number(second),
            )
            for column, first, second in share.changed
        ),
        tuple(WholeRow(two.key(place), two.number(place)) for place in share.added),
        tuple(WholeRow(one.key(place), one.number(place)) for place in share.removed),
    )


class _Rows:
    """The rows of one side that examples are taken from."""

    def __init__(self, share: ExampleShare, which: int, places: Sequence[Place]) -> None:
        side, blocks = share.sides[which], share.blocks[which]
        hasher = side.hasher
        self._table = hasher.table
        self._key = hasher.matching.key or hasher.matching.columns
        self._ids = ids(self._table) | {*hasher.matching.key}
        masking = share.masking
        self._masks = masking.columns(self._table, hasher.matching.key) if masking else {}
        self._firsts: dict[int, int] = {}
        first = 1
        for number, block in blocks:
            self._firsts[number] = first
            first += block.rows
        decode = row_decoder(hasher.matching.columns)
        with side.decoding():
            lines = read_lines(side, blocks, places)
            self._rows: Mapping[Place, Mapping[str, bytes]] = {
                place: dict(zip(hasher.matching.columns, decode(line), strict=True))
                for place, line in lines.items()
            }

    def number(self, place: Place) -> int:
        """The row's line number in its table's file, from 1."""
        return self._firsts[place[0]] + place[1]

    def key(self, place: Place) -> dict[str, msgspec.Raw]:
        """The values that identify the row."""
        return {name: self.value(place, name) for name in self._key}

    def value(self, place: Place, name: str) -> msgspec.Raw:
        """One value as JSON, or its length if it is hidden."""
        value = self._rows[place][name]
        if name in self._masks:
            return masked(self._masks[name], value)
        return shown(self._table.column(name), value, is_id=name in self._ids)


def masked(show: Show | None, value: bytes) -> msgspec.Raw:
    """The masked value, or its length if the rules remove it or it is long."""
    if value == b"null":
        return msgspec.Raw(value)
    made = show(value) if show is not None else b""
    return msgspec.Raw(made) if 0 < len(made) <= _LONGEST else hidden(value)


def shown(column: Column, value: bytes, *, is_id: bool) -> msgspec.Raw:
    """The value if it may be shown, else its length."""
    if value == b"null" or (len(value) <= _LONGEST and _is_plain(column, value, is_id)):
        return msgspec.Raw(value)
    return hidden(value)


def hidden(value: bytes) -> msgspec.Raw:
    """The length of a value that may not be shown."""
    text = msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
    return msgspec.Raw(msgspec.json.encode({"hidden": True, "length": len(text)}))


def _is_plain(column: Column, value: bytes, is_id: bool) -> bool:
    if column.element is not None:
        return column.element in _SHOWN_ELEMENTS
    if column.category in _SHOWN_CATEGORIES or column.kind == "e" or column.base == "uuid":
        return True
    return is_id and column.category == "S" and _ID.fullmatch(value) is not None


def ids(table: Table) -> set[str]:
    """Columns that identify a row of this or another table."""
    declared = {name for key in table.foreign_keys for name in key.columns}
    return declared | {
        column.name
        for column in table.columns
        if column.name == "id" or column.name.endswith("_id")
    }
