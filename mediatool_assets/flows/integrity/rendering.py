"""The report for people: one HTML file, Markdown, and all three forms together."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from mediatool_assets.domain import integrity as report_file
from mediatool_assets.domain.errors import DamagedInput
from mediatool_assets.domain.integrity import OUTCOMES, Defect, Integrity, Line, headline
from mediatool_assets.domain.outcome import Figure, Finding
from mediatool_assets.domain.outcome import Figure as CheckFigure
from mediatool_assets.flows import reports
from mediatool_assets.flows.compare.wording import value as shown
from mediatool_assets.flows.page.charts import DEFECTS, bars, legend
from mediatool_assets.flows.page.document import cards, folded, heading, page, paragraph, section
from mediatool_assets.flows.page.figures import number
from mediatool_assets.flows.page.formats import Format
from mediatool_assets.flows.page.history import history
from mediatool_assets.flows.page.markdown import section as markdown_section
from mediatool_assets.flows.page.tables import Cell, Number, OutcomeCell, table, whole
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports import ReportForms

REPORT: Literal["data-integrity-report"] = "data-integrity-report"

_SHOWN = 100  # lines that did not pass, in Markdown; the JSON has them all
_AREAS = {
    "stores": "Are the stores there, and the ones that the metadata speaks of?",
    "counts": "As many rows and documents everywhere?",
    "fingerprints": "The same content everywhere?",
    "values": "Is every value what the source had?",
    "losses": "What can MongoDB not hold as it was?",
    "copies": "Do copied fields say what they are copied from?",
    "references": "Do references find their rows?",
    "duplicates": "Is every key there once?",
    "soft deletes": "How much is flagged as deleted?",
    "indexes": "Are the indexes there?",
    "structure": "Are collections, tables and validators as declared?",
}


def render(report: Integrity, wanted: Format) -> bytes:
    """The report in the wanted format."""
    match wanted:
        case "json":
            return report_file.encode(report)
        case "html":
            return html(report).encode()
        case "markdown":
            return markdown(report).encode()


def written(report: Integrity) -> ReportForms:
    """All three forms, and the figures that Dagster plots over days."""
    known = {name: figure for name, figure in report.figures.items() if figure is not None}
    figures: dict[str, str | int | float] = {
        "verdict": report.verdict,
        "seconds": report.seconds,
        "sample_percent": 100 if report.sample is None else report.sample,
        **{f"checks_{outcome}": report.outcomes.get(outcome, 0) for outcome in OUTCOMES},
        **known,
    }
    return ReportForms(report, html(report), markdown(report), figures)


def judged(objects: ObjectStore, partition: str) -> Finding:
    """What a day's report says, for the check of its asset; raises NotFound, DamagedInput."""
    try:
        report = report_file.decode(reports.read(objects, REPORT, partition))
    except msgspec.DecodeError as error:
        raise DamagedInput(
            f"the {REPORT} of {partition} cannot be read ({error}); materialize it again"
        ) from error
    wrong = [f"{line.thing}: {line.reason or line.checked}" for line in _wrong(report)]
    reason = "; ".join([headline(report), *wrong[:10]])
    figures: dict[str, CheckFigure] = {f"checks_{o}": n for o, n in report.outcomes.items()}
    return Finding(report.verdict, reason, {"version": report.version, **figures})


def _wrong(report: Integrity) -> list[Line]:
    return [line for line in report.lines if line.outcome != "passed"]


def html(report: Integrity) -> str:
    """One self-contained file."""
    return page(f"Data integrity of {report.version}", _parts(report))


def _parts(report: Integrity) -> Iterator[str]:
    title = f"Data integrity of {report.version}"
    small = f"Read at {report.at}, in {report.seconds:,.1f} s."
    yield heading(title, report.verdict, headline(report), small)
    yield cards((name.capitalize(), _text(value), "") for name, value in report.figures.items())
    wrong = _wrong(report)
    yield section("What did not pass", table(_HEADINGS, map(_cells, wrong)))
    yield section("Which rows", table(_DEFECTS, _defects(wrong)))
    yield section("Where rows are missing or wrong", _rows_chart(report))
    yield history(report.history)
    yield section("In short", table(("Question", *OUTCOMES), _summary(report)))
    for area, question in _AREAS.items():
        lines = [line for line in report.lines if line.area == area]
        if lines:
            how = paragraph("; ".join(dict.fromkeys(f"How: {line.how}" for line in lines)))
            says = f"{area}: {len(lines):,} checks"
            yield folded(question, says, how, table(_HEADINGS, map(_cells, lines)))


def _rows_chart(report: Integrity) -> str:
    """Rows that one store has and another has not, or has otherwise, by table."""
    counts = [
        (line.thing, {kind: int(line.figures.get(kind) or 0) for kind in DEFECTS})
        for line in report.lines
        if line.area == "values" and DEFECTS[0] in line.figures
    ]
    if not counts:
        return ""
    chart = bars([row for row in counts if any(row[1].values())])
    said = "No row was found missing, too many or other than it was."
    return legend(DEFECTS) + chart if chart else paragraph(said)


_HEADINGS = ("Outcome", "Of", "Checked", "Figures", "Reason", "Seconds")
_DEFECTS = ("Table", "Key", "What", "Where", "Column or field", "Expected", "Found")


def _cells(line: Line) -> Sequence[Cell]:
    figures = ", ".join(f"{name} {_text(value)}" for name, value in line.figures.items())
    seconds = Number(line.seconds, f"{line.seconds:.3f}")
    return OutcomeCell(line.outcome), line.thing, line.checked, figures, line.reason, seconds


def _defects(lines: Iterable[Line]) -> Iterator[Sequence[str]]:
    return (_defect(defect) for line in lines for defect in line.defects)


def _defect(defect: Defect) -> Sequence[str]:
    return (
        defect.table,
        ", ".join(f"{name} = {shown(value)}" for name, value in defect.key.items()),
        defect.what,
        defect.store,
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
            yield question, *map(whole, counts)


def _text(value: Figure) -> str:
    return number(value) if isinstance(value, int) else "–" if value is None else str(value)


def markdown(report: Integrity) -> str:
    """The verdict, what did not pass, and how many checks there were of what."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Integrity) -> Iterator[str]:
    yield f"# Data integrity of {report.version}: {report.verdict}"
    yield ""
    yield headline(report)
    wrong = _wrong(report)
    rows = [(x.outcome, x.area, x.thing, x.reason) for x in wrong[:_SHOWN]]
    yield from markdown_section("What did not pass", ("outcome", "area", "of", "reason"), rows)
    if len(wrong) > _SHOWN:
        yield f"and {len(wrong) - _SHOWN:,} more"
    yield from markdown_section("Which rows", _DEFECTS, list(_defects(wrong))[:_SHOWN])
    summary = ([_plain(cell) for cell in row] for row in _summary(report))
    yield from markdown_section("In short", ("question", *OUTCOMES), summary)


def _plain(cell: Cell) -> str:
    return cell.text if isinstance(cell, Number) else str(cell)
