"""Policy documents: what the bucket denies to everybody, and the least rights of each role.

The aspects of the bucket's configuration: the declared document of each, and the live one.

Whether CloudTrail records the reads and writes of the bucket's objects.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Literal, get_args

from mediatool_assets.core.bucket import (
    Declaration,
    Document,
    SnapshotExportAccess,
    canonical,
    configuration,
)
from mediatool_assets.core.version import (
    DUMPS_PREFIX,
    EXPORTS_PREFIX,
    LOGS_PREFIX,
    MARKS_KEY,
    RDS_EXPORTS_PREFIX,
    REGISTRY_KEY,
    REPORTS_PREFIX,
    STAGING_PREFIX,
)

VERSION = "2012-10-17"  # of the policy language
TLS_ONLY = "MediatoolTlsOnly"
DELETE_NEEDS_MFA = "MediatoolDeleteNeedsMfa"

_OBJECTS = (
    *(f"{p}*" for p in (EXPORTS_PREFIX, DUMPS_PREFIX, REPORTS_PREFIX)),
    REGISTRY_KEY,
    MARKS_KEY,
)
"""The prefixes of all archives and documents of versions."""

SETTINGS = (
    "s3:GetBucketLogging",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
)
TRAILS = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
)
"""Rights on the account and not on the bucket: the ARN of a trail is not known beforehand."""


def bucket_statements(declared: Declaration) -> tuple[dict[str, Any], ...]:
    """What the bucket denies to everybody, including its owner.

    Deleting needs MFA, with two exceptions: the RDS exports, where AWS's export service deletes its
    own test object, and the staging area, where a run deletes what its workers left. Lifecycle
    rules are not subject to policies.
    """
    arn = declared.arn
    return (
        {
            "Sid": TLS_ONLY,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            "Sid": DELETE_NEEDS_MFA,
            "Effect": "Deny",
            "Principal": "*",
            "Action": [
                "s3:BypassGovernanceRetention",
                "s3:DeleteBucket",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
            ],
            "NotResource": [
                f"{arn}/{prefix}{part}*"
                for prefix in declared.prefixes
                for part in (RDS_EXPORTS_PREFIX, STAGING_PREFIX)
            ],
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        },
    )


def bucket_policy(declared: Declaration, live: Document | None) -> dict[str, Any]:
    """The bucket's policy: our statements, and all existing statements of others."""
    ours = bucket_statements(declared)
    names = {statement["Sid"] for statement in ours}
    others = [each for each in statements(live) if each.get("Sid") not in names]
    return {"Version": VERSION, "Statement": [*others, *ours]}


def statements(policy: Document | None) -> list[dict[str, Any]]:
    """The statements of a policy; a single statement may be outside a list."""
    found = (policy or {}).get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


def pipeline_role(declared: Declaration) -> dict[str, Any]:
    """The rights of the process that makes versions: list, read and write, but no settings.

    It deletes only what its workers staged.

    Every day it also reads the bucket's settings and trails, and lists what is billed. If the
    settings name them, it exports snapshots of the RDS instance and publishes to the topic.
    """
    objects = [*_objects(declared), f"{declared.arn}/{LOGS_PREFIX}*"]
    return _policy(
        _allow(
            "ListTheBucket",
            ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"],
            declared.arn,
        ),
        _allow("LookAtItsSettings", list(SETTINGS), declared.arn),
        _allow("LookAtTheTrails", list(TRAILS), "*"),
        _allow(
            "ReadAndWriteObjects",
            [
                "s3:AbortMultipartUpload",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            objects,
        ),
        _allow("RemoveWhatWasStaged", "s3:DeleteObject", f"{_own(declared)}{STAGING_PREFIX}*"),
        _allow("TagTestVersions", "s3:PutObjectTagging", objects),
        _allow("AskForCopiesOutOfColdStorage", "s3:RestoreObject", objects),
        *_snapshots(declared.rds),
        *([_allow("Alert", "sns:Publish", topic)] if (topic := declared.alert_topic_arn) else []),
        *_key(declared.kms_key_id, "kms:Decrypt", "kms:GenerateDataKey"),
    )


def pruning_role(declared: Declaration) -> dict[str, Any]:
    """The rights of prune: it reads, deletes permanently, and writes only the registry.

    It reads Object Lock and never bypasses it. The bucket denies its deletions without MFA.
    """
    objects = _objects(declared)
    return _policy(
        _allow("ListTheBucket", ["s3:ListBucket", "s3:ListBucketVersions"], declared.arn),
        _allow(
            "LookAtItsRules",
            ["s3:GetBucketObjectLockConfiguration", "s3:GetLifecycleConfiguration"],
            declared.arn,
        ),
        _allow(
            "ReadObjects",
            [
                "s3:GetObject",
                "s3:GetObjectLegalHold",
                "s3:GetObjectRetention",
                "s3:GetObjectTagging",
                "s3:GetObjectVersion",
            ],
            objects,
        ),
        _allow("DeleteForGood", "s3:DeleteObjectVersion", objects),
        _allow("WriteTheRegistry", "s3:PutObject", f"{_own(declared)}{REGISTRY_KEY}"),
        *_key(declared.kms_key_id, "kms:Decrypt", "kms:GenerateDataKey"),
    )


def read_only_role(declared: Declaration) -> dict[str, Any]:
    """The rights to find and download versions."""
    objects = _objects(declared)
    return _policy(
        _allow("ListTheBucket", "s3:ListBucket", declared.arn),
        _allow("ReadObjects", "s3:GetObject", objects),
        *_key(declared.kms_key_id, "kms:Decrypt"),
    )


def rds_export_role(declared: Declaration) -> dict[str, Any]:
    """What AWS requires of the role of a snapshot export, limited to the prefix of the exports."""
    return _policy(
        _allow("FindTheBucket", ["s3:GetBucketLocation", "s3:ListBucket"], declared.arn),
        _allow(
            "WriteExports",
            ["s3:DeleteObject*", "s3:GetObject*", "s3:PutObject*"],
            f"{_own(declared)}{RDS_EXPORTS_PREFIX}*",
        ),
    )


def rds_export_trust() -> dict[str, Any]:
    """Who may assume the RDS export role: only the export service."""
    principal = {"Service": "export.rds.amazonaws.com"}
    return _policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def documents(declared: Declaration) -> dict[str, dict[str, Any]]:
    """Every policy document by its name on the command line."""
    return {
        "bucket-policy": bucket_policy(declared, None),
        "pipeline-role": pipeline_role(declared),
        "read-only-role": read_only_role(declared),
        "pruning-role": pruning_role(declared),
        "rds-export-role": rds_export_role(declared),
        "rds-export-trust": rds_export_trust(),
    }


def covers(wanted: Document, live: Document) -> bool:
    """Whether a Deny statement still denies everything that the live one with its name denies."""
    if live.get("Effect") != "Deny":
        return True
    same = all(
        _plain(wanted.get(part)) == _plain(live.get(part))
        for part in ("Principal", "NotPrincipal", "NotAction", "Condition")
    )
    return same and all(
        "s3:*" in _words(wanted, part) or _words(live, part) <= _words(wanted, part)
        for part in ("Action", "Resource")
    ) and _words(wanted, "NotResource") <= _words(live, "NotResource")  # fmt: skip


def same_statement(one: Document, other: Document) -> bool:
    """Whether two statements are equivalent: servers sort lists, and unwrap lists of one."""
    return _plain(one) == _plain(other)


Openness = Literal["closed", "open", "unknown"]

_LIMITING = {
    f"aws:{key}".lower()
    for key in (
        "PrincipalAccount", "PrincipalOrgID", "SourceAccount", "SourceArn", "SourceIp", "SourceVpc",
        "SourceVpce",
    )
}  # fmt: skip
_EQUAL = {"stringequals", "stringlike", "arnequals", "arnlike", "ipaddress"}
_WIDEST = {4: 8, 6: 32}  # bits of a network prefix; S3 too treats wider ones as public


def public_access(statement: Document) -> Openness:
    """Whether a statement allows something to everybody.

    A statement is closed if its condition limits it to fixed accounts, organizations or networks,
    as S3 defines it. With any other condition, the result is unknown.
    """
    principal = statement.get("Principal")
    anyone = principal == "*" or (
        isinstance(principal, Mapping) and "*" in {w for v in principal.values() for w in _list(v)}
    )
    if statement.get("Effect") != "Allow":
        return "closed"
    if "NotPrincipal" in statement:
        return "open"
    if not anyone or any(_limits(statement.get("Condition") or {})):
        return "closed"
    return "unknown" if statement.get("Condition") else "open"


def _limits(condition: Mapping[str, Any]) -> Iterator[bool]:
    """For each key of a condition, all of which must hold: whether it excludes the public."""
    for operator, keys in condition.items():
        for key, values in keys.items():
            known = operator.lower() in _EQUAL and key.lower() in _LIMITING
            yield known and all(_is_fixed(key, str(value)) for value in _list(values))


def _is_fixed(key: str, value: str) -> bool:
    if key.lower() != "aws:sourceip":
        return bool(value) and not set(value) & set("*?$")
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return False
    return network.prefixlen >= _WIDEST[network.version]


def _own(declared: Declaration) -> str:
    """What the resource names of one source's objects begin with."""
    return f"{declared.arn}/{declared.prefix}"


def _objects(declared: Declaration) -> list[str]:
    """The archives and documents of one source."""
    return [_own(declared) + key for key in _OBJECTS]


def _policy(*parts: Document) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": list(parts)}


def _allow(sid: str, action: str | Sequence[str], resource: str | Sequence[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}


def _snapshots(rds: SnapshotExportAccess | None) -> tuple[dict[str, Any], ...]:
    """The rights to take a snapshot of one instance and to let AWS export it."""
    if rds is None:
        return ()
    anywhere = "arn:aws:rds:*:*"
    passing = _allow("PassTheExportRole", "iam:PassRole", rds.role_arn)
    passed = {"StringEquals": {"iam:PassedToService": "export.rds.amazonaws.com"}}
    (key,) = _key(rds.key_id, "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey")
    return (
        _allow(
            "TakeSnapshots",
            ["rds:CreateDBSnapshot", "rds:DescribeDBSnapshots"],
            [f"{anywhere}:db:{rds.instance}", f"{anywhere}:snapshot:*"],
        ),
        # AWS does not support limiting either action to a resource
        _allow("ExportSnapshots", ["rds:DescribeExportTasks", "rds:StartExportTask"], "*"),
        {**passing, "Condition": passed},
        {**key, "Sid": "UseTheKeyOfExports"},
    )


def _key(key: str | None, *actions: str) -> tuple[dict[str, Any], ...]:
    """The rights on the KMS key; none with SSE-S3. An alias is identified by a condition."""
    if key is None:
        return ()
    name = key.rpartition(":")[2]
    if name.startswith("alias/"):
        statement = _allow("UseTheKey", sorted(actions), "arn:aws:kms:*:*:key/*")
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}}
        return ({**statement, "Condition": named},)
    arn = key if key.startswith("arn:") else f"arn:aws:kms:*:*:key/{key}"
    return (_allow("UseTheKey", sorted(actions), arn),)


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _words(statement: Document, part: str) -> set[str]:
    return set(_list(statement[part])) if part in statement else set()


def _plain(value: object) -> object:
    """A form in which neither order nor single-item lists make a difference."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        items = sorted((_plain(each) for each in value), key=json.dumps)
        return items[0] if len(items) == 1 else items
    return value


Aspect = Literal[
    "ownership",
    "public-access",
    "encryption",
    "versioning",
    "object-lock",
    "logging",
    "lifecycle",
    "policy",
]
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
"""In the order in which they are set. Object Lock needs versioning; the policy is last, because it
can lock out its own setter.
"""

TRAIL = "mediatool-data-events"
UNNAMED_LOG_BUCKET = "YOUR-LOG-BUCKET"
"""A placeholder in printed commands if no bucket for logs is declared; never sent."""


@dataclass(frozen=True, slots=True)
class LiveAspect:
    """The live configuration of one aspect: a document, nothing, or why it is unknown."""

    document: Document | None = None
    unknown: str | None = None


Live = Mapping[Aspect, LiveAspect]


def declared_documents(declared: Declaration, live: Live) -> dict[Aspect, dict[str, Any]]:
    """The document of every declared aspect; the policy keeps the statements of others."""
    documents: dict[Aspect, dict[str, Any]] = {
        "ownership": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "public-access": {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
        "encryption": {"Rules": [_encryption(declared.kms_key_id)]},
        "versioning": {"Status": "Enabled"},
    }
    if declared.lock_days is not None:
        retention = {"Mode": "GOVERNANCE", "Days": declared.lock_days}
        documents["object-lock"] = {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": retention},
        }
    if declared.log_bucket is not None:
        documents["logging"] = wanted_logging(declared)
    documents["lifecycle"] = configuration(declared.lifecycle)
    documents["policy"] = bucket_policy(declared, live["policy"].document)
    return documents


def _encryption(key: str | None) -> dict[str, Any]:
    if key is None:
        return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    return {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}


def contains(aspect: Aspect, want: Document, live: Document | None) -> bool:
    """Whether the live document contains everything of the wanted one."""
    if live is None:
        return False
    match aspect:
        case "lifecycle":
            return lifecycle_rules(want) == lifecycle_rules(live) and (
                live.get("SizeFloor") in (None, want["SizeFloor"])
            )
        case "policy":
            return all(
                any(same_statement(ours, each) for each in statements(live))
                for ours in statements(want)
            )
        case "encryption":
            return _same_encryption(default_encryption(want), default_encryption(live))
        case _:
            return _contains(live, want)


def lifecycle_rules(document: Document | None) -> dict[str, dict[str, Any]]:
    """The rules of a lifecycle configuration by their id, in canonical form."""
    rules = (document or {}).get("Rules", ())
    return {rule.get("ID", f"#{n}"): canonical(rule) for n, rule in enumerate(rules)}


def default_encryption(document: Document | None) -> tuple[str | None, str | None]:
    """The algorithm and the key of the default encryption; None if not set."""
    for rule in (document or {}).get("Rules", ()):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        return default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")
    return None, None


def _same_encryption(
    want: tuple[str | None, str | None], live: tuple[str | None, str | None]
) -> bool:
    """Whether two keys are the same: one may be an id or alias, and the other a resource name."""
    (algorithm, key), (found, name) = want, live
    if algorithm != found or key is None or name is None:
        return want == live
    return name == key or name.endswith((f"/{key}", f":{key}"))


def _contains(live: object, want: object) -> bool:
    """Whether everything wanted is in the live value; servers add fields of their own."""
    if isinstance(want, Mapping):
        return isinstance(live, Mapping) and all(
            key in live and _contains(live[key], value) for key, value in want.items()
        )
    if isinstance(want, list):
        return isinstance(live, list) and len(live) == len(want) and all(
            _contains(one, other) for one, other in zip(live, want, strict=True)
        )  # fmt: skip
    return live == want


_COMMANDS: dict[Aspect, tuple[str, str]] = {
    "ownership": ("put-bucket-ownership-controls", "--ownership-controls"),
    "public-access": ("put-public-access-block", "--public-access-block-configuration"),
    "encryption": ("put-bucket-encryption", "--server-side-encryption-configuration"),
    "versioning": ("put-bucket-versioning", "--versioning-configuration"),
    "object-lock": ("put-object-lock-configuration", "--object-lock-configuration"),
    "logging": ("put-bucket-logging", "--bucket-logging-status"),
    "lifecycle": ("put-bucket-lifecycle-configuration", "--lifecycle-configuration"),
    "policy": ("put-bucket-policy", "--policy"),
}


def command(bucket: str, aspect: Aspect, document: Document) -> str:
    """The ``aws`` command that sets an aspect, ready to be pasted into a shell."""
    verb, option = _COMMANDS[aspect]
    document = dict(document)
    words = ["aws", "s3api", verb, "--bucket", bucket]
    if floor := document.pop("SizeFloor", None):
        words += ["--transition-default-minimum-object-size", floor]
    return shlex.join([*words, option, _json(document)])


def wanted_logging(declared: Declaration) -> dict[str, Any]:
    """Access logs under the bucket's name, in the declared bucket or in a placeholder for it."""
    target = declared.log_bucket or UNNAMED_LOG_BUCKET
    return {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": f"{declared.bucket}/"}}


def trail_commands(declared: Declaration) -> tuple[str, ...]:
    """The commands that create a CloudTrail trail of all reads and writes of objects."""
    selector = {
        "Name": declared.bucket,
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
            {"Field": "resources.ARN", "StartsWith": [f"{declared.arn}/"]},
        ],
    }
    target = declared.log_bucket or UNNAMED_LOG_BUCKET
    trail = "aws cloudtrail"
    return (
        f"{trail} create-trail --name {TRAIL} --s3-bucket-name {shlex.quote(target)} "
        "--is-multi-region-trail --enable-log-file-validation",
        f"{trail} put-event-selectors --trail-name {TRAIL} "
        f"--advanced-event-selectors {shlex.quote(_json([selector]))}",
        f"{trail} start-logging --name {TRAIL}",
    )


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


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
