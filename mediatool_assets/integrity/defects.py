"""Names defects: finds rows that differ by their digests, and gives their key and column.

The rules for showing values are those of comparisons. Numbers, dates, labels and ids are shown
unless a masking rule changes them; of texts and documents only the length is shown.

The context of all lines of a report: the stores as they were read.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec
import orjson

from mediatool_assets.archive.reader import ArchiveReader, block_shares
from mediatool_assets.compare.pairing import hidden, ids, masked, shown
from mediatool_assets.compare.row_digests import Masking
from mediatool_assets.core.errors import DamagedInput, Refused, Unreachable
from mediatool_assets.core.manifest import Fingerprint, Member
from mediatool_assets.core.outcomes import Finding
from mediatool_assets.core.resolution import Resolution
from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.core.shapes import DocumentShape
from mediatool_assets.integrity.digest_join import Kind, Mismatch
from mediatool_assets.integrity.expected_values import (
    ABSENT,
    BINARY,
    DATE,
    DECIMAL,
    LONG,
    Canonical,
    Digest,
    RowLayout,
    dumps,
    key_text,
    plain,
)
from mediatool_assets.integrity.plan import EXAMPLES, Area, Defect, Line, ReportPlan, RowFinding
from mediatool_assets.integrity.readers import (
    DocumentShare,
    Found,
    ShareResult,
    TableLines,
    Texts,
    WantedRows,
    find_documents,
    find_raw,
)
from mediatool_assets.verify.flow import ArchiveReading, MongoReading, PostgresReading, Verification
from mediatool_assets.work import in_order

Work = TypeVar("Work")

_OF_THE_MODEL = ("values", "losses", "copies", "references", "soft deletes", "indexes")
"""Areas in which documents are compared with the model."""

RESTORED = " in PostgreSQL"
"""The suffix of the names of lines about restored tables."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Reads the stores in the executor's workers; their files of digests go to ``scratch``."""

    run: Verification
    scratch: Path
    numbers: Iterator[int] = field(default_factory=count)

    def path(self) -> Path:
        """A new file name in the scratch folder."""
        return self.scratch / f"{next(self.numbers):06}"

    def read(
        self,
        step: str,
        work: Callable[[Work], ShareResult],
        shares: Sequence[tuple[str, int, Work]],
    ) -> dict[str, ShareResult]:
        """Read all shares, and sum them up by thing; the arguments are ``(thing, rows, share)``."""
        found: dict[str, ShareResult] = {}
        done, total = 0, sum(rows for _, rows, _ in shares)
        with in_order(self.run.executor, work, [share for _, _, share in shares]) as results:
            for (thing, rows, _), read in zip(shares, results, strict=True):
                found.setdefault(thing, ShareResult()).add(read)
                done += rows
                self.run.progress(step, done, total)
        return found


@dataclass(slots=True)
class ReadArchive:
    """An archive, with the results of reading its tables or collections, and any ``schema``."""

    store: ArchiveReading
    read: dict[str, ShareResult] = field(default_factory=dict)
    schema: Schema = field(default_factory=lambda: Schema("", ()))

    @property
    def members(self) -> dict[str, Member]:
        """The files of its tables and collections; none if the archive cannot be read."""
        manifest = self.store.manifest
        return manifest.tables() | manifest.collections() if manifest is not None else {}

    def tables(self) -> Iterable[Table]:
        """The tables with rows in the archive, by name."""
        return [table for table in self.schema.tables if table.name in self.members]

    def of(self, name: str) -> ShareResult:
        """The result of reading a table or collection."""
        return self.read.get(name, ShareResult())

    def problem(self, *names: str) -> str:
        """Why the content of one of these is unknown; empty if all are known."""
        if self.store.reader is None:
            return self.store.problem
        return next((p for name in names if (p := self.of(name).problem)), "")


@dataclass(slots=True)
class ReadDocuments:
    """The documents that are compared with the raw rows, each of them read.

    They are those of the MongoDB database; of the transformed archive if the version has no
    database. ``all`` is what they held together.
    """

    store: MongoReading | ArchiveReading
    read: dict[str, ShareResult] = field(default_factory=dict)
    shares: list[tuple[str, int, DocumentShare]] = field(default_factory=list)
    all: ShareResult = field(default_factory=ShareResult)

    @property
    def where(self) -> str:
        """Where the documents are, for people."""
        return "MongoDB" if self.store.part == "mongodb" else "the transformed archive"


@dataclass(slots=True)
class RestoredRows:
    """The restored PostgreSQL database; ``read`` is None if it was not read."""

    store: PostgresReading
    schema: Schema | None = None
    read: dict[str, Fingerprint] | None = None


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The stores of a version, and the plan of what to check.

    ``dump`` and ``mongodb`` are None if the version has no MongoDB database. ``model_problem`` says
    why the model does not explain the documents, if it does not.
    ``is_other_model`` is true if another model than the given one made them.
    """

    workers: Workers
    masking: Masking | None
    resolution: Resolution
    plan: ReportPlan
    model_problem: str
    is_other_model: bool
    raw: ReadArchive
    transformed: ReadArchive
    dump: ReadArchive | None
    mongodb: MongoReading | None
    documents: ReadDocuments
    restored: RestoredRows | None

    @property
    def run(self) -> Verification:
        """What is read, and by which workers."""
        return self.workers.run

    def problem(self, *tables: str) -> str:
        """Why rows of these tables and their documents cannot be compared; empty if they can."""
        return self.raw.problem(*tables) or self.documents.store.problem or self.model_problem

    def line(  # noqa: PLR0913  # the fields of a line, and how it is judged
        self,
        area: Area,
        thing: str,
        checked: str,
        how: str,
        judge: Callable[[], Finding],
        *,
        unknown: str = "",
        seconds: float = 0,
    ) -> Line:
        """A line of the report.

        It is unknown if there is a reason ``unknown``, or if ``judge`` cannot read a store. It is
        also unknown if another model made the documents and they do not match this model.
        ``seconds`` is the time already spent on it.
        """
        began = monotonic()
        try:
            finding = Finding("unknown", unknown) if unknown else judge()
        except (DamagedInput, Unreachable, Refused) as error:
            finding = Finding("unknown", str(error))
        outcome, reason = finding.outcome, finding.reason
        if outcome == "failed" and self.is_other_model and _is_of_the_model(area, thing):
            outcome = "unknown"
            reason = f"another model made the documents (MEDIATOOL_MODEL names it): {reason}"
        return Line(
            area,
            thing,
            checked,
            how,
            outcome,
            reason,
            dict(finding.figures),
            round(seconds + monotonic() - began, 3),
            finding.defects if isinstance(finding, RowFinding) else (),
        )


def _is_of_the_model(area: Area, thing: str) -> bool:
    """True if documents are compared with the model in this line; restored rows are not."""
    if area == "structure":
        return thing == "mongodb"
    return area in _OF_THE_MODEL and not thing.endswith(RESTORED)


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
            for name in [*fields, *(() if linked else (OWNER,))]:
                yield Defect("differs", store, table, key, field=name)

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
