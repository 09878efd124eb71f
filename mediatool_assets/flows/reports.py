"""The reports of a day in the bucket: written over the ones that were, and read again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.keys import Report, report_key
from mediatool_assets.flows.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class ReportForms:
    """A report in its three forms; ``figures`` are the few that Dagster's UI plots over days."""

    content: msgspec.Struct
    html: str
    markdown: str
    figures: Mapping[str, str | int | float] = field(default_factory=dict)


def keep(objects: ObjectStore, key: str, data: bytes) -> None:
    """Write a small object in the place of the one that was; AlreadyExists if another just did."""
    present = objects.head(key)
    objects.put(key, data, replacing=present.etag if present else None)


def keep_twin(objects: ObjectStore, report: Report, partition: str, html: str) -> str:
    """Write the HTML beside a day's report, and return its URI."""
    key = report_key(report, partition, "html")
    keep(objects, key, html.encode())
    return objects.uri(key)


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
