"""Whether CloudTrail records the reads and writes of the bucket's objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mediatool_assets.domain.bucket.lifecycle import Document


@dataclass(frozen=True, slots=True)
class LoggingTrails:
    """The event selectors of every active trail, or why they are unknown."""

    selectors: tuple[Document, ...] = ()
    unknown: str | None = None


def recorded(trails: LoggingTrails, arn: str) -> frozenset[str]:
    """Which of the ``read`` and ``write`` events of the bucket's objects are recorded.

    A selector with a condition that is not understood here does not count.
    """
    found: set[str] = set()
    for document in trails.selectors:
        for selector in document.get("EventSelectors") or ():
            found |= _basic(selector, arn)
        for selector in document.get("AdvancedEventSelectors") or ():
            found |= _advanced(selector, arn)
    return frozenset(found)


def _basic(selector: Document, arn: str) -> set[str]:
    everything = {"arn:aws:s3", "arn:aws:s3:::", f"{arn}/"}
    covered = any(
        resource.get("Type") == "AWS::S3::Object" and everything & set(resource.get("Values", ()))
        for resource in selector.get("DataResources") or ()
    )
    kinds = {"ReadOnly": {"read"}, "WriteOnly": {"write"}, "All": {"read", "write"}}
    return kinds.get(selector.get("ReadWriteType", "All"), set()) if covered else set()


def _advanced(selector: Document, arn: str) -> set[str]:
    fields: dict[str, Mapping[str, Any]] = {
        field["Field"]: {k: v for k, v in field.items() if k != "Field" and v}
        for field in selector.get("FieldSelectors", ())
    }
    if fields.pop("eventCategory", None) != {"Equals": ["Data"]}:
        return set()
    if fields.pop("resources.type", None) != {"Equals": ["AWS::S3::Object"]}:
        return set()
    kinds = {"read", "write"}
    only = fields.pop("readOnly", None)
    if only is not None:
        kinds = {"true": {"read"}, "false": {"write"}}.get(_one(only.get("Equals")), set())
    where = fields.pop("resources.ARN", None)
    if where is not None and not (
        set(where) == {"StartsWith"} and any(f"{arn}/".startswith(p) for p in where["StartsWith"])
    ):
        return set()
    return set() if fields else kinds


def _one(values: Sequence[str] | None) -> str:
    return values[0] if values and len(values) == 1 else ""
