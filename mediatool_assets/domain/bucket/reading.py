"""Parses the lifecycle rules of a live bucket; unsupported rules are reported."""

from dataclasses import dataclass
from typing import Any, get_args

from mediatool_assets.domain.bucket.lifecycle import (
    SIZE_FLOOR,
    Document,
    LifecycleRule,
    StorageClass,
    Transition,
    canonical,
)

_UNDERSTOOD = {
    "ID",
    "Status",
    "Filter",
    "Transitions",
    "Expiration",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
}


@dataclass(frozen=True, slots=True)
class ParsedRules:
    """The enabled rules. ``floor``: whether AWS moves no object below 128 KB.

    ``not_understood`` holds a sentence for each rule, or part of one, that a LifecycleRule cannot
    hold.
    """

    rules: tuple[LifecycleRule, ...]
    floor: bool
    not_understood: tuple[str, ...]


def read(document: Document) -> ParsedRules:
    """Every enabled rule of a lifecycle configuration."""
    rules, doubts = [], []
    for number, each in enumerate(document.get("Rules", ())):
        if each.get("Status") != "Enabled":
            continue
        plain = canonical(each)
        name = plain.get("ID") or f"#{number + 1}"
        doubt = _doubt(plain)
        if doubt is None:
            rules.append(_rule(name, plain))
        else:
            doubts.append(f"rule {name} is left out: {doubt}")
    floor = document.get("SizeFloor", SIZE_FLOOR) == SIZE_FLOOR
    return ParsedRules(tuple(rules), floor, tuple(doubts))


def _doubt(plain: Document) -> str | None:
    """Why a rule in its canonical form cannot be a LifecycleRule; None if it can."""
    if more := sorted(set(plain) - _UNDERSTOOD):
        return f"{', '.join(more)} is not supported here"
    where = plain["Filter"].get("And", plain["Filter"])
    if len(where.get("Tags", ())) > 1:
        return "it asks for several tags"
    if plain.get("NoncurrentVersionExpiration", {}).get("NewerNoncurrentVersions"):
        return "it keeps a number of noncurrent versions"
    steps = [*plain.get("Transitions", ()), plain.get("Expiration", {})]
    if any("Date" in step for step in steps):
        return "it names a date"
    known = {*get_args(StorageClass)}
    if other := [s["StorageClass"] for s in steps[:-1] if s["StorageClass"] not in known]:
        return f"{', '.join(other)} is not a known storage class"
    return None


def _rule(name: str, plain: Document) -> LifecycleRule:
    where: dict[str, Any] = plain["Filter"].get("And", plain["Filter"])
    tag = where.get("Tag") or next(iter(where.get("Tags", ())), None)
    expiration = plain.get("Expiration", {})
    return LifecycleRule(
        id=name,
        prefix=where.get("Prefix", ""),
        tag=(tag["Key"], tag["Value"]) if tag else None,
        larger_than=where.get("ObjectSizeGreaterThan"),
        smaller_than=where.get("ObjectSizeLessThan"),
        transitions=tuple(
            Transition(step["Days"], step["StorageClass"]) for step in plain.get("Transitions", ())
        ),
        expire_days=expiration.get("Days"),
        markers=expiration.get("ExpiredObjectDeleteMarker", False),
        noncurrent_days=plain.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"),
        abort_days=plain.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
    )
