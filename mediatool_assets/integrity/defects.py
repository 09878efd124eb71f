"""Names defects: finds rows that differ by their digests, and gives their key and column.

The rules for showing values are those of comparisons. Numbers, dates, labels and ids are shown
unless a masking rule changes them; of texts and documents only the length is shown.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec
import orjson

from mediatool_assets.archive.grouping import block_shares
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.integrity import EXAMPLES, Defect
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import DocumentShape
from mediatool_assets.flows.compare.examples import hidden, ids, masked, shown
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.integrity.canonical import (
    ABSENT,
    BINARY,
    DATE,
    DECIMAL,
    LONG,
    Canonical,
    dumps,
    key_text,
    plain,
)
from mediatool_assets.flows.integrity.context import ReportContext
from mediatool_assets.flows.integrity.digest_join import Kind, Mismatch
from mediatool_assets.flows.integrity.readers import (
    Found,
    TableLines,
    Texts,
    WantedRows,
    find_documents,
    find_raw,
)
from mediatool_assets.flows.integrity.row_layout import Digest, RowLayout
from mediatool_assets.flows.workers.ordered_results import in_order

OWNER = "(the document that it is in)"
"""The name of the field in a defect of an embedded row that is not in its owner's document."""

Places = dict[Digest, Found]
_ABSENT = b'"(absent)"'
_UUID = 4  # the binary subtype of UUIDs


def keys_of(
    context: ReportContext, table: str, mismatch: Mismatch
) -> Collection[dict[str, msgspec.Raw]]:
    """The keys of the examples, from the raw archive."""
    if not mismatch.examples:
        return ()
    layout = context.plan.layout(table)
    lines = raw_lines(context.raw.store.required(), layout.table)
    names = RowNames(layout, context.masking)
    found = find_rows(context, lines, layout, [mismatch])
    return {row[0]: names.key(row[1], row[2]) for row in found}.values()


def document_defects(
    context: ReportContext, layout: RowLayout, found: dict[Kind, Mismatch]
) -> tuple[Defect, ...]:
    """Examples of rows that the documents lack, have twice, or have with other values."""
    wanted = _wanted(found.values())
    if not wanted.digests:
        return ()
    lines = raw_lines(context.raw.store.required(), layout.table)
    raw = find_rows(context, lines, layout, found.values())
    table, part = layout.table.name, context.documents.store.part
    shares = [
        (share, table, wanted)
        for _, _, share in context.documents.shares
        if share.collection is not None and table in set(_tables(share.collection.shape))
    ]
    with in_order(context.run.executor, find_documents, shares) as results:
        there = [row for some in results for row in some]
    return RowNames(layout, context.masking).defects(part, found, raw, there)


def raw_lines(archive: ArchiveReader, table: Table) -> list[TableLines]:
    """A table of the raw archive, in shares."""
    source, member = ArchiveReader(archive.source), archive.manifest.tables().get(table.name)
    blocks = block_shares(member.blocks) if member is not None else ()
    return [TableLines(table, source, tuple(some)) for some in blocks]


def find_rows(
    context: ReportContext,
    lines: Iterable[TableLines],
    layout: RowLayout,
    found: Iterable[Mismatch],
) -> list[Found]:
    """Find the examples among a table's rows; reads nothing if there are none."""
    wanted = _wanted(found)
    shares = [(share, layout, wanted) for share in lines] if wanted.digests else []
    with in_order(context.run.executor, find_raw, shares) as results:
        return [row for some in results for row in some]


def _wanted(found: Iterable[Mismatch]) -> WantedRows:
    digests = frozenset(key for each in found for key in each.examples)
    return WantedRows(digests, 4 * EXAMPLES * max(1, len(digests)))


def _tables(shape: DocumentShape) -> Iterator[str]:
    yield shape.table.name
    for added in shape.additions:
        if added.verb.is_home:
            yield added.path[0].table.name
        if added.shape is not None:
            yield from _tables(added.shape)


class RowNames:
    """Names rows of one table, and the columns in which they differ."""

    def __init__(self, layout: RowLayout, masking: Masking | None = None) -> None:
        self._layout = layout
        self._ids = ids(layout.table) | {*layout.key}
        self._masks = masking.columns(layout.table, _key(layout)) if masking is not None else {}

    def defects(
        self, store: str, found: dict[Kind, Mismatch], raw: Sequence[Found], there: Sequence[Found]
    ) -> tuple[Defect, ...]:
        """Every example with its key; for a row that differs, each column that differs."""
        ours, theirs = {row[0]: row for row in raw}, {row[0]: row for row in there}
        return (
            *self._alone(store, found, ours, theirs),
            *self._differing(store, found, ours, theirs),
        )

    def key(self, row: Sequence[Any], raw: Texts) -> dict[str, msgspec.Raw]:
        """The values that identify a row: its table's key, or all columns."""
        layout = self._layout
        key = _key(layout)
        values = dict(zip(layout.names, plain(list(row)), strict=False))
        return {
            name: self._shown(
                name,
                raw[name] if name in raw else _json(values[name]),
                is_id=not layout.folded or name in self._ids,
            )
            for name in key or layout.names
        }

    def _alone(
        self, store: str, found: dict[Kind, Mismatch], raw: Places, there: Places
    ) -> Iterator[Defect]:
        alone: tuple[tuple[Literal["missing", "surplus"], Places], ...]
        alone = (("missing", raw), ("surplus", there))
        for what, side in alone:
            for digest in found[what].examples:
                key = self.key(*side[digest][1:]) if digest in side else {}
                yield Defect(what, store, self._layout.table.name, key)

    def _differing(
        self, store: str, found: dict[Kind, Mismatch], raw: Places, there: Places
    ) -> Iterator[Defect]:
        table, names = self._layout.table.name, self._layout.names
        for digest in found["differs"].examples:
            if digest not in raw or digest not in there:
                continue
            key = self.key(*raw[digest][1:])
            for name, before, after in self._columns(raw[digest], there[digest]):
                yield Defect("differs", store, table, key, name, expected=before, found=after)
            linked, fields = there[digest][1][len(names) :]
            for field in [*fields, *(() if linked else (OWNER,))]:
                yield Defect("differs", store, table, key, field=field)

    def _columns(self, raw: Found, there: Found) -> Iterator[tuple[str, msgspec.Raw, msgspec.Raw]]:
        """The columns in which two rows differ, with both values as far as they may be shown."""
        ours, theirs = plain(raw[1]), plain(there[1])
        for at, name in enumerate(self._layout.names):
            exact = _exactly(raw[2], there[2], name)
            if exact is None and dumps([ours[at]]) == dumps([theirs[at]]):
                continue
            before, after = exact or (_json(ours[at]), _json(theirs[at]))
            text = exact is None and type(theirs[at]) is str and type(ours[at]) is not str
            is_id = name in self._ids
            found = hidden(after) if text else self._shown(name, after, is_id=is_id)
            yield name, self._shown(name, before, is_id=is_id), found

    def _shown(self, name: str, value: bytes, *, is_id: bool) -> msgspec.Raw:
        column = self._layout.table.column(name)
        if name in self._masks and value != _ABSENT:
            return masked(self._masks[name], value)
        return msgspec.Raw(value) if value == _ABSENT else shown(column, value, is_id=is_id)


def _key(layout: RowLayout) -> tuple[str, ...]:
    """The columns of the table's key that its documents contain."""
    return tuple(name for name in layout.key or layout.table.primary_key if name in layout.names)


def _exactly(raw: Texts, there: Texts, name: str) -> tuple[bytes, bytes] | None:
    """The texts of both values, if both are from JSON and differ, such as 1.0 and 1.00."""
    if name not in raw or name not in there or raw[name] == there[name]:
        return None
    return raw[name], there[name]


def _json(value: Canonical) -> bytes:  # noqa: PLR0911  # one for each type
    """A value in about the form of the raw archive, for display."""
    match value:
        case [str(kind)] if kind == ABSENT:
            return _ABSENT
        case [str(kind), str(digits)] if kind == DECIMAL:
            return orjson.dumps(f"{Decimal(digits):f}")
        case [str(kind), int(number)] if kind == LONG:
            return orjson.dumps({"$numberLong": str(number)})  # as MongoDB writes it, unlike int32
        case [str(kind), int(milliseconds)] if kind == DATE:
            return orjson.dumps(_moment(milliseconds))
        case [str(kind), str(digits)] if kind == f"{BINARY}{_UUID}" and len(digits) == 32:
            return orjson.dumps(str(UUID(digits)))
        case [str(kind), _] if kind.startswith("\0"):
            return orjson.dumps(key_text(value))
        case _:
            return dumps(value)


def _moment(milliseconds: int) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms"
    return moment.isoformat(timespec="milliseconds")
