"""Look-ups that workers do themselves, with the keys of the rows that they convert.

A look-up of one column in a small table whose key is unique needs no join: each worker reads the
small table. So the table of the documents is not read once more for its keys.
"""

from collections.abc import Iterator, Mapping

from mediatool_assets.domain.model import AdditionVerb
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import AddedField
from mediatool_assets.flows.transform.gather_shares import BlockColumns
from mediatool_assets.flows.transform.gathering import GatherRequest, key_of
from mediatool_assets.flows.transform.slots import JoinMatch, Slots

ROWS = 4096
"""Rows of a small table: each share of documents reads all of them."""

_NO_KEY = [JoinMatch(None, 0, 0)]
_UNRESOLVED = [JoinMatch(None, 1, 0)]


def is_direct(added: AddedField, rows: Mapping[str, int]) -> bool:
    """Whether workers do this look-up; ``rows`` are the numbers of rows of all tables."""
    if added.verb is not AdditionVerb.LOOK_UP or len(added.path) > 1:
        return False
    (arrow,) = added.path
    if arrow.each or arrow.caseless or len(arrow.columns) > 1:
        return False
    return arrow.unique and rows.get(arrow.table.name, 0) <= ROWS


class DirectLookUps:
    """The look-ups of one share, by slot; ``where`` names the archive, for messages."""

    def __init__(
        self, table: Table, lookups: Mapping[str, AddedField], slots: Slots, where: str
    ) -> None:
        columns = {slot: added.path[0].columns[0] for slot, added in lookups.items()}
        need = GatherRequest(table, keys=set(columns.values()))
        self._columns, self._names = BlockColumns(need, where), need.schema().names
        self._lookups = [
            (slot, key_of(columns[slot]), _matches(slots.ordinals(added.path[0])))
            for slot, added in lookups.items()
        ]

    def found(self, content: bytes, first: int) -> Iterator[tuple[str, dict[int, list[JoinMatch]]]]:
        """For each slot, what is found for the rows of a block, by ordinal; raises BadArchive.

        ``first`` is the ordinal of the block's first row.
        """
        arrays = dict(zip(self._names, self._columns.arrays(content, first), strict=True))
        for slot, name, matches in self._lookups:
            keys = arrays[name].to_pylist()
            yield slot, {at: matches.get(key, _UNRESOLVED) for at, key in enumerate(keys, first)}


def _matches(ordinals: Mapping[str, int]) -> dict[str | None, list[JoinMatch]]:
    return {None: _NO_KEY} | {key: [JoinMatch(at, 0, 0)] for key, at in ordinals.items()}
