"""Writes a JSON Schema of every JSON document to docs/reference/schemas/, and their list.

make reference
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import _json_schema

from mediatool_assets.bucket.cost_report import Costs
from mediatool_assets.bucket.rules import PostureRecord
from mediatool_assets.core.authenticity import Verdict
from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.metadata import Marks, Metadata, RegistryEntry, RestoreRecord
from mediatool_assets.core.metrics import DailyMetrics
from mediatool_assets.core.schema import Schema
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.reports.report import NoComparison
from mediatool_assets.reports.site import SiteIndex
from mediatool_assets.sanitize.report import Report

# a default that is a msgspec.Raw (of Defect) needs a hook, which schema_components does not take
setattr(  # noqa: B010  # a plain assignment is no export for mypy
    _json_schema, "to_builtins", partial(msgspec.to_builtins, enc_hook=msgspec.json.decode)
)

REFERENCE = Path(__file__).parents[1] / "docs/reference"
PAGE = REFERENCE / "json.md"
SCHEMAS = REFERENCE / "schemas"


@dataclass(frozen=True, slots=True)
class Document:
    """A kind of JSON document: its schema's name, where it is, what it is, and its type.

    ``instead`` is the type of what is written where there is nothing to report.
    """

    name: str
    where: str
    meaning: str
    type: Any
    instead: Any = None

    def schema(self) -> str:
        """The JSON Schema, as text."""
        types = [self.type] if self.instead is None else [self.type, self.instead]
        found, definitions = msgspec.json.schema_components(
            types, schema_hook=_anything, ref_template="#/$defs/{name}"
        )
        whole = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "description": self.meaning,
            **(found[0] if len(found) == 1 else {"anyOf": [*found]}),
            "$defs": definitions,
        }
        return json.dumps(_plain(whole), indent=1, ensure_ascii=False) + "\n"


DOCUMENTS = (
    Document(
        "metadata",
        "`postgres-exports/metadata/{date}/{version}.json`",
        "Metadata of a version. A version without it is not complete.",
        Metadata,
    ),
    Document(
        "registry",
        "`mongodb-versions.json`",
        "The list of all versions.",
        tuple[RegistryEntry, ...],
    ),
    Document(
        "version-marks",
        "`version-marks.json`",
        "Pins, notes and promotions.",
        Marks,
    ),
    Document(
        "manifest",
        "`manifest.json` in every archive",
        "Rows, bytes and digests of every file of the archive.",
        Manifest,
    ),
    Document(
        "schema",
        "`schema.json` in every raw archive",
        "Tables, columns, types, keys and sequences of the source.",
        Schema,
    ),
    Document(
        "daily-metrics-comparison",
        "`comparison-reports/{date}/daily-metrics-comparison.json`, `mediatool report --json`",
        "Metrics of a day's version, compared with the version before and a week before.",
        DailyMetrics,
    ),
    Document(
        "data-integrity-report",
        "`comparison-reports/{date}/data-integrity-report.json`, `mediatool integrity --json`",
        "Every store of a version compared with every other.",
        Integrity,
    ),
    Document(
        "version-comparison",
        "`comparison-reports/{date}/version-comparison.json`, "
        "`comparison-reports/{date}/{version1}-{version2}.json`, `mediatool compare --format json`",
        "Two versions compared, row by row.",
        Comparison,
        NoComparison,
    ),
    Document(
        "report-site",
        "`comparison-reports/index.json`",
        "What the index of the site of reports is made of.",
        SiteIndex,
    ),
    Document(
        "verdict",
        "`postgres-exports/verdicts/{date}/{version}-{time}.json`",
        "The result of one `mediatool verify`.",
        Verdict,
    ),
    Document(
        "restore-record",
        "`postgres-exports/restores/{date}/{version}-{time}-{to}.json`",
        "One restore: where to, by whom, how long, and whether it was verified.",
        RestoreRecord,
    ),
    Document(
        "sanitized-report",
        "`postgres-exports/sanitized/{date}/{version}-sanitized-report.json`",
        "What was masked in a sanitized copy, and the search for original values in it.",
        Report,
    ),
    Document(
        "costs",
        "`postgres-exports/bucket/costs/{date}.json`, `mediatool costs --format json`",
        "What the bucket costs now, and the forecast.",
        Costs,
    ),
    Document(
        "posture",
        "`postgres-exports/bucket/posture/{date}.json`",
        "The result of the daily check of the bucket.",
        PostureRecord,
    ),
)

_HEAD = """\
# JSON documents

Every JSON document that is written to the bucket, with its [JSON Schema](https://json-schema.org).
This page and the schemas are generated from the code: `make reference`. Tests validate real
documents.

A new release may add fields; none is renamed or removed. So a reader must ignore unknown fields.

| Document | Where | Schema |
|---|---|---|
"""


def page() -> str:
    """The list of the documents, and the fields of each."""
    rows = "".join(
        f"| {each.meaning} | {each.where} | [{each.name}](schemas/{each.name}.schema.json) |\n"
        for each in DOCUMENTS
    )
    return _HEAD + rows


def _anything(of: type) -> dict[str, Any]:
    """The schema of values of any JSON type, as a column's values are."""
    if of is not object:
        raise TypeError(f"the schema of {of} is not known; add it here")
    return {"description": "any JSON"}


def _plain(found: Any) -> Any:
    """The schema with descriptions as one paragraph, in which names are quoted as in Markdown.

    Decimals are numbers in our documents; msgspec's own default is a string.
    """
    if isinstance(found, dict):
        if found.get("format") == "decimal":
            return {"type": "number"}
        return {
            key: " ".join(value.replace("``", "`").split())
            if key == "description" and isinstance(value, str)
            else _plain(value)
            for key, value in found.items()
        }
    return [_plain(each) for each in found] if isinstance(found, list) else found


if __name__ == "__main__":
    SCHEMAS.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    for document in DOCUMENTS:
        (SCHEMAS / f"{document.name}.schema.json").write_text(document.schema(), encoding="utf-8")
