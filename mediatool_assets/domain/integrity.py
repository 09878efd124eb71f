"""The integrity report of one version: its lines, defects and verdict.

A line reports one check of one table or collection. If something could not be read, the line is
unknown, which does not count as passed. If what was read is wrong, it has failed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from mediatool_assets.domain.json_documents import JsonDocument
from mediatool_assets.domain.metrics import ChartPoint
from mediatool_assets.domain.outcome import Figure, Finding, Outcome

OUTCOMES: tuple[Outcome, ...] = ("passed", "unknown", "failed")
"""The outcomes of a line, from best to worst."""

Area = Literal[
    "stores",
    "counts",
    "fingerprints",
    "values",
    "losses",
    "copies",
    "references",
    "duplicates",
    "soft deletes",
    "indexes",
    "structure",
]

EXAMPLES = 20
"""The most rows named for one kind of defect of one table; all of them are counted."""


NO_VALUE = msgspec.Raw(b"null")
"""JSON's null: the value is null, or there is no value."""


class Defect(msgspec.Struct, frozen=True, omit_defaults=True):
    """One wrong row in ``store``, or one wrong value of it.

    ``key`` is the key of its table. ``column`` is a column of the table; ``field`` is the
    document's field if only that has a name. ``expected`` and ``found`` are JSON if a column
    ``differs``; hidden values are ``{"hidden": true, "length": n}``. A ``missing`` row is only in
    the raw archive, a ``surplus`` row only in the store.
    """

    what: Literal["missing", "surplus", "differs", "orphan", "duplicate"]
    store: str
    table: str
    key: dict[str, msgspec.Raw]
    column: str | None = None
    field: str | None = None
    expected: msgspec.Raw = NO_VALUE
    found: msgspec.Raw = NO_VALUE

    @property
    def has_values(self) -> bool:
        """Whether ``expected`` and ``found`` are set."""
        return self.what == "differs" and self.column is not None


@dataclass(frozen=True, slots=True)
class RowFinding(Finding):
    """A finding, and the rows that it names."""

    defects: tuple[Defect, ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was checked, how, and the result; ``seconds`` are the workers' time."""

    area: Area
    thing: str
    checked: str
    how: str
    outcome: Outcome
    reason: str = ""
    figures: dict[str, Figure] = {}
    seconds: float = 0.0
    defects: tuple[Defect, ...] = ()


class Integrity(msgspec.Struct, JsonDocument, frozen=True):
    """The report. ``sample`` is the percentage of rows compared by value, null for all rows.

    ``lines`` starts with the failed ones, then the unknown ones; ``outcomes`` counts them.
    ``history`` holds the last versions, up to this one.
    """

    version: str
    at: str
    seconds: float
    verdict: Outcome
    sample: float | None
    outcomes: dict[str, int]
    figures: dict[str, Figure]
    lines: tuple[Line, ...]
    history: tuple[ChartPoint, ...] = ()


def ordered(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The worst first, otherwise in the given order."""
    return tuple(sorted(lines, key=lambda line: -OUTCOMES.index(line.outcome)))


def headline(report: Integrity) -> str:
    """One sentence for a person."""
    counts = ", ".join(f"{report.outcomes.get(outcome, 0):,} {outcome}" for outcome in OUTCOMES)
    shares = "every row" if report.sample is None else f"{report.sample:g} % of the rows"
    return f"{len(report.lines):,} checks: {counts}; {shares} compared by value."


def equal(held: Mapping[str, Figure], problems: Mapping[str, str] | None = None) -> Finding:
    """Whether all stores have the same figure; ``problems`` says why a store's figure is unknown.

    Two different figures fail, even if a third is unknown.
    """
    known = {figure for figure in held.values() if figure is not None}
    if len(known) > 1:
        return Finding("failed", "; ".join(f"{store}: {figure}" for store, figure in held.items()))
    unknown = [store for store, figure in held.items() if figure is None]
    if unknown or not known:
        reasons = ((problems or {}).get(store, f"{store} is unknown") for store in unknown)
        return Finding("unknown", "; ".join(reasons))
    return Finding("passed")


def compared(counts: tuple[int, int, int], named: Iterable[Defect]) -> Finding:
    """The numbers of missing, surplus and different rows, and the columns of the examples."""
    missing, surplus, differing = counts
    if not (missing or surplus or differing):
        return Finding("passed")
    fields = sorted({d.column or d.field or "" for d in named if d.what == "differs"} - {""})
    where = f" in {', '.join(fields)}" if fields else ""
    said = ((missing, "missing"), (surplus, "too many"), (differing, f"different{where}"))
    return Finding("failed", "; ".join(f"{count:,} {what}" for count, what in said if count))


def referenced(orphans: int, *, declared: bool, expected: int | None) -> Finding:
    """References that find no row: 0 if a foreign key is declared, otherwise ``expected``.

    ``expected`` is the transform's count; None if it counts something else.
    """
    if declared and orphans:
        reason = f"{orphans:,} references find no row, although a foreign key is declared"
        return Finding("failed", reason)
    if expected is not None and orphans != expected:
        reason = f"{orphans:,} references find no row; the transform counted {expected:,}"
        return Finding("failed", reason)
    return Finding("passed", f"{orphans:,} references find no row" if orphans else "")


def percent_of(part: int, whole: int) -> float | None:
    """Percent; None if ``whole`` is 0."""
    return round(100 * part / whole, 4) if whole else None
