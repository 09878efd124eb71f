"""Decisions about the bucket: its posture, its drift from the declaration, changes and prices.

A live bucket compared with the declaration: one outcome for each control.

Differences between the declaration and the storage description, with reasons and costs.

The recorded posture of a bucket, and the changes since the last record.

The changes that ``apply`` makes, and which of them weaken the bucket or lock out the caller.

The cost of lifecycle rules: storage for one GB that is written every day.

Prices of a region on a day, and the billing rules of storage classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from math import inf
from typing import Any, Literal

import msgspec

from mediatool_assets.core import bucket_policies
from mediatool_assets.core.bucket import (
    LIFECYCLE,
    UNDO_DAYS,
    Declaration,
    Document,
    LifecycleRule,
    Transition,
    canonical,
    problems,
)
from mediatool_assets.core.bucket_policies import Aspect, Live, LiveAspect, LoggingTrails, recorded
from mediatool_assets.core.outcomes import Figure, Finding, Outcome, worst
from mediatool_assets.core.texts import JsonDocument, decoded
from mediatool_assets.core.version import (
    RAW_PREFIX,
    RDS_EXPORTS_PREFIX,
    STAGING_PREFIX,
    TRANSFORMED_PREFIX,
)


@dataclass(frozen=True, slots=True)
class Control:
    """One control and its result: passed, failed or unknown. Unknown does not count as safe.

    ``prowler`` and ``checkov`` are the ids of the equivalent checks in those tools; ``commands``
    set the control by hand.
    """

    name: str
    verdict: Outcome
    says: str
    prowler: tuple[str, ...] = ()
    checkov: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


IDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "encryption": (("s3_bucket_default_encryption",), ("CKV_AWS_19",)),
    "encryption-kms": (
        ("s3_bucket_default_encryption", "s3_bucket_kms_encryption"),
        ("CKV_AWS_19", "CKV_AWS_145"),
    ),
    "tls-only": (("s3_bucket_secure_transport_policy",), ("CKV_AWS_379",)),
    "delete-needs-mfa": (("s3_bucket_no_mfa_delete",), ()),
    "no-public-statement": (
        ("s3_bucket_public_access", "s3_bucket_policy_public_write_access"),
        ("CKV_AWS_70", "CKV2_AWS_43"),
    ),
    "public-access": (
        ("s3_bucket_level_public_access_block",),
        ("CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56", "CKV2_AWS_6"),
    ),
    "ownership": (
        ("s3_bucket_acl_prohibited", "s3_bucket_public_list_acl", "s3_bucket_public_write_acl"),
        ("CKV2_AWS_65", "CKV_AWS_20", "CKV_AWS_57"),
    ),
    "versioning": (("s3_bucket_object_versioning",), ("CKV_AWS_21",)),
    "object-lock": (("s3_bucket_object_lock",), ("CKV_AWS_143",)),
    "lifecycle": (("s3_bucket_lifecycle_enabled",), ("CKV2_AWS_61",)),
    "lifecycle:clean-up": (("s3_bucket_lifecycle_enabled",), ("CKV2_AWS_61", "CKV_AWS_300")),
    "access-logging": (("s3_bucket_server_access_logging_enabled",), ("CKV_AWS_18",)),
    "data-events": (
        ("cloudtrail_s3_dataevents_read_enabled", "cloudtrail_s3_dataevents_write_enabled"),
        (),
    ),
}
"""Prowler's and Checkov's ids by control. No bucket with lifecycle rules can pass Prowler's
``s3_bucket_no_mfa_delete``; here, the denial in the policy takes its place.
"""


def controls(declared: Declaration, live: Live, trails: LoggingTrails) -> tuple[Control, ...]:
    """Every control of the declaration, in the order of a report."""
    want = bucket_policies.declared_documents(declared, live)

    def whole(name: str, aspect: Aspect, good: str) -> Control:
        command = bucket_policies.command(declared.bucket, aspect, want[aspect])
        seen = live[aspect]
        if seen.unknown is not None:
            return _control(name, "unknown", seen.unknown, command)
        if bucket_policies.contains(aspect, want[aspect], seen.document):
            return _control(name, "passed", good)
        return _control(name, "failed", _found(aspect, seen.document), command)

    key = declared.kms_key_id
    yielded = [
        whole(
            "encryption-kms" if key else "encryption",
            "encryption",
            f"KMS {key}" if key else "SSE-S3",
        ),
        *_of_policy(declared, live["policy"], want["policy"]),
        whole("public-access", "public-access", "all four blocks are on"),
        whole("ownership", "ownership", "BucketOwnerEnforced: ACLs are off"),
        whole("versioning", "versioning", "enabled"),
    ]
    if declared.lock_days is not None:
        kept = f"GOVERNANCE, {declared.lock_days} days"
        yielded.append(whole("object-lock", "object-lock", kept))
    yielded += _of_lifecycle(declared, live["lifecycle"], want["lifecycle"])
    yielded.append(_logging(declared, live["logging"]))
    yielded.append(_data_events(declared, trails))
    return tuple(yielded)


def _control(name: str, verdict: Outcome, says: str, *commands: str) -> Control:
    family = "lifecycle" if name.startswith("lifecycle:") else name
    prowler, checkov = IDS.get(name, IDS[family])
    return Control(name, verdict, says, prowler, checkov, commands)


def _found(aspect: Aspect, document: Document | None) -> str:
    if document is None:
        return "not set"
    match aspect:
        case "encryption":
            algorithm, key = bucket_policies.default_encryption(document)
            return f"found {algorithm or 'none'}" + (f" {key}" if key else "")
        case "public-access":
            off = [name for name, on in document.items() if not on]
            return f"off: {', '.join(off)}"
        case "versioning":
            return f"found {document.get('Status', 'never enabled')}"
        case _:
            return f"found {document}"


def _of_policy(declared: Declaration, seen: LiveAspect, want: Document) -> Iterator[Control]:
    names = {
        bucket_policies.TLS_ONLY: "tls-only",
        bucket_policies.DELETE_NEEDS_MFA: "delete-needs-mfa",
    }
    command = bucket_policies.command(declared.bucket, "policy", want)
    found = bucket_policies.statements(seen.document)
    for statement in bucket_policies.bucket_statements(declared):
        name = names[statement["Sid"]]
        if seen.unknown is not None:
            yield _control(name, "unknown", seen.unknown, command)
        elif any(bucket_policies.same_statement(statement, each) for each in found):
            yield _control(name, "passed", f"the policy has {statement['Sid']}")
        else:
            says = f"the policy lacks the declared statement {statement['Sid']}"
            yield _control(name, "failed", says, command)
    yield _no_public_statement(seen)


def _no_public_statement(seen: LiveAspect) -> Control:
    name = "no-public-statement"
    if seen.unknown is not None:
        return _control(name, "unknown", seen.unknown)
    found: dict[bucket_policies.Openness, list[str]] = {}
    for each in bucket_policies.statements(seen.document):
        found.setdefault(bucket_policies.public_access(each), []).append(
            str(each.get("Sid", "unnamed"))
        )
    if "open" in found:
        says = f"allowed to everybody by statement {', '.join(found['open'])}; remove it by hand"
        return _control(name, "failed", says)
    if "unknown" in found:
        names = ", ".join(found["unknown"])
        says = f"unknown whom the condition of statement {names} allows; review it by hand"
        return _control(name, "unknown", says)
    return _control(name, "passed", "no statement allows anything to everybody")


def _of_lifecycle(declared: Declaration, seen: LiveAspect, want: Document) -> Iterator[Control]:
    command = bucket_policies.command(declared.bucket, "lifecycle", want)
    found = bucket_policies.lifecycle_rules(seen.document)
    for rule in declared.lifecycle:
        name = f"lifecycle:{rule.id}"
        if seen.unknown is not None:
            yield _control(name, "unknown", seen.unknown, command)
        elif rule.id not in found:
            yield _control(name, "failed", f"no rule {rule.id}", command)
        elif found[rule.id] != canonical(rule.document()):
            yield _control(name, "failed", f"found {found[rule.id]}", command)
        else:
            yield _control(name, "passed", str(rule))
    name = "lifecycle:undeclared"
    others = sorted(set(found) - {rule.id for rule in declared.lifecycle})
    floor = (seen.document or {}).get("SizeFloor", want["SizeFloor"])
    if seen.unknown is not None:
        yield _control(name, "unknown", seen.unknown)
    elif others:
        yield _control(name, "failed", f"rules that are not declared: {', '.join(others)}", command)
    elif floor != want["SizeFloor"]:
        yield _control(name, "failed", f"objects below 128 KB move too: {floor}", command)
    else:
        yield _control(name, "passed", "no rules except the declared ones")


def _logging(declared: Declaration, seen: LiveAspect) -> Control:
    name, target = "access-logging", declared.log_bucket
    to = (seen.document or {}).get("LoggingEnabled", {}).get("TargetBucket")
    command = bucket_policies.command(
        declared.bucket, "logging", bucket_policies.wanted_logging(declared)
    )
    if seen.unknown is not None:
        return _control(name, "unknown", seen.unknown, command)
    if to is None:
        return _control(name, "failed", "off; set MEDIATOOL_S3_LOG_BUCKET and apply", command)
    if target not in (None, to):
        return _control(name, "failed", f"goes to {to}, not to {target}", command)
    return _control(name, "passed", f"goes to {to}")


def _data_events(declared: Declaration, trails: LoggingTrails) -> Control:
    name, commands = "data-events", bucket_policies.trail_commands(declared)
    if trails.unknown is not None:
        return _control(name, "unknown", trails.unknown, *commands)
    missing = sorted({"read", "write"} - recorded(trails, declared.arn))
    if missing:
        says = f"no active trail records {' or '.join(missing)} events of the objects"
        return _control(name, "failed", says, *commands)
    return _control(name, "passed", "CloudTrail records reads and writes of the objects")


_EARLIER_WORDS = {"pass": "passed", "fail": "failed"}
"""Outcome names in records from before 2026-11-28."""


class _StoredPosture(msgspec.Struct):
    bucket: str
    taken: str
    controls: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PostureRecord(JsonDocument):
    """The posture at one time: the verdict and the reason of each control."""

    bucket: str
    taken: str
    controls: tuple[Control, ...]

    @classmethod
    def from_json(cls, data: bytes) -> "PostureRecord":
        """Read a record, an earlier release's too; raises msgspec.MsgspecError on anything else."""
        stored = decoded(data, _StoredPosture)
        for control in stored.controls:
            word = control.get("verdict")
            control["verdict"] = _EARLIER_WORDS.get(str(word), word)
        controls = msgspec.convert(stored.controls, tuple[Control, ...])
        return cls(stored.bucket, stored.taken, controls)


@dataclass(frozen=True, slots=True)
class Drift:
    """A control whose verdict has changed since the last record."""

    control: str
    before: Outcome
    after: Outcome
    says: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.control}: {self.before}, now {self.after} ({self.says})"


def drift(earlier: PostureRecord | None, now: PostureRecord) -> tuple[Drift, ...]:
    """Every control that is in both records with different verdicts."""
    before = {} if earlier is None else {each.name: each.verdict for each in earlier.controls}
    return tuple(
        Drift(each.name, before[each.name], each.verdict, each.says)
        for each in now.controls
        if each.name in before and before[each.name] != each.verdict
    )


def as_declared(controls: Sequence[Control], *, amazon: bool) -> Finding:
    """Whether all controls pass; a control that could not be read has not passed.

    A server that is not Amazon's cannot pass some of them. There the finding is only a warning. On
    Amazon S3, both failed and unknown controls are errors.
    """
    names: dict[Outcome, list[str]] = {"passed": [], "failed": [], "unknown": []}
    for each in controls:
        names[each.verdict].append(each.name)
    figures: dict[str, Figure] = {outcome: len(some) for outcome, some in names.items()}
    told = [f"{len(names['passed'])} of {len(controls)} controls passed"]
    if names["failed"]:
        told.append(f"not as declared: {', '.join(names['failed'])}")
    if names["unknown"]:
        told.append(f"unknown: {', '.join(names['unknown'])}")
    outcome = worst(each.verdict for each in controls)
    if outcome != "passed" and not amazon:
        outcome = "warned"
        told.append("this server is not Amazon S3, and lacks what some of the controls need")
    step = "" if outcome == "passed" else "; `mediatool bucket check` shows the details"
    return Finding(outcome, "; ".join(told) + step, figures)


def still_passes(earlier: PostureRecord | None, found: Sequence[Drift]) -> Finding:
    """Whether every control that passed in the last record still passes, on any server."""
    if earlier is None:
        return Finding("passed", "the first record: there is no earlier one to compare with")
    lost = [each for each in found if each.before == "passed"]
    figures = {"changed": len(found), "lost": len(lost)}
    if lost:
        says = "; ".join(map(str, lost))
        step = "`mediatool bucket apply` sets what is declared"
        return Finding("failed", f"since {earlier.taken}: {says}; {step}", figures)
    told = "; ".join(map(str, found)) or "no change"
    return Finding("passed", f"since {earlier.taken}: {told}", figures)


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
    for aspect, want in bucket_policies.declared_documents(declared, live).items():
        seen = live[aspect]
        if seen.unknown is None and not bucket_policies.contains(aspect, want, seen.document):
            why = tuple(_objections(aspect, want, seen.document, secure=secure))
            line = bucket_policies.command(declared.bucket, aspect, want)
            found.append(Change(aspect, seen.document, want, line, why))
    return tuple(found)


def _objections(
    aspect: Aspect, want: Document, live: Document | None, *, secure: bool
) -> Iterator[str]:
    match aspect:
        case "policy":
            yield from _policy_changes(want, live, secure=secure)
        case "lifecycle":
            yield from _lifecycle_changes(want, live)
        case "encryption":
            algorithm, key = bucket_policies.default_encryption(live)
            if (algorithm or "").startswith("aws:kms"):
                yield f"the bucket encrypts with KMS now ({key or 'the AWS managed key'})"
        case "object-lock":
            yield from _of_lock(want, live)
        case "logging":
            if to := (live or {}).get("LoggingEnabled", {}).get("TargetBucket"):
                yield f"access logs go to {to} now"
        case _:
            return


def _policy_changes(want: Document, live: Document | None, *, secure: bool) -> Iterator[str]:
    ours = {statement.get("Sid"): statement for statement in bucket_policies.statements(want)}
    if not secure and bucket_policies.TLS_ONLY in ours:
        yield "this client speaks plain HTTP, and would lock itself out for good"
    for statement in bucket_policies.statements(live):
        name = statement.get("Sid")
        if name in ours and not bucket_policies.covers(ours[name], statement):
            yield f"statement {name} would deny less than now"


def _lifecycle_changes(want: Document, live: Document | None) -> Iterator[str]:
    wanted, found = bucket_policies.lifecycle_rules(want), bucket_policies.lifecycle_rules(live)
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


GB = 1 << 30
"""The bytes that S3 bills as one GB."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bytes billed for an archived object besides its own: in its class, and in STANDARD."""

    own: int
    standard: int


@dataclass(frozen=True, slots=True)
class RetrievalPrice:
    """One retrieval tier of a class: dollars per GB, and per thousand requests."""

    option: str
    hours: str
    gb: Decimal
    request_1000: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars by storage class: per GB and month, per thousand requests; and the billing minimums.

    ``put_1000`` and ``transition_1000`` are prices of requests into the class; ``minimum_days`` and
    ``minimum_bytes`` are the least that is billed for each object.
    """

    dated: str
    region: str
    sources: tuple[str, ...]
    gb_month: Mapping[str, Decimal]
    minimum_days: Mapping[str, int]
    minimum_bytes: Mapping[str, int]
    archive_overhead_bytes: Mapping[str, Overhead]
    put_1000: Mapping[str, Decimal]
    transition_1000: Mapping[str, Decimal]
    retrieval: Mapping[str, tuple[RetrievalPrice, ...]]

    def storage(self, storage_class: str, size: Decimal) -> Decimal:
        """Dollars a month for a number of bytes."""
        return size / GB * self.gb_month[storage_class]

    def overhead(self, storage_class: str, size: Decimal, count: Decimal) -> Decimal:
        """Dollars a month besides the storage of the bytes: for ``count`` objects of equal size."""
        least = count * self.minimum_bytes.get(storage_class, 0)
        extra = self.storage(storage_class, max(least - size, Decimal(0)))
        if (archive := self.archive_overhead_bytes.get(storage_class)) is not None:
            extra += self.storage(storage_class, count * archive.own)
            extra += self.storage("STANDARD", count * archive.standard)
        return extra


def monthly_cost(rule: LifecycleRule, prices: Prices) -> float | None:
    """Dollars a month for each GB written a day, in steady state; None if nothing expires.

    At 1 GB a day, a class holds as many GB as the number of days that an object spends in it, or as
    its minimum of billed days. Only storage counts, no requests or retrievals. Deleted versions
    count until they expire.
    """
    if rule.expire_days is None:
        return None
    end = rule.expire_days + (rule.noncurrent_days or 0)
    classes = ["STANDARD", *(step.storage_class for step in rule.transitions)]
    bounds = [0, *(step.days for step in rule.transitions), end]
    return float(
        sum(
            max(until - since, prices.minimum_days.get(name, 0)) * prices.gb_month[name]
            for name, (since, until) in zip(classes, pairwise(bounds), strict=True)
        )
    )


SPEC = (
    LifecycleRule(
        id="raw",
        prefix=RAW_PREFIX,
        transitions=(Transition(30, "STANDARD_IA"), Transition(90, "GLACIER")),
        expire_days=730,
    ),
    LifecycleRule(
        id="transformed",
        prefix=TRANSFORMED_PREFIX,
        transitions=(Transition(7, "STANDARD_IA"), Transition(30, "GLACIER")),
        expire_days=365,
    ),
)
"""The lifecycle of the storage description; there, metadata stays in STANDARD indefinitely."""


Cost = float | Literal["grows"] | None


@dataclass(frozen=True, slots=True)
class Departure:
    """A difference from the storage description. Costs are $ a month for each GB written a day.

    A cost of "grows" rises without an end; None means that both store the same.
    """

    about: str
    wish: str
    shipped: str
    reason: str
    wish_cost: Cost = None
    shipped_cost: Cost = None


def departures(declared: Declaration, prices: Prices) -> tuple[Departure, ...]:
    """Every departure, with the cost of those that concern the lifecycle."""
    rules = {_kind(rule): rule for rule in declared.lifecycle}  # equal for all sources
    raw, transformed = SPEC
    return (
        Departure(
            about="transformed exports",
            wish=str(transformed),
            shipped=str(replace(rules["transformed"], noncurrent_days=None)),
            reason="; ".join(
                problem.says for problem in problems([transformed]) if problem.refused
            ),
            wish_cost=monthly_cost(transformed, prices),
            shipped_cost=monthly_cost(replace(rules["transformed"], noncurrent_days=None), prices),
        ),
        Departure(
            about="deletion in a versioned bucket (raw exports)",
            wish=str(raw),
            shipped=str(rules["raw"]),
            reason=(
                "expiry only adds a delete marker to an object of a versioned bucket, and its "
                "bytes are billed for ever; so deleted and replaced versions expire after "
                f"{UNDO_DAYS} days, unfinished uploads after 7, and lone delete markers are removed"
            ),
            wish_cost="grows",
            shipped_cost=monthly_cost(rules["raw"], prices),
        ),
        Departure(
            about="MFA required for deletion",
            wish="MFA delete of the bucket",
            shipped=(
                "a policy statement that denies deleting without MFA"
                + (f", and Object Lock for {declared.lock_days} days" if declared.lock_days else "")
            ),
            reason=(
                "Lifecycle configuration on MFA-enabled buckets is not supported, and only the "
                f"root account can set MFA delete; below {RDS_EXPORTS_PREFIX} deleting "
                "needs no MFA, since AWS's export service deletes there itself, nor below "
                f"{STAGING_PREFIX}, where a run deletes its temporary objects"
            ),
        ),
        Departure(
            about="small objects",
            wish="every export changes its storage class",
            shipped="objects below 128 KB stay in STANDARD",
            reason=(
                "AWS's default since September 2024; cold classes bill 128 KB at least, or 40 KB "
                "of overhead"
            ),
        ),
    )


CHOICES = {
    "dumps": "made from the transformed export, and kept equally long",
    "reports": "small, and like the metadata kept in STANDARD",
    "registry": "small, and can be made again from the metadata at any time",
    "marks": "small, and the only record of pins, promotions and later notes",
    "restores": "small, and the evidence of what was restored",
    "chain": "small, and the proof of who made each version",
    "verdicts": "small, and the evidence of what was verified",
    "records": "small; two years of them show how the bucket and its cost have changed",
    "sanitized": "can be made again from the raw export at any time",
    "rds-exports": "read once, to make a raw export",
    "staging": "temporary objects; each run deletes its own, and a killed run's expire in a week",
    "dagster-logs": "nobody reads the log of a run after a quarter of a year",
    "testing": "cost strategy 3 of the storage description: objects tagged purpose=testing",
    "clean-up": "everything that the rules of the prefixes do not clean up",
}
"""Rules that are not in the storage description's lifecycle table, with the reason for each."""


def additional_rules(rules: Sequence[LifecycleRule] = LIFECYCLE) -> dict[str, str]:
    """The declared rules that the storage description's lifecycle table lacks, by id."""
    return {rule.id: CHOICES[_kind(rule)] for rule in rules if _kind(rule) in CHOICES}


def _kind(rule: LifecycleRule) -> str:
    """The id of a rule without the prefix of a source."""
    return rule.id.rpartition("/")[2]
