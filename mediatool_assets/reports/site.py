"""The report site: an index of all versions, a page for each day, and the day's reports.

The index is ``comparison-reports/index.html``; ``{date}/index.html`` and the reports are below it.
Every page is a single file with relative links, so the site works from S3, from a folder, and
without a network. ``comparison-reports/index.json`` caches the facts about versions, so that the
daily run reads the metadata and reports of few days only.

The pages of the site other than the reports: its index, and one for each day.

Every stored report of a day, of any kind, as a page.

A stored report of a day in a given format.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import msgspec

from mediatool_assets import pages as storage
from mediatool_assets.bucket import cost_report
from mediatool_assets.bucket import flow as posture
from mediatool_assets.bucket.cost_report import COSTS_PREFIX, Costs
from mediatool_assets.bucket.flow import POSTURE_PREFIX
from mediatool_assets.bucket.rules import PostureRecord
from mediatool_assets.compare import report as comparing
from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.errors import AlreadyExists, DamagedInput, NotFound
from mediatool_assets.core.metadata import Metadata, RegistryEntry
from mediatool_assets.core.metrics import DailyMetrics
from mediatool_assets.core.outcomes import Outcome, worst
from mediatool_assets.core.texts import decoded, quantity
from mediatool_assets.core.version import (
    REPORTS_PREFIX,
    SANITIZED_PREFIX,
    Report,
    Version,
    report_key,
)
from mediatool_assets.integrity import report as integrity_report
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.pages import (
    Calendar,
    CalendarDay,
    Card,
    Cell,
    Folded,
    Format,
    Grid,
    LineChart,
    Link,
    Number,
    OutcomeCell,
    Page,
    Section,
    byte_cell,
    bytes_text,
    count_cell,
    grid,
    html,
    markdown,
    number,
)
from mediatool_assets.reports import report as daily
from mediatool_assets.sanitize import report as sanitizing
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import retried_on_conflict


def report_of(
    objects: ObjectStore, report: Report, partition: str, version: Version | None, wanted: Format
) -> bytes:
    """The report of a day; raises NotFound if it is about a version other than ``version``."""
    data = storage.read(objects, report, partition)
    found = storage.version_of(report, data)
    if version is not None and found != str(version):
        raise NotFound(
            f"the reports of {partition} are about its newest version, {found}, not of {version}; "
            f"compare {version} with `mediatool compare`"
        )
    match wanted:
        case "json":
            return data
        case "html":
            return objects.get(report_key(report, partition, "html"))[0]
        case "markdown":
            return markdown(page_of(report, data)).encode()


def page_of(report: Report, data: bytes) -> Page:
    """The page of a report's JSON; raises DamagedInput."""
    return storage.decoded_report(report, data, _PAGES[report])


def _comparison(data: bytes) -> Page:
    if "note" in decoded(data, dict[str, msgspec.Raw]):
        return decoded(data, daily.NoComparison).page
    return comparing.page(Comparison.from_json(data))


_PAGES: dict[Report, Callable[[bytes], Page]] = {
    "daily-metrics-comparison": lambda data: daily.page(DailyMetrics.from_json(data)),
    "data-integrity-report": lambda data: integrity_report.page(Integrity.from_json(data)),
    "version-comparison": _comparison,
}


DAILY: dict[Report, str] = {
    "daily-metrics-comparison": "Metrics",
    "data-integrity-report": "Integrity",
    "version-comparison": "Comparison",
}


_COMPARED = re.compile(r"\d{8}-\d{6}-\d{8}-\d{6}")
"""Two versions that were compared on request."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """A report of a day: its file name without ``.html``, its label in links, and its page."""

    name: str
    label: str
    page: Page


@dataclass(frozen=True, slots=True)
class _StoredReport:
    """A report in the bucket: its JSON's key, and the function that makes a page of it."""

    name: str
    label: str
    key: str
    decode: Callable[[bytes], Page]


def reports_of_day(objects: ObjectStore, day: str) -> tuple[DayReport, ...]:
    """The reports of a day; one that cannot be read becomes a page with that message."""
    return tuple(
        DayReport(each.name, each.label, _page(objects, each)) for each in _stored(objects, day)
    )


def _stored(objects: ObjectStore, day: str) -> Iterator[_StoredReport]:
    folder = f"{REPORTS_PREFIX}{day}/"
    keys = _json(objects, folder)
    for report, label in DAILY.items():
        if (key := f"{folder}{report}.json") in keys:
            yield _StoredReport(report, label, key, partial(page_of, report))
    for key in _json(objects, f"{SANITIZED_PREFIX}{day}/"):
        name = key.rsplit("/", 1)[1].removesuffix(".json")
        yield _StoredReport(name, f"Sanitized copy {name[:15]}", key, _proof)
    for key in _json(objects, f"{POSTURE_PREFIX}{day}"):
        yield _StoredReport("bucket-posture", "Bucket posture", key, _posture)
    for key in _json(objects, f"{COSTS_PREFIX}{day}"):
        yield _StoredReport("bucket-costs", "Bucket costs", key, _costs)
    for key in keys:
        name = key.removeprefix(folder).removesuffix(".json")
        if _COMPARED.fullmatch(name):
            yield _StoredReport(name, f"Comparison {name}", key, _day_comparison)


def _json(objects: ObjectStore, prefix: str) -> list[str]:
    return [info.key for info in objects.list(prefix) if info.key.endswith(".json")]


def _page(objects: ObjectStore, found: _StoredReport) -> Page:
    try:
        return found.decode(objects.get(found.key)[0])
    except (msgspec.MsgspecError, DamagedInput, NotFound) as error:
        return Page(found.label, "unknown", f"{objects.uri(found.key)} cannot be read: {error}.")


def _proof(data: bytes) -> Page:
    return sanitizing.page(sanitizing.Report.from_json(data))


def _posture(data: bytes) -> Page:
    return posture.page(PostureRecord.from_json(data))


def _costs(data: bytes) -> Page:
    return cost_report.page(Costs.from_json(data))


def _day_comparison(data: bytes) -> Page:
    return comparing.page(Comparison.from_json(data))


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


INDEX_KEY = REPORTS_PREFIX + "index.html"
_KNOWN_KEY = REPORTS_PREFIX + "index.json"
_JUDGING: tuple[Report, ...] = ("daily-metrics-comparison", "data-integrity-report")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_AT_ONCE = 16  # parallel requests: seven per version, of about 50 ms each
_LOG = logging.getLogger(__name__)


@retried_on_conflict
def publish(objects: ObjectStore, day: str) -> str:
    """Write the pages of a day and its neighbors, and the index; returns the index's URI.

    If another run writes at the same moment, it is repeated. Raises AlreadyExists after 30 tries,
    Unreachable.
    """
    known, etag = _known(objects)
    index, entries = _index(objects, known, {day})
    etag = objects.put(_KNOWN_KEY, msgspec.json.encode(index), replacing=etag)
    place = index.days.index(day) if day in index.days else len(index.days)
    for each in index.days[max(0, place - 1) : place + 2]:
        for name, page in _day(objects, index, entries, each):
            storage.keep(objects, f"{REPORTS_PREFIX}{name}", html(page).encode())
    uri = storage.keep(objects, INDEX_KEY, html(index_page(index, entries)).encode())
    present = objects.head(_KNOWN_KEY)
    if present is None or present.etag != etag:
        raise AlreadyExists(objects.uri(_KNOWN_KEY), "and is of another run; run it again")
    return uri


def write(objects: ObjectStore, folder: Path) -> Path:
    """Write the whole site to a folder, replacing an earlier one; returns the path of its index."""
    index, entries = _index(objects, _known(objects)[0], None)

    def write_day(day: str) -> None:
        for name, page in _day(objects, index, entries, day):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(html(page), "utf-8")

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="site") as threads:
        list(threads.map(write_day, index.days))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(html(index_page(index, entries)), "utf-8")
    return path


class _ReportVerdict(msgspec.Struct):
    """The part of a report that has its version's verdict."""

    version: str
    verdict: Outcome


def _known(objects: ObjectStore) -> tuple[SiteIndex, str | None]:
    """The cached facts from the last write of the site, and their entity tag."""
    try:
        data, etag = objects.get(_KNOWN_KEY)
    except NotFound:
        return SiteIndex(), None
    try:
        return msgspec.json.decode(data, type=SiteIndex), etag
    except msgspec.MsgspecError:
        return SiteIndex(), etag


def _index(
    objects: ObjectStore, known: SiteIndex, days: Collection[str] | None
) -> tuple[SiteIndex, Entries]:
    """The current index. Facts about versions of days other than ``days`` are taken from the cache.

    A known verdict is kept if the day's reports are about a later version now.
    """
    verdicts = {v.version: v.verdict for v in known.versions}
    spared = {v.version: v for v in known.versions if days is not None and v.day not in days}

    def read(version: Version) -> SiteVersion | None:
        name = str(version)
        return spared.get(name) or _read(objects, version, verdicts.get(name))

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="site") as threads:
        found = list(threads.map(read, catalog.versions(objects)))
    versions = tuple(version for version in found if version is not None)
    entries = {entry.version: entry for entry in catalog.registry(objects)}
    return SiteIndex(versions, _days(objects, versions)), entries


def _read(objects: ObjectStore, version: Version, before: Outcome | None) -> SiteVersion | None:
    """A version's facts from its metadata and reports; None if the metadata cannot be read."""
    try:
        metadata = catalog.read(objects, version)
    except (DamagedInput, NotFound) as error:
        _LOG.warning("%s", error)
        return None
    verdicts = [found for report in _JUDGING if (found := _verdict(objects, report, version))]
    return SiteVersion.of(metadata, worst(verdicts) if verdicts else before)


def _verdict(objects: ObjectStore, report: Report, version: Version) -> Outcome | None:
    """A report's verdict; None if the report is missing or about another version."""
    try:
        found = decoded(storage.read(objects, report, version.partition), _ReportVerdict)
    except NotFound:
        return None
    except msgspec.MsgspecError:
        return "unknown"
    return found.verdict if found.version == str(version) else None


def _days(objects: ObjectStore, versions: Collection[SiteVersion]) -> tuple[str, ...]:
    """The days with versions, reports, or records of the bucket."""
    folders = (prefix.rstrip("/").rsplit("/", 1)[1] for prefix in objects.folders(REPORTS_PREFIX))
    records = (
        info.key.rsplit("/", 1)[1][:10]
        for prefix in (POSTURE_PREFIX, COSTS_PREFIX)
        for info in objects.list(prefix)
    )
    found = {*(version.day for version in versions), *folders, *records}
    return tuple(sorted(day for day in found if _DAY.fullmatch(day)))


def _day(
    objects: ObjectStore, index: SiteIndex, entries: Entries, day: str
) -> Iterator[tuple[str, Page]]:
    """The names and pages of a day: its overview, then its reports."""
    found = reports_of_day(objects, day)
    own = [version for version in index.versions if version.day == day]
    overview = day_page(day, own, entries, found)
    yield f"{day}/index.html", linked(overview, "index", day, index.days, found)
    for report in found:
        yield f"{day}/{report.name}.html", linked(report.page, report.name, day, index.days, found)
