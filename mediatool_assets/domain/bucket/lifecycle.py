"""Lifecycle rules as values, and as the documents of S3's API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

StorageClass = Literal[
    "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"
]

Document = Mapping[str, Any]
"""JSON as the S3 API and `aws s3api` take it."""

SIZE_FLOOR = "all_storage_classes_128K"
"""AWS's default since September 2024: nothing smaller than 128 KB changes its storage class."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Objects move to ``storage_class`` this many days after their creation."""

    days: int
    storage_class: StorageClass


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """One lifecycle rule. Days count from an object's creation, or from its replacement.

    ``tag`` is a key and its value; ``larger_than`` and ``smaller_than`` are bytes. ``markers``:
    remove delete markers without any noncurrent version. ``abort_days``: abort multipart uploads
    that are still unfinished after this many days.
    """

    id: str
    prefix: str = ""
    tag: tuple[str, str] | None = None
    larger_than: int | None = None
    smaller_than: int | None = None
    transitions: tuple[Transition, ...] = ()
    expire_days: int | None = None
    markers: bool = False
    noncurrent_days: int | None = None
    abort_days: int | None = None

    def document(self) -> dict[str, Any]:
        """The rule in the form of S3's API."""
        document: dict[str, Any] = {"ID": self.id, "Status": "Enabled", "Filter": self._filter()}
        if self.transitions:
            document["Transitions"] = [
                {"Days": step.days, "StorageClass": step.storage_class} for step in self.transitions
            ]
        expiration: dict[str, Any] = {}
        if self.expire_days is not None:
            expiration["Days"] = self.expire_days
        if self.markers:
            expiration["ExpiredObjectDeleteMarker"] = True
        if expiration:
            document["Expiration"] = expiration
        if self.noncurrent_days is not None:
            document["NoncurrentVersionExpiration"] = {"NoncurrentDays": self.noncurrent_days}
        if self.abort_days is not None:
            document["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": self.abort_days}
        return document

    def _filter(self) -> dict[str, Any]:
        """One condition is written directly; several are written below ``And``."""
        parts: dict[str, Any] = {"Prefix": self.prefix} if self.prefix else {}
        if self.tag:
            parts["Tag"] = {"Key": self.tag[0], "Value": self.tag[1]}
        if self.larger_than is not None:
            parts["ObjectSizeGreaterThan"] = self.larger_than
        if self.smaller_than is not None:
            parts["ObjectSizeLessThan"] = self.smaller_than
        if len(parts) < 2:
            return parts or {"Prefix": ""}
        if "Tag" in parts:
            parts["Tags"] = [parts.pop("Tag")]
        return {"And": parts}

    def __str__(self) -> str:
        """What the rule does, in a line."""
        steps = [f"{step.storage_class} at {step.days} d" for step in self.transitions]
        if self.expire_days is not None:
            steps.append(f"expires at {self.expire_days} d")
        elif not self.abort_days:
            steps.append("kept")
        if self.noncurrent_days is not None:
            steps.append(f"replaced or deleted versions expire after {self.noncurrent_days} d")
        if self.markers:
            steps.append("delete markers without versions are removed")
        if self.abort_days is not None:
            steps.append(f"unfinished uploads are aborted after {self.abort_days} d")
        return ", ".join(steps)


def configuration(rules: Sequence[LifecycleRule]) -> dict[str, Any]:
    """The document to put: the rules, and that objects below 128 KB are not moved."""
    return {"Rules": [rule.document() for rule in rules], "SizeFloor": SIZE_FLOOR}


def canonical(rule: Document) -> dict[str, Any]:
    """A rule of a live bucket in the form of ``LifecycleRule.document``, for comparison.

    Older rules have their prefix outside the filter; servers return empty filters in several forms.
    """
    plain = {key: value for key, value in rule.items() if value not in (None, [], {})}
    where = dict(rule.get("Filter") or {})
    if "Prefix" in plain:
        where.setdefault("Prefix", plain.pop("Prefix"))
    both = where.get("And")
    if both is not None and len(both) == 1 and "Prefix" in both:
        where = dict(both)
    plain["Filter"] = where or {"Prefix": ""}
    if "Transitions" in plain:
        plain["Transitions"] = sorted(plain["Transitions"], key=lambda step: step.get("Days", 0))
    if expiration := plain.get("Expiration"):
        kept = {key: value for key, value in expiration.items() if value not in (None, False)}
        plain["Expiration"] = kept
    return plain


def prefix_of(rule: Document) -> str:
    """The prefix of a rule in its canonical form; empty if it applies to every key."""
    where = rule["Filter"]
    prefix: str = where.get("Prefix") or where.get("And", {}).get("Prefix") or ""
    return prefix


def rules_below(configuration: Document, prefix: str) -> dict[str, Any]:
    """The rules that reach objects below a prefix, with their own prefixes relative to it."""
    found = []
    for rule in map(canonical, configuration.get("Rules", ()) if prefix else ()):
        whole, where = prefix_of(rule), rule["Filter"]
        if whole.startswith(prefix) or prefix.startswith(whole):
            rest = {"Prefix": whole[len(prefix) :]}
            both = {"And": where["And"] | rest} if "And" in where else where | rest
            found.append(rule | {"Filter": both})
    return {**configuration, "Rules": found} if prefix else dict(configuration)
