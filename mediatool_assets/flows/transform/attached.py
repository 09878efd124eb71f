"""What the joins found for the rows of one share, put beside the rows' own columns."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from orjson import loads

from mediatool_assets.domain.errors import BadValue
from mediatool_assets.domain.model import Verb
from mediatool_assets.domain.resolution import AddedField, DocumentShape
from mediatool_assets.flows.transform.counts import Counts
from mediatool_assets.flows.transform.documents import Documents, added_key
from mediatool_assets.flows.transform.losses import Losses, uncounted
from mediatool_assets.flows.transform.rows import Row, parse
from mediatool_assets.flows.transform.values import converter


class Found(NamedTuple):
    """One row of a slot, for one owner."""

    owner: int
    value: str | None
    child: int | None
    unresolved: int
    ambiguous: int


class Slots:
    """The slots' rows of one range of root ordinals."""

    def __init__(self, files: Mapping[str, Path], first: int, rows: int) -> None:
        self._files, self._first, self._rows = files, first, rows
        self._db = duckdb.connect(config={"threads": 1, "memory_limit": "128MB"})

    def by_owner(self, slot: str) -> dict[int, list[Found]]:
        """What was found, in order, by the owner's ordinal."""
        found: dict[int, list[Found]] = {}
        for row in self._rows_of(slot):
            found.setdefault(row.owner, []).append(row)
        return found

    def positions(self, slot: str) -> dict[int, int]:
        """The slot's positions by owner."""
        return {
            int(owner): int(position)
            for owner, position in self._read(slot, "owner, position", "owner")
        }

    def only(self, file: Path) -> set[int]:
        """The ordinals of the range that a file names."""
        query = "SELECT o FROM read_parquet(?) WHERE o >= ? AND o < ?"
        rows = self._db.execute(query, [str(file), self._first, self._first + self._rows])
        return {int(ordinal) for (ordinal,) in rows.fetchall()}

    def _rows_of(self, slot: str) -> Iterator[Found]:
        columns = "owner, value, child, unresolved, ambiguous"
        order = "root, owner, position, value"
        yield from map(Found._make, self._read(slot, columns, order))

    def _read(self, slot: str, columns: str, order: str) -> Iterator[tuple[Any, ...]]:
        query = (
            f"SELECT {columns} FROM read_parquet(?) WHERE root >= ? AND root < ? ORDER BY {order}"  # noqa: S608  # our own words
        )
        end = self._first + self._rows
        result = self._db.execute(query, [str(self._files[slot]), self._first, end])
        while batch := result.fetchmany(8192):
            yield from batch


class Attached:
    """The added fields of one shape, for the rows of one range."""

    def __init__(
        self, place: str, shape: DocumentShape, slots: Slots, losses: Losses, counts: Counts
    ) -> None:
        self._fields = [
            _Field(f"{place}.{added.field}", added, slots, losses, counts)
            for added in shape.additions
        ]

    def complete(self, row: Row, ordinal: int) -> None:
        """Put the values of all added fields into a row."""
        for field in self._fields:
            row[field.key] = field.value(row, ordinal)


class _Field:
    """One added field: its rows from the joins, and what becomes of them."""

    def __init__(
        self, slot: str, added: AddedField, slots: Slots, losses: Losses, counts: Counts
    ) -> None:
        self.key = added_key(added.field)
        self._slot, self._added, self._counts = slot, added, counts
        self._found = slots.by_owner(slot)
        self._taken: dict[str, Any] = {}
        self._parts = [
            (part.field, part.column.name, converter(part.column, part.type, uncounted))
            for part in added.take
        ]
        self._target = added.path[-1].table
        if added.shape is not None:
            self._documents = Documents(added.shape, losses, root=False)
            self._attached = Attached(slot, added.shape, slots, losses, counts)

    def value(self, row: Row, owner: int) -> Any:
        """The field's value for one row."""
        found = self._found.get(owner, [])
        for item in found:
            if item.unresolved:
                self._counts.unresolved[self._slot] += 1
            if item.ambiguous:
                self._counts.ambiguous[self._slot] += 1
        match self._added.verb:
            case Verb.COUNT:
                return int(found[0].value or 0) if found else 0
            case Verb.LOOK_UP:
                return self._looked_up(row, found)
            case Verb.UNION:
                return [self._take(item.value) for item in found if item.value is not None]
            case Verb.FOLD:
                self._counts.homes["folded", self._target.name] += len(found)
                return [self._take(item.value) for item in found]
            case Verb.EMBED_MANY:
                return [self._embed(item) for item in found]
            case Verb.EMBED_ONE:
                return self._embed(found[0]) if found else None

    def _looked_up(self, row: Row, found: list[Found]) -> Any:
        first = self._added.path[0]
        if not first.each:
            return self._take(found[0].value) if found else None
        array = row[first.columns[0]]
        if type(array) is not list:
            self._counts.unresolved[self._slot] += array is not None
            return None
        return [self._take(item.value) for item in found]

    def _take(self, text: str | None) -> Any:
        """The taken columns, converted once for each different text."""
        if text is None:
            return None
        if text not in self._taken:
            taken = {}
            for (field, column, convert), value in zip(self._parts, loads(text), strict=True):
                try:
                    taken[field] = value if value is None or convert is None else convert(value)
                except ValueError as error:
                    table, problem = self._target.name, f"cannot become {self._slot} ({error})"
                    raise BadValue(table, text, column, value, problem) from error
            self._taken[text] = taken.popitem()[1] if self._added.bare else taken
        return self._taken[text]

    def _embed(self, item: Found) -> dict[str, Any]:
        row = parse((item.value or "").encode(), self._target)
        self._attached.complete(row, item.child or 0)
        self._counts.homes["embedded", self._target.name] += 1
        return self._documents.document(row)
