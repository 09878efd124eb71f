"""The pages of the site other than the reports: its index, and one for each day."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import msgspec

from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.outcome import Outcome
from mediatool_assets.domain.page import (
    Calendar,
    CalendarDay,
    Card,
    Cell,
    Folded,
    Grid,
    LineChart,
    Link,
    Number,
    OutcomeCell,
    Page,
    Section,
    grid,
)
from mediatool_assets.domain.quantities import quantity
from mediatool_assets.domain.registry import RegistryEntry
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.reports.figures import byte_cell, bytes_text, count_cell, number
from mediatool_assets.flows.site.day_reports import DayReport

_SPANS = (30, 90, 365)
_HEADINGS = ("Version", "Verdict", "Rows", "Size", "Minutes", "Purpose", "Marks", "Notes")


class SiteVersion(msgspec.Struct, frozen=True):
    """What the index says of a version; ``bytes`` are of its archives.

    ``verdict`` is the worst of its metrics and its integrity, null if it has no report.
    """

    version: str
    rows: int
    bytes: int
    minutes: float
    purpose: str
    verdict: Outcome | None = None

    @classmethod
    def of(cls, metadata: Metadata, verdict: Outcome | None) -> "SiteVersion":
        """Build it for a complete version."""
        exports = metadata.exports
        return cls(
            metadata.timestamp,
            exports.raw.record_count,
            exports.size_bytes,
            metadata.export_duration_minutes,
            metadata.purpose,
            verdict,
        )

    @property
    def day(self) -> str:
        """Its partition."""
        return Version.parse(self.version).partition

    @property
    def outcome(self) -> str:
        """The verdict as a word."""
        return self.verdict or "not checked"


class SiteIndex(msgspec.Struct, frozen=True):
    """The content of the index: the versions, oldest first, and the days that have a page."""

    versions: tuple[SiteVersion, ...] = ()
    days: tuple[str, ...] = ()


Entries = Mapping[str, RegistryEntry]
"""The registry's entries by the versions' names."""


def index_page(index: SiteIndex, marks: Entries) -> Page:
    """The calendar, the trends and every version."""
    if not index.versions:
        return Page("Versions", "none", "There is no complete version yet.")
    first, newest = index.versions[0], index.versions[-1]
    by_day = _by_day(index.versions)
    calendar = (
        CalendarDay(
            day,
            f"{day}/index.html",
            _outcome(by_day.get(day, ())),
            quantity(len(by_day.get(day, ())), "version"),
        )
        for day in index.days
    )
    latest = [(day, of_day[-1]) for day, of_day in by_day.items()]
    return Page(
        "Versions",
        _outcome(by_day[newest.day]),
        f"{quantity(len(index.versions), 'version')} from {first.day} to {newest.day}.",
        cards=_cards(newest),
        sections=[
            Section("Calendar", [Calendar(tuple(calendar))]),
            Section("Trends", list(_trends(latest))),
            Section("All versions", [_grid(reversed(index.versions), marks, folder=True)]),
        ],
    )


def day_page(
    day: str, versions: Sequence[SiteVersion], marks: Entries, reports: Sequence[DayReport]
) -> Page:
    """A day's versions, and its reports with their results."""
    rows = (
        (
            Link(report.label, f"{report.name}.html"),
            OutcomeCell(report.page.verdict),
            report.page.headline,
        )
        for report in reports
    )
    return Page(
        day,
        _outcome(versions),
        f"{quantity(len(versions), 'version')}, {quantity(len(reports), 'report')}.",
        cards=_cards(versions[-1]) if versions else (),
        sections=[
            Section("Reports", [grid(("Report", "Verdict", "Summary"), rows)], otherwise="None."),
            Section("Versions", [_grid(versions, marks, folder=False)], otherwise="None."),
        ],
    )


def linked(
    page: Page, current: str, day: str, days: Sequence[str], reports: Sequence[DayReport]
) -> Page:
    """A page of a day with links to the index, the adjacent days, and the day's reports."""
    place = days.index(day)
    before, after = days[max(0, place - 1) : place], days[place + 1 : place + 2]
    own = [Link("Overview", "index.html", current == "index")]
    own += [Link(each.label, f"{each.name}.html", each.name == current) for each in reports]
    beside = [
        Link("All versions", "../index.html"),
        *(Link(f"← {each}", f"../{each}/index.html") for each in before),
        *(Link(f"{each} →", f"../{each}/index.html") for each in after),
    ]
    return replace(page, links=(("Days", beside), (f"Reports of {day}", own)))


def _outcome(of_day: Sequence[SiteVersion]) -> str:
    """The verdict of a day: that of its newest checked version."""
    if not of_day:
        return "no version"
    return next((v.verdict for v in reversed(of_day) if v.verdict), of_day[-1].outcome)


def _by_day(versions: Iterable[SiteVersion]) -> dict[str, list[SiteVersion]]:
    found: dict[str, list[SiteVersion]] = {}
    for version in versions:
        found.setdefault(version.day, []).append(version)
    return found


def _cards(version: SiteVersion) -> list[Card]:
    return [
        Card("Newest version", version.version),
        Card("Rows", number(version.rows)),
        Card("Archives", bytes_text(version.bytes)),
        Card("Duration", f"{version.minutes:.1f} min"),
    ]


def _trends(latest: Sequence[tuple[str, SiteVersion]]) -> Iterator[Folded]:
    """The newest version of each day, over several periods up to the last day."""
    for span in _SPANS:
        begin = date.fromisoformat(latest[-1][0]) - timedelta(days=span - 1)
        shown = [each for each in latest if date.fromisoformat(each[0]) >= begin]
        charts = [
            LineChart("Rows", [(day, v.rows, number(v.rows)) for day, v in shown]),
            LineChart("Archives", [(day, v.bytes, bytes_text(v.bytes)) for day, v in shown]),
            LineChart("Minutes", [(day, v.minutes, f"{v.minutes:.1f} min") for day, v in shown]),
        ]
        if len(shown) > 1:
            says = f"{quantity(len(shown), 'day')} with a version"
            yield Folded(f"{span} days", says, charts, is_open=span == _SPANS[0])


def _grid(versions: Iterable[SiteVersion], marks: Entries, *, folder: bool) -> Grid:
    return grid(_HEADINGS, (_row(each, marks.get(each.version), folder) for each in versions))


def _row(version: SiteVersion, entry: RegistryEntry | None, folder: bool) -> Sequence[Cell]:
    page = f"{version.day}/index.html" if folder else "index.html"
    marks = [name for name in ("promoted", "pinned") if entry and getattr(entry, name)]
    return (
        Link(version.version, page),
        OutcomeCell(version.outcome),
        count_cell(version.rows),
        byte_cell(version.bytes),
        Number(version.minutes, f"{version.minutes:.1f}"),
        version.purpose,
        ", ".join(marks),
        entry.notes if entry else "",
    )
