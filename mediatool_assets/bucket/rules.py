"""A live bucket compared with the declaration: one outcome for each control."""

from collections.abc import Iterator
from dataclasses import dataclass

from mediatool_assets.domain.bucket import aspects, policies
from mediatool_assets.domain.bucket.aspects import Aspect, Live, LiveAspect
from mediatool_assets.domain.bucket.cloudtrail import LoggingTrails, recorded
from mediatool_assets.domain.bucket.declaration import Declaration
from mediatool_assets.domain.bucket.lifecycle import Document, canonical
from mediatool_assets.domain.outcome import Outcome


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
    want = aspects.declared_documents(declared, live)

    def whole(name: str, aspect: Aspect, good: str) -> Control:
        command = aspects.command(declared.bucket, aspect, want[aspect])
        seen = live[aspect]
        if seen.unknown is not None:
            return _control(name, "unknown", seen.unknown, command)
        if aspects.contains(aspect, want[aspect], seen.document):
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
            algorithm, key = aspects.default_encryption(document)
            return f"found {algorithm or 'none'}" + (f" {key}" if key else "")
        case "public-access":
            off = [name for name, on in document.items() if not on]
            return f"off: {', '.join(off)}"
        case "versioning":
            return f"found {document.get('Status', 'never enabled')}"
        case _:
            return f"found {document}"


def _of_policy(declared: Declaration, seen: LiveAspect, want: Document) -> Iterator[Control]:
    names = {policies.TLS_ONLY: "tls-only", policies.DELETE_NEEDS_MFA: "delete-needs-mfa"}
    command = aspects.command(declared.bucket, "policy", want)
    found = policies.statements(seen.document)
    for statement in policies.bucket_statements(declared):
        name = names[statement["Sid"]]
        if seen.unknown is not None:
            yield _control(name, "unknown", seen.unknown, command)
        elif any(policies.same_statement(statement, each) for each in found):
            yield _control(name, "passed", f"the policy has {statement['Sid']}")
        else:
            says = f"the policy lacks the declared statement {statement['Sid']}"
            yield _control(name, "failed", says, command)
    yield _no_public_statement(seen)


def _no_public_statement(seen: LiveAspect) -> Control:
    name = "no-public-statement"
    if seen.unknown is not None:
        return _control(name, "unknown", seen.unknown)
    found: dict[policies.Openness, list[str]] = {}
    for each in policies.statements(seen.document):
        found.setdefault(policies.public_access(each), []).append(str(each.get("Sid", "unnamed")))
    if "open" in found:
        says = f"allowed to everybody by statement {', '.join(found['open'])}; remove it by hand"
        return _control(name, "failed", says)
    if "unknown" in found:
        names = ", ".join(found["unknown"])
        says = f"unknown whom the condition of statement {names} allows; review it by hand"
        return _control(name, "unknown", says)
    return _control(name, "passed", "no statement allows anything to everybody")


def _of_lifecycle(declared: Declaration, seen: LiveAspect, want: Document) -> Iterator[Control]:
    command = aspects.command(declared.bucket, "lifecycle", want)
    found = aspects.lifecycle_rules(seen.document)
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
    command = aspects.command(declared.bucket, "logging", aspects.wanted_logging(declared))
    if seen.unknown is not None:
        return _control(name, "unknown", seen.unknown, command)
    if to is None:
        return _control(name, "failed", "off; set MEDIATOOL_S3_LOG_BUCKET and apply", command)
    if target not in (None, to):
        return _control(name, "failed", f"goes to {to}, not to {target}", command)
    return _control(name, "passed", f"goes to {to}")


def _data_events(declared: Declaration, trails: LoggingTrails) -> Control:
    name, commands = "data-events", aspects.trail_commands(declared)
    if trails.unknown is not None:
        return _control(name, "unknown", trails.unknown, *commands)
    missing = sorted({"read", "write"} - recorded(trails, declared.arn))
    if missing:
        says = f"no active trail records {' or '.join(missing)} events of the objects"
        return _control(name, "failed", says, *commands)
    return _control(name, "passed", "CloudTrail records reads and writes of the objects")
