"""Every stored report of a day, of any kind, as a page."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec

from mediatool_assets.domain.bucket.drift import PostureRecord
from mediatool_assets.domain.comparison import Comparison
from mediatool_assets.domain.costs.report import Costs
from mediatool_assets.domain.errors import DamagedInput, NotFound
from mediatool_assets.domain.keys import REPORTS_PREFIX, SANITIZED_PREFIX, Report
from mediatool_assets.domain.page import Page
from mediatool_assets.flows.bucket import posture
from mediatool_assets.flows.bucket.posture import POSTURE_PREFIX
from mediatool_assets.flows.compare import report as comparing
from mediatool_assets.flows.costs import report as costs
from mediatool_assets.flows.costs.report import COSTS_PREFIX
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.sanitize import report as sanitizing
from mediatool_assets.flows.site.report_formats import page_of

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
            yield _StoredReport(name, f"Comparison {name}", key, _comparison)


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
    return costs.page(Costs.from_json(data))


def _comparison(data: bytes) -> Page:
    return comparing.page(Comparison.from_json(data))
