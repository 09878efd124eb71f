"""Plan, check and apply on a bucket in memory: idempotent, nothing weakened unasked."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediatool_assets.bucket import flow as posture
from mediatool_assets.bucket.flow import SHIPPED_PRICES, apply, check, plan, read_prices
from mediatool_assets.bucket.rules import Change, Control, PostureRecord
from mediatool_assets.core.bucket import LIFECYCLE, Declaration, LifecycleRule
from mediatool_assets.core.bucket_policies import ASPECTS, Aspect, LiveAspect
from mediatool_assets.core.errors import BadSettings, Refused
from mediatool_assets.pages import markdown
from mediatool_assets_tests.bucket_twin import BucketTwin, as_declared, unknown

FULL = Declaration("b", "alias/backups", 8, "logs")
PLAIN = Declaration("b")


def ignore(change: Change) -> None:
    """Announce to nobody."""


def test_apply_then_check() -> None:
    """What was applied to a bare bucket passes every control; applied again, it sets nothing."""
    bucket = BucketTwin()
    done = apply(FULL, bucket, (), ignore)
    assert (set(done.set), done.unchanged, done.failed) == (set(ASPECTS), (), {})
    assert {control.verdict for control in check(FULL, bucket)} == {"passed"}
    bucket.written.clear()
    again = apply(FULL, bucket, (), ignore)
    assert (again.set, set(again.unchanged), bucket.written) == ((), set(ASPECTS), [])


def test_the_policy_comes_last() -> None:
    """What may shut its own setter out is set when everything else is."""
    bucket = BucketTwin()
    apply(FULL, bucket, (), ignore)
    assert bucket.written[-1] == "policy"
    assert bucket.written.index("versioning") < bucket.written.index("object-lock")


def test_every_change_is_shown_before_the_first_is_made() -> None:
    """Who watches sees all changes while nothing has been set."""
    bucket = BucketTwin()
    seen: list[tuple[Aspect, int]] = []
    apply(FULL, bucket, (), lambda change: seen.append((change.aspect, len(bucket.written))))
    assert [count for _, count in seen] == [0] * len(ASPECTS)


def kms(key: str) -> dict[str, Any]:
    """A default encryption with a KMS key."""
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}


def lock(**retention: Any) -> dict[str, Any]:
    """A default retention."""
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}


def rules(*more: LifecycleRule, without: str = "") -> dict[str, Any]:
    """The declared rules but one, and more."""
    kept = [rule for rule in LIFECYCLE if rule.id != without]
    return {"Rules": [rule.document() for rule in (*kept, *more)]}


RAW = next(rule for rule in LIFECYCLE if rule.id == "raw")
STATEMENT = {
    "Sid": "MediatoolDeleteNeedsMfa",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "NotResource": [
        "arn:aws:s3:::b/postgres-exports/rds-exports/*",
        "arn:aws:s3:::b/postgres-exports/staging/*",
    ],
    "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
}

WEAKER: dict[str, tuple[Declaration, Aspect, dict[str, Any], str]] = {
    "KMS to SSE-S3": (PLAIN, "encryption", kms("alias/x"), "encrypts with KMS now (alias/x)"),
    "to another key": (FULL, "encryption", kms("alias/x"), "encrypts with KMS now (alias/x)"),
    "compliance": (FULL, "object-lock", lock(Mode="COMPLIANCE", Days=1), "COMPLIANCE mode"),
    "longer lock": (FULL, "object-lock", lock(Mode="GOVERNANCE", Years=1), "365 days now"),
    "other logs": (
        FULL,
        "logging",
        {"LoggingEnabled": {"TargetBucket": "others", "TargetPrefix": ""}},
        "access logs go to others now",
    ),
    "a rule of others": (
        PLAIN,
        "lifecycle",
        rules(LifecycleRule("legal-hold", "kept/", noncurrent_days=3000)),
        "rule legal-hold is not declared, and would be removed",
    ),
    "kept longer": (
        PLAIN,
        "lifecycle",
        rules(LifecycleRule("raw", "postgres-exports/raw/", expire_days=900), without="raw"),
        "rule raw keeps objects for 900 days now, and would keep them for 730 days",
    ),
    "kept for ever": (
        PLAIN,
        "lifecycle",
        rules(LifecycleRule("raw", "postgres-exports/raw/", noncurrent_days=30), without="raw"),
        "rule raw keeps objects for ever now, and would keep them for 730 days",
    ),
    "a rule that is off": (
        PLAIN,
        "lifecycle",
        {"Rules": [rule | {"Status": "Disabled"} for rule in rules()["Rules"]]},
        "rule raw keeps objects for ever now, and would keep them for 730 days",
    ),
    "a rule for fewer objects": (
        PLAIN,
        "lifecycle",
        rules(replace(RAW, prefix="postgres-exports/raw/2024"), without="raw"),
        "rule raw keeps objects for ever now, and would keep them for 730 days",
    ),
    "a rule for tagged objects": (
        PLAIN,
        "lifecycle",
        rules(replace(RAW, tag=("old", "yes")), without="raw"),
        "rule raw keeps objects for ever now, and would keep them for 730 days",
    ),
    "denied more": (
        PLAIN,
        "policy",
        {"Version": "2012-10-17", "Statement": [STATEMENT]},
        "statement MediatoolDeleteNeedsMfa would deny less than now",
    ),
}


@pytest.mark.parametrize("example", WEAKER)
def test_nothing_is_weakened_unasked(example: str) -> None:
    """What weakens the bucket is refused, nothing at all is set, and the way to insist is told."""
    declared, aspect, live, says = WEAKER[example]
    bucket = BucketTwin(
        as_declared(declared) | {aspect: LiveAspect(live)} | {"versioning": LiveAspect()}
    )
    with pytest.raises(Refused) as caught:
        apply(declared, bucket, (), ignore)
    assert says in str(caught.value)
    assert f"`mediatool bucket apply --allow {aspect}`" in str(caught.value)
    assert bucket.written == []
    done = apply(declared, bucket, {aspect}, ignore)
    assert set(done.set) == {aspect, "versioning"}


def test_allowing_one_does_not_allow_another() -> None:
    """Each weakening is allowed by its own name."""
    live = as_declared(FULL) | {
        "encryption": LiveAspect(kms("alias/x")),
        "object-lock": LiveAspect(lock(Mode="COMPLIANCE", Days=1)),
    }
    with pytest.raises(Refused, match="--allow object-lock`"):
        apply(FULL, BucketTwin(live), {"encryption"}, ignore)


def test_plain_http_does_not_shut_itself_out() -> None:
    """A client without TLS does not set the statement that would refuse it from then on."""
    bucket = BucketTwin(secure=False)
    with pytest.raises(Refused, match=r"plain HTTP.*--allow policy"):
        apply(PLAIN, bucket, (), ignore)
    assert bucket.written == []


def test_mfa_delete_and_lifecycle() -> None:
    """On a bucket with MFA delete nothing is set: AWS takes no lifecycle there."""
    bucket = BucketTwin(mfa=True)
    with pytest.raises(BadSettings, match="MFA-enabled buckets is not supported"):
        apply(PLAIN, bucket, (), ignore)
    assert bucket.written == []


def test_what_aws_would_refuse_is_not_asked() -> None:
    """A declaration that AWS refuses is refused before any call, with everything that is wrong."""
    wrong = Declaration(
        "b", lifecycle=(LifecycleRule("x", "p/"), LifecycleRule("x", "q/", expire_days=0))
    )
    for call in (
        lambda: plan(wrong, read_prices(SHIPPED_PRICES)),
        lambda: apply(wrong, BucketTwin(), (), ignore),
    ):
        with pytest.raises(BadSettings) as caught:
            call()
        assert "At least one action" in str(caught.value)
        assert "Rule ID must be unique" in str(caught.value)


def test_what_cannot_be_seen_is_left_alone() -> None:
    """An aspect that cannot be read is not set, since nobody knows what that would undo."""
    bucket = BucketTwin(as_declared(PLAIN) | unknown("policy") | {"versioning": LiveAspect()})
    done = apply(PLAIN, bucket, (), ignore)
    assert (bucket.written, done.set) == (["versioning"], ("versioning",))
    assert done.failed == {"policy": "access denied"}


def test_what_the_server_does_not_take() -> None:
    """A refusal does not keep the others from being set; the command to set it is told."""
    bucket = BucketTwin(refuses={"public-access": "NotImplemented"})
    done = apply(PLAIN, bucket, (), ignore)
    assert done.failed == {"public-access": "NotImplemented"}
    assert "policy" in done.set
    (line,) = done.commands
    assert shlex.split(line)[:5] == ["aws", "s3api", "put-public-access-block", "--bucket", "b"]


def test_settings_of_others_stay() -> None:
    """What is not declared is not touched: a lock, and a target of logs."""
    live = as_declared(PLAIN) | {"object-lock": LiveAspect(lock(Mode="COMPLIANCE", Days=9))}
    bucket = BucketTwin(live)
    assert apply(PLAIN, bucket, (), ignore).set == ()
    assert {control.verdict for control in check(PLAIN, bucket)} == {"passed"}


def test_plan() -> None:
    """The plan holds every rule with its cost, every departure, every setting and document."""
    made = plan(FULL, read_prices(SHIPPED_PRICES))
    assert [rule.id for rule in made.lifecycle] == [rule.id for rule in LIFECYCLE]
    assert {rule.id for rule in made.lifecycle if rule.monthly is None} == {
        "metadata",
        "registry",
        "marks",
        "chain",
        "reports",
        "restores",
        "verdicts",
        "clean-up",
    }
    assert set(made.settings) == set(ASPECTS)
    assert made.warnings == ()
    assert set(made.documents) == {
        "bucket-policy",
        "pipeline-role",
        "read-only-role",
        "pruning-role",
        "rds-export-role",
        "rds-export-trust",
    }
    assert msgspec.json.decode(msgspec.json.encode(made))["bucket"] == "b"


def test_plan_warns() -> None:
    """What AWS takes and does not do as it seems is in the plan."""
    made = plan(replace(PLAIN, lock_days=60), read_prices(SHIPPED_PRICES))
    assert len(made.warnings) == 4
    assert all("Object Lock" in warning for warning in made.warnings)


def test_prices_of_ones_own(tmp_path: Path) -> None:
    """Another table of prices takes the place of the shipped one; a broken one is named."""
    table = msgspec.json.decode(SHIPPED_PRICES.read_bytes())
    table["gb_month"]["GLACIER_IR"] = 0.0
    other = tmp_path / "prices.json"
    other.write_bytes(msgspec.json.encode(table))
    costs = {rule.id: rule.monthly for rule in plan(PLAIN, read_prices(other)).lifecycle}
    assert costs["dumps"] == pytest.approx(7 * 0.023)
    other.write_text('{"dated": 1}')
    with pytest.raises(BadSettings, match=r"prices\.json is not a table of prices"):
        read_prices(other)
    del table["gb_month"]["STANDARD"]
    other.write_bytes(msgspec.json.encode(table))
    with pytest.raises(BadSettings, match=r"prices\.json has no price of STANDARD"):
        read_prices(other)


def test_a_record_of_before_has_todays_outcomes() -> None:
    """A control that passed as ``pass`` yesterday has not drifted when it has ``passed`` today."""
    controls = [{"name": n, "verdict": v, "says": "so"} for n, v in (("a", "pass"), ("b", "fail"))]
    document = {"bucket": "b", "taken": "2026-11-27T03:30:00Z", "controls": controls}
    found = PostureRecord.from_json(json.dumps(document).encode())
    assert [control.verdict for control in found.controls] == ["passed", "failed"]
    with pytest.raises(msgspec.ValidationError):
        PostureRecord.from_json(b'{"bucket": "b", "taken": "", "controls": [{"verdict": []}]}')


def test_what_did_not_pass_comes_first() -> None:
    """With the commands that set it, on the page and in Markdown."""
    controls = (Control("a", "passed", "so"), Control("b", "failed", "off", commands=("aws x",)))
    page = posture.page(PostureRecord("bucket", "2026-11-28T03:30:00Z", controls))
    assert page.verdict == "failed"
    text = markdown(page)
    assert text.index("| failed | b |") < text.index("| passed | a |")
    assert "    aws x" in text
