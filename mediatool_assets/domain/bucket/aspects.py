"""The aspects of the bucket's configuration: the declared document of each, and the live one."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from mediatool_assets.domain.bucket import policies
from mediatool_assets.domain.bucket.declaration import Declaration
from mediatool_assets.domain.bucket.lifecycle import Document, canonical, configuration

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
    documents["policy"] = policies.bucket_policy(declared, live["policy"].document)
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
                any(policies.same_statement(ours, each) for each in policies.statements(live))
                for ours in policies.statements(want)
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
