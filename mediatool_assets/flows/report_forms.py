"""A day's report in the form that somebody wants it in, from what lies in the bucket."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from mediatool_assets.domain import comparison as comparisons
from mediatool_assets.domain import integrity, metrics
from mediatool_assets.domain.errors import DamagedInput, NotFound
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.keys import REPORTS, Report, report_key
from mediatool_assets.domain.page import Page
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import reports
from mediatool_assets.flows.compare import report as comparing
from mediatool_assets.flows.integrity import report as integrity_report
from mediatool_assets.flows.metrics import report as daily
from mediatool_assets.flows.page.formats import Format
from mediatool_assets.flows.page.markdown import markdown
from mediatool_assets.flows.ports import ObjectStore

T = TypeVar("T")


class _Head(msgspec.Struct):
    """What tells which version any of the reports is of."""

    verdict: str
    version: str = ""
    version2: str = ""


def report_of(
    objects: ObjectStore, report: Report, partition: str, version: Version | None, wanted: Format
) -> bytes:
    """The report of a day; raises NotFound where it is of another version than ``version``."""
    data = reports.read(objects, report, partition)
    found = _version(report, data)
    if version is not None and found != str(version):
        raise NotFound(
            f"the reports of {partition} are of its newest version, {found}, not of {version}; "
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
    return _decoded(report, data, _PAGES[report])


def reports_of(objects: ObjectStore, version: Version) -> Iterator[tuple[Report, str]]:
    """The reports that are of a version, with the URIs of their pages."""
    for report in REPORTS:
        try:
            data = reports.read(objects, report, version.partition)
        except NotFound:
            continue
        if _version(report, data) == str(version):
            yield report, objects.uri(report_key(report, version.partition, "html"))


def _version(report: Report, data: bytes) -> str:
    head = _decoded(report, data, lambda text: decoded(text, _Head))
    return head.version or head.version2


def _decoded(report: Report, data: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(data)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{report}.json cannot be read ({error}); materialize the group reports of its day "
            "again in Dagster's UI"
        ) from error


def _comparison(data: bytes) -> Page:
    if "note" in decoded(data, dict[str, msgspec.Raw]):
        return decoded(data, daily.First).page
    return comparing.page(comparisons.decode(data))


_PAGES: dict[Report, Callable[[bytes], Page]] = {
    "daily-metrics-comparison": lambda data: daily.page(metrics.decode(data)),
    "data-integrity-report": lambda data: integrity_report.page(integrity.decode(data)),
    "version-comparison": _comparison,
}
