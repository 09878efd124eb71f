"""The integrity report as a page, and the result of its asset check."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from mediatool_assets import pages as storage
from mediatool_assets.compare.report import keyed
from mediatool_assets.compare.report import value as shown
from mediatool_assets.core.errors import DamagedInput
from mediatool_assets.core.outcomes import Figure, Finding
from mediatool_assets.integrity.plan import OUTCOMES, Defect, Integrity, Line, headline
from mediatool_assets.pages import (
    BarChart,
    Card,
    Cell,
    Folded,
    Format,
    Grid,
    Number,
    OutcomeCell,
    Page,
    ReportForms,
    Section,
    count_cell,
    grid,
    history,
    number,
    rendered,
)
from mediatool_assets.stores.ports import ObjectStore

REPORT: Literal["data-integrity-report"] = "data-integrity-report"

_KINDS = ("surplus", "missing", "differs")
_AREAS = {
    "stores": "Do the stores exist, and are they those that the metadata names?",
    "counts": "Do all stores have the same number of rows and documents?",
    "fingerprints": "Do all stores have the same content?",
    "values": "Does every value equal the source's?",
    "losses": "Which values can MongoDB not represent exactly?",
    "copies": "Do copied fields equal what they are copied from?",
    "references": "Do references find their rows?",
    "duplicates": "Is every key unique?",
    "soft deletes": "How much is flagged as deleted?",
    "indexes": "Do the indexes exist?",
    "structure": "Are collections, tables and validators as declared?",
}


def render(report: Integrity, wanted: Format) -> bytes:
    """The report in the wanted format."""
    return rendered(wanted, report.to_json(), page(report))


def written(report: Integrity) -> ReportForms:
    """The report in all formats, and the figures that Dagster plots."""
    known = {name: figure for name, figure in report.figures.items() if figure is not None}
    figures: dict[str, str | int | float] = {
        "verdict": report.verdict,
        "seconds": report.seconds,
        "sample_percent": 100 if report.sample is None else report.sample,
        **{f"checks_{outcome}": report.outcomes.get(outcome, 0) for outcome in OUTCOMES},
        **known,
    }
    return ReportForms(report, page(report), figures)


def judged(objects: ObjectStore, partition: str) -> Finding:
    """The finding of a day's report, for its asset check; raises NotFound, DamagedInput."""
    try:
        report = Integrity.from_json(storage.read(objects, REPORT, partition))
    except msgspec.DecodeError as error:
        raise DamagedInput(
            f"the {REPORT} of {partition} cannot be read ({error}); materialize it again"
        ) from error
    wrong = [f"{line.thing}: {line.reason or line.checked}" for line in _wrong(report)]
    reason = "; ".join([headline(report), *wrong[:10]])
    figures: dict[str, Figure] = {f"checks_{o}": n for o, n in report.outcomes.items()}
    return Finding(report.verdict, reason, {"version": report.version, **figures})


def page(report: Integrity) -> Page:
    """The whole report."""
    wrong = _wrong(report)
    compared = any(line.area == "values" and "surplus" in line.figures for line in report.lines)
    no_defect = "No row is missing, too many or different." if compared else ""
    return Page(
        f"Data integrity of {report.version}",
        report.verdict,
        headline(report),
        [f"Read at {report.at}, in {report.seconds:,.1f} s."],
        [Card(name.capitalize(), _text(value)) for name, value in report.figures.items()],
        [
            Section("What did not pass", [_lines(wrong)], detail="summary"),
            Section("Which rows", [_defects(wrong)], detail="summary"),
            Section(
                "Where rows are missing or wrong",
                [_rows_chart(report)],
                otherwise=no_defect,
                detail="full",
            ),
            history(report.history),
            Section("In short", [grid(("Question", *OUTCOMES), _summary(report))]),
            Section("All checks", list(_areas(report)), detail="full"),
        ],
    )


def _wrong(report: Integrity) -> list[Line]:
    return [line for line in report.lines if line.outcome != "passed"]


def _areas(report: Integrity) -> Iterator[Folded]:
    for area, question in _AREAS.items():
        lines = [line for line in report.lines if line.area == area]
        if lines:
            how = "; ".join(dict.fromkeys(f"How: {line.how}" for line in lines))
            yield Folded(question, f"{area}: {len(lines):,} checks", [how, _lines(lines)])


def _rows_chart(report: Integrity) -> BarChart:
    """Rows that are missing, surplus or different in one store, by table."""
    return BarChart(
        [
            (line.thing, {kind: int(line.figures.get(kind) or 0) for kind in _KINDS})
            for line in report.lines
            if line.area == "values"
        ]
    )


def _lines(lines: Iterable[Line]) -> Grid:
    headings = ("Outcome", "Area", "Of", "Checked", "Figures", "Reason", "Seconds")
    return grid(headings, map(_line, lines))


def _line(line: Line) -> Sequence[Cell]:
    figures = ", ".join(f"{name} {_text(value)}" for name, value in line.figures.items())
    seconds = Number(line.seconds, f"{line.seconds:.3f}")
    outcome = OutcomeCell(line.outcome)
    return outcome, line.area, line.thing, line.checked, figures, line.reason, seconds


def _defects(lines: Iterable[Line]) -> Grid:
    headings = ("Store", "Table", "Key", "What", "Column or field", "Expected", "Found")
    return grid(headings, (_defect(defect) for line in lines for defect in line.defects))


def _defect(defect: Defect) -> Sequence[str]:
    return (
        defect.store,
        defect.table,
        keyed(defect.key),
        defect.what,
        defect.column or defect.field or "",
        *(map(shown, (defect.expected, defect.found)) if defect.has_values else ("", "")),
    )


def _summary(report: Integrity) -> Iterator[Sequence[Cell]]:
    for area, question in _AREAS.items():
        counts = [
            sum(line.area == area and line.outcome == outcome for line in report.lines)
            for outcome in OUTCOMES
        ]
        if any(counts):
            yield question, *map(count_cell, counts)


def _text(value: Figure) -> str:
    return number(value) if isinstance(value, int) else "–" if value is None else str(value)
