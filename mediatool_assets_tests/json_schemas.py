"""Real documents against the JSON Schemas of docs/reference/schemas."""

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache

from jsonschema import Draft202012Validator

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets_tests.documents import ROOT

_SCHEMAS = {
    "postgres-exports/metadata/*.json": "metadata",
    "mongodb-versions.json": "registry",
    "version-marks.json": "version-marks",
    "comparison-reports/*/daily-metrics-comparison.json": "daily-metrics-comparison",
    "comparison-reports/*/data-integrity-report.json": "data-integrity-report",
    "comparison-reports/*/version-comparison.json": "version-comparison",
    "comparison-reports/index.json": "report-site",
    "postgres-exports/verdicts/*.json": "verdict",
    "postgres-exports/restores/*.json": "restore-record",
    "postgres-exports/sanitized/*-report.json": "sanitized-report",
    "postgres-exports/bucket/costs/*.json": "costs",
    "postgres-exports/bucket/posture/*.json": "posture",
}
"""The schema of each JSON object in the bucket, by the pattern of its key."""


def faults(key: str, document: bytes) -> list[str]:
    """What of the object of that key is not as its schema says; an object must have a schema."""
    [name] = [name for pattern, name in _SCHEMAS.items() if fnmatch(key, pattern)]
    return faults_of(name, document)


def faults_of(name: str, document: bytes) -> list[str]:
    """What of the document is not as the schema of that name says: places and reasons."""
    found = _validator(name).iter_errors(json.loads(document))
    return [f"{name}: {each.json_path}: {each.message}" for each in found]


def faults_in(objects: ObjectStore) -> Iterator[str]:
    """The faults of every JSON object of the bucket, and of the JSON files in its archives.

    Not of what AWS writes: the exports of RDS snapshots are in its format.
    """
    for info in objects.list(""):
        if info.key.startswith("postgres-exports/rds-exports/"):
            continue
        if info.key.endswith(".json"):
            yield from faults(info.key, objects.get(info.key)[0])
        elif info.key.endswith(".tar.gz"):
            reader = ArchiveReader(objects.open(info.key))
            yield from faults_of("manifest", reader.manifest.to_json())
            if reader.manifest.kind == "raw":
                yield from faults_of("schema", reader.read_file("schema.json"))


@cache
def _validator(name: str) -> Draft202012Validator:
    path = ROOT / "docs/reference/schemas" / f"{name}.schema.json"
    return Draft202012Validator(json.loads(path.read_text("utf-8")))
