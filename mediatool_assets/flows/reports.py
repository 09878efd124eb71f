"""The reports of a day in the bucket: written over the ones that were, and read again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.keys import Report, report_key
from mediatool_assets.domain.page import Page
from mediatool_assets.flows.page.html import html
from mediatool_assets.flows.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class ReportForms:
    """A report for programs and for people; Dagster's UI plots its ``figures`` over days."""

    content: msgspec.Struct
    page: Page
    figures: Mapping[str, str | int | float] = field(default_factory=dict)


def keep(objects: ObjectStore, key: str, data: bytes) -> str:
    """Write a small object over the one that was there, and return its URI.

    Raises AlreadyExists if somebody else did the same at that moment.
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
            f"{objects.uri(key)} is not there; materialize the group reports of {partition} in "
            "Dagster's UI, or make a version with `mediatool export`"
        ) from error
