"""A stored report of a day in a given format."""

from collections.abc import Callable

import msgspec

from mediatool_assets.domain.comparison import Comparison
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.integrity import Integrity
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.keys import Report, report_key
from mediatool_assets.domain.metrics import DailyMetrics
from mediatool_assets.domain.page import Page
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.compare import report as comparing
from mediatool_assets.flows.integrity import report as integrity_report
from mediatool_assets.flows.metrics import report as daily
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports import storage
from mediatool_assets.flows.reports.formats import Format
from mediatool_assets.flows.reports.markdown import markdown


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
