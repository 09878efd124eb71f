"""Policies: the least that each role needs, and denials that are kept."""

import re
from typing import Any

import pytest

from mediatool_assets.core.bucket import Declaration, SnapshotExportAccess
from mediatool_assets.core.bucket_policies import (
    bucket_policy,
    bucket_statements,
    covers,
    documents,
    public_access,
    same_statement,
)

PLAIN = Declaration("b")
ROLES = ("pipeline-role", "read-only-role", "pruning-role", "rds-export-role")
READS = {"s3:ListBucket", "s3:GetObject"}
ACTIONS = {
    "pipeline-role": {
        *READS,
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",  # of what was staged
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:RestoreObject",
        # the daily look at what is billed, and at the settings
        "s3:ListBucketMultipartUploads",
        "s3:ListBucketVersions",
        "s3:ListMultipartUploadParts",
        "s3:GetBucketLogging",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetEventSelectors",
        "cloudtrail:GetTrailStatus",
    },
    "read-only-role": READS,
    "pruning-role": {
        *READS,
        "s3:DeleteObjectVersion",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:GetObjectLegalHold",
        "s3:GetObjectRetention",
        "s3:GetObjectTagging",
        "s3:GetObjectVersion",
        "s3:ListBucketVersions",
        "s3:PutObject",  # of the registry
    },
    "rds-export-role": {
        "s3:GetBucketLocation",
        "s3:ListBucket",
        "s3:DeleteObject*",
        "s3:GetObject*",
        "s3:PutObject*",
    },
}


def words(statement: dict[str, Any], part: str) -> list[str]:
    """A part of a statement as a list."""
    value = statement[part]
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_this_and_no_more(role: str) -> None:
    """The actions of each role, one by one."""
    statements = documents(PLAIN)[role]["Statement"]
    assert {word for each in statements for word in words(each, "Action")} == ACTIONS[role]
    assert {each["Effect"] for each in statements} == {"Allow"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_no_other_bucket(role: str) -> None:
    """Every resource of a role is the bucket or below a prefix of ours in it."""
    for statement in documents(PLAIN)[role]["Statement"]:
        if all(action.startswith("cloudtrail:") for action in words(statement, "Action")):
            continue  # trails are the account's
        for resource in words(statement, "Resource"):
            assert resource == "arn:aws:s3:::b" or resource.startswith("arn:aws:s3:::b/")
            assert resource != "arn:aws:s3:::b/*"


def test_what_prunes_writes_the_registry_only() -> None:
    """Whoever may delete cannot put anything in the place of what was there."""
    statements = documents(PLAIN)["pruning-role"]["Statement"]
    (writing,) = [each for each in statements if "s3:PutObject" in words(each, "Action")]
    registry = "arn:aws:s3:::b/mongodb-versions.json"
    assert (words(writing, "Action"), words(writing, "Resource")) == (["s3:PutObject"], [registry])


def test_what_makes_versions_deletes_what_it_staged_only() -> None:
    """Neither the pipeline nor anybody without MFA deletes an archive."""
    (deleting,) = (
        statement
        for statement in documents(PLAIN)["pipeline-role"]["Statement"]
        if any("Delete" in action for action in words(statement, "Action"))
    )
    assert deleting["Resource"] == "arn:aws:s3:::b/postgres-exports/staging/*"
    _, mfa = bucket_statements(PLAIN)
    assert deleting["Resource"] in mfa["NotResource"]


def test_the_export_service_writes_its_own_prefix_only() -> None:
    """Whatever the RDS export role writes or deletes is an RDS export, and only AWS may take it."""
    _, objects = documents(PLAIN)["rds-export-role"]["Statement"]
    assert objects["Resource"] == "arn:aws:s3:::b/postgres-exports/rds-exports/*"
    (trust,) = documents(PLAIN)["rds-export-trust"]["Statement"]
    assert trust["Principal"] == {"Service": "export.rds.amazonaws.com"}


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        ("1234", "arn:aws:kms:*:*:key/1234"),
        ("arn:aws:kms:eu-west-1:1:key/9", "arn:aws:kms:eu-west-1:1:key/9"),
        ("alias/backups", "arn:aws:kms:*:*:key/*"),
        ("arn:aws:kms:eu-west-1:1:alias/backups", "arn:aws:kms:*:*:key/*"),
    ],
)
def test_the_key(key: str, resource: str) -> None:
    """With a KMS key readers may decrypt, writers make data keys too; an alias is a condition."""
    made = documents(Declaration("b", kms_key_id=key))
    for role, actions in (
        ("pipeline-role", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ("pruning-role", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ("read-only-role", ["kms:Decrypt"]),
    ):
        statement = made[role]["Statement"][-1]
        assert statement["Resource"] == resource
        assert statement["Action"] == actions
        named = statement.get("Condition", {}).get("ForAnyValue:StringEquals")
        assert named == ({"kms:ResourceAliases": "alias/backups"} if "alias" in key else None)


def test_the_pipeline_exports_snapshots_where_it_is_to() -> None:
    """One instance, one role to pass and to one service, one key, one topic; else none of it."""
    role, topic = "arn:aws:iam::1:role/export", "arn:aws:sns:eu-west-1:1:alerts"
    rds = SnapshotExportAccess("media", role, "12-ab")
    made = documents(Declaration("b", rds=rds, alert_topic_arn=topic))["pipeline-role"]
    plain = documents(PLAIN)["pipeline-role"]["Statement"]
    more = {each["Sid"]: each for each in made["Statement"] if each not in plain}
    assert set(more) == {
        "TakeSnapshots", "ExportSnapshots", "PassTheExportRole", "UseTheKeyOfExports", "Alert"
    }  # fmt: skip
    assert more["TakeSnapshots"]["Resource"] == ["arn:aws:rds:*:*:db:media",
                                                 "arn:aws:rds:*:*:snapshot:*"]  # fmt: skip
    assert (more["PassTheExportRole"]["Action"], more["PassTheExportRole"]["Resource"]) == (
        "iam:PassRole",
        role,
    )
    assert more["PassTheExportRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "export.rds.amazonaws.com"}
    }
    assert more["UseTheKeyOfExports"]["Resource"] == "arn:aws:kms:*:*:key/12-ab"
    assert (more["Alert"]["Action"], more["Alert"]["Resource"]) == ("sns:Publish", topic)


def test_statements_of_others_stay() -> None:
    """Our statements take the place of older ones of ours, and of no other."""
    other = {
        "Sid": "Partner",
        "Effect": "Allow",
        "Principal": {"AWS": "1"},
        "Action": "s3:GetObject",
    }
    old = {"Sid": "MediatoolTlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject"}
    made = bucket_policy(PLAIN, {"Version": "2012-10-17", "Statement": [old, other]})
    assert made["Statement"] == [other, *bucket_statements(PLAIN)]
    assert bucket_policy(PLAIN, made) == made
    assert bucket_policy(PLAIN, {"Statement": other})["Statement"][0] == other


def test_sameness_is_of_meaning() -> None:
    """The order of a list, and a list of one, make no difference; a condition does."""
    tls, _ = bucket_statements(PLAIN)
    turned = {**tls, "Action": ["s3:*"], "Resource": tls["Resource"][::-1]}
    assert same_statement(tls, turned)
    assert not same_statement(tls, {**tls, "Condition": {}})


@pytest.mark.parametrize(
    ("live", "kept"),
    [
        ({}, True),
        ({"Action": "s3:DeleteObject"}, True),
        ({"Action": ["s3:DeleteObject", "s3:PutLifecycleConfiguration"]}, False),
        ({"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}, False),
        ({"Principal": {"AWS": "1"}}, False),
        ({"NotResource": "arn:aws:s3:::b/nothing/*"}, False),
        ({"Effect": "Allow"}, True),
    ],
)
def test_what_a_new_denial_has_to_cover(live: dict[str, Any], kept: bool) -> None:
    """A statement replaces an older one without weakening it if it denies all that that did."""
    _, ours = bucket_statements(PLAIN)
    assert covers(ours, {**ours, **live}) == kept


ANYBODY = {"Effect": "Allow", "Principal": "*"}


def held(operator: str, key: str, *values: str) -> dict[str, Any]:
    """A statement for everybody that a condition holds."""
    return {**ANYBODY, "Condition": {operator: {key: list(values)}}}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (ANYBODY, "open"),
        ({"Effect": "Allow", "Principal": {"AWS": ["1", "*"]}}, "open"),
        ({"Effect": "Allow", "Principal": {"AWS": "*"}}, "open"),
        ({"Effect": "Allow", "NotPrincipal": {"AWS": "1"}}, "open"),
        ({"Effect": "Allow", "Principal": {"AWS": "1"}}, "closed"),
        ({"Effect": "Deny", "Principal": "*"}, "closed"),
        ({"Effect": "Deny", "NotPrincipal": {"AWS": "1"}}, "closed"),
        (held("StringEquals", "aws:PrincipalOrgID", "o-1"), "closed"),
        (held("StringEquals", "AWS:sourcevpce", "vpce-1"), "closed"),
        (held("ArnLike", "aws:SourceArn", "arn:aws:s3:::other"), "closed"),
        (held("IpAddress", "aws:SourceIp", "203.0.113.0/24", "2001:db8::/32"), "closed"),
        (held("IpAddress", "aws:SourceIp", "203.0.113.0/24", "0.0.0.0/0"), "unknown"),
        (held("IpAddress", "aws:SourceIp", "0.0.0.0/1", "128.0.0.0/1"), "unknown"),
        (held("IpAddress", "aws:SourceIp", "::/0"), "unknown"),
        (held("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"), "unknown"),
        (held("StringEqualsIfExists", "aws:SourceVpc", "vpc-1"), "unknown"),
        (held("StringLike", "aws:PrincipalAccount", "*"), "unknown"),
        (held("StringEquals", "aws:PrincipalOrgID", "${aws:PrincipalOrgID}"), "unknown"),
        (held("Bool", "aws:SecureTransport", "true"), "unknown"),
        (held("StringLike", "aws:Referer", "https://example.com/*"), "unknown"),
    ],
)
def test_open_to_all(statement: dict[str, Any], found: str) -> None:
    """Allowed to everybody is open, unless a condition holds it to who is named."""
    assert public_access(statement) == found


def test_a_role_reaches_one_source_and_the_bucket_s_policy_all() -> None:
    """No role has a right on the objects of another source; staging is open below each prefix."""
    shop = Declaration("b", prefix="shop/", prefixes=("", "shop/"))
    for name in ROLES:
        text = str(documents(shop)[name])
        assert "arn:aws:s3:::b/shop/postgres-exports/" in text
        assert not re.search(r"arn:aws:s3:::b/(?!shop/|dagster-logs/)", text)
    _, deletion = bucket_statements(shop)
    assert deletion["NotResource"] == [
        f"arn:aws:s3:::b/{prefix}postgres-exports/{part}/*"
        for prefix in ("", "shop/")
        for part in ("rds-exports", "staging")
    ]
