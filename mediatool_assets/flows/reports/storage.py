"""Writes, replaces and reads the reports of a day in the bucket."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from mediatool_assets.domain.errors import DamagedInput, NotFound
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.keys import REPORTS, Report, report_key
from mediatool_assets.domain.page import Page
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports.html import html

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReportForms:
    """A report as JSON and as a page; Dagster's UI plots its ``figures`` by day."""

    content: msgspec.Struct
    page: Page
    figures: Mapping[str, str | int | float] = field(default_factory=dict)


def keep(objects: ObjectStore, key: str, data: bytes) -> str:
    """Write a small object, replacing an existing one, and return its URI.

    Raises AlreadyExists if another process replaced it at the same moment.
    """
    present = objects.head(key)
    objects.put(key, data, replacing=present.etag if present else None)
    return objects.uri(key)


def keep_twin(objects: ObjectStore, report: Report, partition: str, page: Page) -> str:
    """Write the HTML beside a day's report, and return its URI."""
    return keep(objects, report_key(report, partition, "html"), html(page).encode())


def read(objects: ObjectStore, report: Report, partition: str) -> bytes:
    """A day's report as JSON; raises NotFound."""
    key = report_key(report, partition)
    try:
        return objects.get(key)[0]
    except NotFound as error:
        raise NotFound(
            f"{objects.uri(key)} does not exist; materialize the group reports of {partition} in "
            "Dagster's UI, or make a version with `mediatool export`"
        ) from error


class _Head(msgspec.Struct):
    """The fields that name the version of any report."""

    verdict: str
    version: str = ""
    version2: str = ""


def reports_of(objects: ObjectStore, version: Version) -> Iterator[tuple[Report, str]]:
    """The reports of a version, with the URIs of their pages."""
    for report in REPORTS:
        try:
            data = read(objects, report, version.partition)
        except NotFound:
            continue
        if version_of(report, data) == str(version):
            yield report, objects.uri(report_key(report, version.partition, "html"))


def version_of(report: Report, data: bytes) -> str:
    """The version that a report describes; raises DamagedInput."""
    head = decoded_report(report, data, lambda text: decoded(text, _Head))
    return head.version or head.version2


def decoded_report(report: Report, data: bytes, decode: Callable[[bytes], T]) -> T:
    """Decode a report's JSON with ``decode``; raises DamagedInput."""
    try:
        return decode(data)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{report}.json cannot be read ({error}); materialize the group reports of its day "
            "again in Dagster's UI"
        ) from error
