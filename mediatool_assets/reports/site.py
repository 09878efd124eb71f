"""The report site: an index of all versions, a page for each day, and the day's reports.

The index is ``comparison-reports/index.html``; ``{date}/index.html`` and the reports are below it.
Every page is a single file with relative links, so the site works from S3, from a folder, and
without a network. ``comparison-reports/index.json`` caches the facts about versions, so that the
daily run reads the metadata and reports of few days only.
"""

import logging
import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from mediatool_assets.domain.errors import AlreadyExists, DamagedInput, NotFound
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.keys import REPORTS_PREFIX, Report
from mediatool_assets.domain.outcome import Outcome, worst
from mediatool_assets.domain.page import Page
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.bucket.posture import POSTURE_PREFIX
from mediatool_assets.flows.costs.report import COSTS_PREFIX
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports import storage
from mediatool_assets.flows.reports.html import html
from mediatool_assets.flows.site.day_reports import reports_of_day
from mediatool_assets.flows.site.pages import (
    Entries,
    SiteIndex,
    SiteVersion,
    day_page,
    index_page,
    linked,
)
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.versions.conflicts import retried_on_conflict

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
