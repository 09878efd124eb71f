"""The integrity report of one version: its lines, defects and verdict.

A line says one thing of one table or collection. What could not be read leaves a line unknown,
which is not passed; what was read and is not as it should be has failed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from mediatool_assets.domain.json_documents import decoded, pretty
from mediatool_assets.domain.metrics import ChartPoint
from mediatool_assets.domain.outcome import Figure, Finding, Outcome

OUTCOMES: tuple[Outcome, ...] = ("passed", "unknown", "failed")
"""Those that a line can have, from best to worst."""

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
"""Rows that are named of one kind of defect of one table; all of them are counted."""


NO_VALUE = msgspec.Raw(b"null")
"""JSON's null: a value that is null, or none to speak of."""


class Defect(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row that is not as it should be in ``store``, or one value of it.

    ``key`` is its table's key. ``column`` is the table's, ``field`` the document's where only that
    has a name. ``expected`` and ``found`` are JSON, where a column of it ``differs``; what may not
    be shown is ``{"hidden": true, "length": n}``. What is ``missing`` is in the raw archive only,
    what is ``surplus`` in the store only.
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
        """Whether ``expected`` and ``found`` say something."""
        return self.what == "differs" and self.column is not None


@dataclass(frozen=True, slots=True)
class RowFinding(Finding):
    """A finding, and the rows that it names."""

    defects: tuple[Defect, ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was checked of one thing, how, and what came of it; ``seconds`` of workers' time."""

    area: Area
    thing: str
    checked: str
    how: str
    outcome: Outcome
    reason: str = ""
    figures: dict[str, Figure] = {}
    seconds: float = 0.0
    defects: tuple[Defect, ...] = ()


class Integrity(msgspec.Struct, frozen=True):
    """The report. ``sample`` is the percentage of rows compared by value, null where all were.

    ``lines`` has the failed ones first, then the unknown ones; ``outcomes`` counts them. The
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
    """The worst first, else as they came."""
    return tuple(sorted(lines, key=lambda line: -OUTCOMES.index(line.outcome)))


def headline(report: Integrity) -> str:
    """One sentence for a person."""
    counts = ", ".join(f"{report.outcomes.get(outcome, 0):,} {outcome}" for outcome in OUTCOMES)
    shares = "every row" if report.sample is None else f"{report.sample:g} % of the rows"
    return f"{len(report.lines):,} checks: {counts}; {shares} compared by value."


def equal(held: Mapping[str, Figure], problems: Mapping[str, str] | None = None) -> Finding:
    """Whether all stores hold the same; ``problems`` says why a store's figure is unknown.

    Two that differ have failed, even if a third is unknown.
    """
    known = {figure for figure in held.values() if figure is not None}
    if len(known) > 1:
        return Finding("failed", "; ".join(f"{store}: {figure}" for store, figure in held.items()))
    unknown = [store for store, figure in held.items() if figure is None]
    if unknown or not known:
        reasons = ((problems or {}).get(store, f"{store} is not known") for store in unknown)
        return Finding("unknown", "; ".join(reasons))
    return Finding("passed")


def compared(counts: tuple[int, int, int], named: Iterable[Defect]) -> Finding:
    """Rows missing, too many and different on one side, and the columns that the examples name."""
    missing, surplus, differing = counts
    if not (missing or surplus or differing):
        return Finding("passed")
    fields = sorted({d.column or d.field or "" for d in named if d.what == "differs"} - {""})
    where = f" in {', '.join(fields)}" if fields else ""
    said = ((missing, "missing"), (surplus, "too many"), (differing, f"different{where}"))
    return Finding("failed", "; ".join(f"{count:,} {what}" for count, what in said if count))


def referenced(orphans: int, *, declared: bool, expected: int | None) -> Finding:
    """References that find no row: none if the database forbids them, else as many as expected.

    ``expected`` is what the transform counted; None if it counts another thing.
    """
    if declared and orphans:
        reason = f"{orphans:,} name no row, and a declared foreign key forbids that"
        return Finding("failed", reason)
    if expected is not None and orphans != expected:
        reason = f"{orphans:,} find no row, and the transform counted {expected:,}"
        return Finding("failed", reason)
    return Finding("passed", f"{orphans:,} find no row" if orphans else "")


def share(part: int, whole: int) -> float | None:
    """Percent; None of nothing."""
    return round(100 * part / whole, 4) if whole else None


def encode(report: Integrity) -> bytes:
    """The JSON report, indented for people."""
    return pretty(report)


def decode(data: bytes) -> Integrity:
    """Read a JSON report; raises msgspec.ValidationError on anything else."""
    return decoded(data, Integrity)
