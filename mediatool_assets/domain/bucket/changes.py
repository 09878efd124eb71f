"""The changes that ``apply`` makes, and which of them weaken the bucket or lock out the caller."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from mediatool_assets.domain.bucket import aspects, policies
from mediatool_assets.domain.bucket.aspects import Aspect, Live
from mediatool_assets.domain.bucket.declaration import Declaration
from mediatool_assets.domain.bucket.lifecycle import Document


@dataclass(frozen=True, slots=True)
class Change:
    """One aspect that differs. ``objections`` are reasons not to set it without permission."""

    aspect: Aspect
    before: Document | None
    after: Document
    command: str
    objections: tuple[str, ...] = ()


def changes(declared: Declaration, live: Live, *, secure: bool) -> tuple[Change, ...]:
    """What differs, in the order in which it is set. An aspect that cannot be read is left alone.

    ``secure``: the client that sets it uses TLS.
    """
    found = []
    for aspect, want in aspects.declared_documents(declared, live).items():
        seen = live[aspect]
        if seen.unknown is None and not aspects.contains(aspect, want, seen.document):
            why = tuple(_objections(aspect, want, seen.document, secure=secure))
            line = aspects.command(declared.bucket, aspect, want)
            found.append(Change(aspect, seen.document, want, line, why))
    return tuple(found)


def _objections(
    aspect: Aspect, want: Document, live: Document | None, *, secure: bool
) -> Iterator[str]:
    match aspect:
        case "policy":
            yield from _of_policy(want, live, secure=secure)
        case "lifecycle":
            yield from _of_lifecycle(want, live)
        case "encryption":
            algorithm, key = aspects.default_encryption(live)
            if (algorithm or "").startswith("aws:kms"):
                yield f"the bucket encrypts with KMS now ({key or 'the AWS managed key'})"
        case "object-lock":
            yield from _of_lock(want, live)
        case "logging":
            if to := (live or {}).get("LoggingEnabled", {}).get("TargetBucket"):
                yield f"access logs go to {to} now"
        case _:
            return


def _of_policy(want: Document, live: Document | None, *, secure: bool) -> Iterator[str]:
    ours = {statement.get("Sid"): statement for statement in policies.statements(want)}
    if not secure and policies.TLS_ONLY in ours:
        yield "this client speaks plain HTTP, and would lock itself out for good"
    for statement in policies.statements(live):
        name = statement.get("Sid")
        if name in ours and not policies.covers(ours[name], statement):
            yield f"statement {name} would deny less than now"


def _of_lifecycle(want: Document, live: Document | None) -> Iterator[str]:
    wanted, found = aspects.lifecycle_rules(want), aspects.lifecycle_rules(live)
    for name, rule in found.items():
        if name not in wanted:
            yield f"rule {name} is not declared, and would be removed"
            continue
        takes_all = rule.get("Status") == "Enabled" and _within(wanted[name], rule)
        for action, unit in (
            ("Expiration", "Days"),
            ("NoncurrentVersionExpiration", "NoncurrentDays"),
        ):
            live_action = rule.get(action, {})
            all_go = takes_all and "NewerNoncurrentVersions" not in live_action
            now = live_action.get(unit) if all_go else None
            then = wanted[name].get(action, {}).get(unit)
            if then is not None and (now is None or then < now):
                kept = "for ever" if now is None else f"for {now} days"
                would = f"would keep them for {then} days"
                yield f"rule {name} keeps objects {kept} now, and {would} ({action})"


def _within(rule: Document, other: Document) -> bool:
    """Whether the other rule's filter selects every object that this rule's filter selects."""
    one, two = (each["Filter"].get("And", each["Filter"]) for each in (rule, other))
    return (
        one.get("Prefix", "").startswith(two.get("Prefix", ""))
        and all(tag in _tags(one) for tag in _tags(two))
        and one.get("ObjectSizeGreaterThan", -1) >= two.get("ObjectSizeGreaterThan", -1)
        and one.get("ObjectSizeLessThan", inf) <= two.get("ObjectSizeLessThan", inf)
    )


def _tags(where: Document) -> list[Document]:
    return [*where.get("Tags", ()), *([where["Tag"]] if "Tag" in where else [])]


def _of_lock(want: Document, live: Document | None) -> Iterator[str]:
    now = (live or {}).get("Rule", {}).get("DefaultRetention", {})
    then = want["Rule"]["DefaultRetention"]
    days = now.get("Days") or 365 * now.get("Years", 0)
    if now.get("Mode") == "COMPLIANCE":
        yield "the default retention is in COMPLIANCE mode now"
    if days > then["Days"]:
        yield f"the default retention is {days} days now"
