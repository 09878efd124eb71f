"""The bucket's settings through Amazon's API as moto speaks it: set, read back, compared."""

import json
from collections.abc import Iterator

import boto3
import pytest

from mediatool_assets.bucket.flow import active_rules, apply, check
from mediatool_assets.bucket.rules import Change
from mediatool_assets.core.bucket import LIFECYCLE, Declaration
from mediatool_assets.core.bucket_policies import ASPECTS, recorded
from mediatool_assets.core.errors import BadSettings, Refused
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_bucket import S3Bucket, S3Inventory
from mediatool_assets_tests.moto_server import QUIET, moto_in_process

pytestmark = QUIET

NAME = "media-tool-backups"
LOGS = "access-logs-of-media-tool"
PLAIN = Declaration(NAME)
FULL = Declaration(NAME, "alias/backups", 8, LOGS)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Bucket]:
    """A bare bucket of moto's, and one that takes access logs."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "moto")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto_in_process():
        client = boto3.client("s3")
        client.create_bucket(Bucket=NAME)
        client.create_bucket(Bucket=LOGS)
        delivery = {
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{LOGS}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [delivery]}
        client.put_bucket_policy(Bucket=LOGS, Policy=json.dumps(policy))
        yield S3Bucket(NAME)


def record_data_events(read_write: str = "All") -> None:
    """Have a trail record what is done with the bucket's objects."""
    trails = boto3.client("cloudtrail")
    boto3.client("s3").create_bucket(Bucket="trail-of-media-tool")
    trails.create_trail(Name="data", S3BucketName="trail-of-media-tool")
    resources = [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{NAME}/"]}]
    trails.put_event_selectors(
        TrailName="data",
        EventSelectors=[{"ReadWriteType": read_write, "DataResources": resources}],
    )
    trails.start_logging(Name="data")


def test_of_settings() -> None:
    """The bucket and the endpoint come from the settings; a client speaks TLS or it does not."""
    environ = {"MEDIATOOL_S3_BUCKET": "b", "MEDIATOOL_S3_ENDPOINT_URL": "http://h:1"}
    assert S3Bucket.of(Settings.parse(environ)) == S3Bucket("b", "http://h:1")
    assert not S3Bucket("b", "http://h:1").secure
    assert S3Bucket("b", "https://h:1").secure
    assert S3Bucket("b").secure


def test_a_bare_bucket(bucket: S3Bucket) -> None:
    """Of a bare bucket everything is known, and nothing is set."""
    for aspect in ASPECTS:
        seen = bucket.read(aspect)
        assert seen.unknown is None
        assert not seen.document or aspect == "encryption"
    assert bucket.mfa_delete() is False
    verdicts = {control.name: control.verdict for control in check(FULL, bucket)}
    assert set(verdicts.values()) == {"passed", "failed"}
    assert verdicts["tls-only"] == verdicts["lifecycle:raw"] == verdicts["data-events"] == "failed"


@pytest.mark.parametrize("declared", [PLAIN, FULL], ids=["plain", "full"])
def test_apply_then_check(bucket: S3Bucket, declared: Declaration) -> None:
    """What was applied is there when it is looked at again; applying it again sets nothing."""
    done = apply(declared, bucket, (), lambda _: None)
    assert done.failed == {}
    failing = {control.name for control in check(declared, bucket) if control.verdict != "passed"}
    # without a bucket for the logs they are left to their owner
    assert failing == {"data-events"} | ({"access-logging"} if declared is PLAIN else set())
    again = apply(declared, bucket, (), lambda _: None)
    assert (again.set, set(again.unchanged)) == ((), set(done.set))


def test_the_whole_posture(bucket: S3Bucket) -> None:
    """With a trail beside it, a bucket as declared passes every control."""
    apply(FULL, bucket, (), lambda _: None)
    record_data_events()
    assert {control.verdict for control in check(FULL, bucket)} == {"passed"}


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [("ReadOnly", {"read"}), ("WriteOnly", {"write"}), ("All", {"read", "write"})],
)
def test_trails(bucket: S3Bucket, kind: str, kinds: set[str]) -> None:
    """What a trail records counts as long as the trail is logging."""
    record_data_events(kind)
    assert recorded(bucket.trails(), PLAIN.arn) == kinds
    boto3.client("cloudtrail").stop_logging(Name="data")
    assert recorded(bucket.trails(), PLAIN.arn) == set()


def test_what_was_set_by_hand_is_seen(bucket: S3Bucket) -> None:
    """Drift is found: versioning suspended, a block lifted, a rule changed."""
    apply(FULL, bucket, (), lambda _: None)
    client = boto3.client("s3")
    client.put_public_access_block(
        Bucket=NAME, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
    )
    client.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Suspended"})
    client.delete_bucket_lifecycle(Bucket=NAME)
    failing = {control.name for control in check(FULL, bucket) if control.verdict == "failed"}
    assert {"public-access", "versioning", "lifecycle:raw", "lifecycle:clean-up"} <= failing
    assert not {"encryption-kms", "tls-only", "ownership"} & failing
    assert set(apply(FULL, bucket, (), lambda _: None).set) == {
        "public-access",
        "versioning",
        "lifecycle",
    }


def test_statements_of_others_stay(bucket: S3Bucket) -> None:
    """Applying leaves another statement of the policy where it is."""
    partner = {
        "Sid": "Partner",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{NAME}/comparison-reports/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [partner]}
    boto3.client("s3").put_bucket_policy(Bucket=NAME, Policy=json.dumps(policy))
    apply(PLAIN, bucket, (), lambda _: None)
    document = bucket.read("policy").document
    assert document is not None
    assert [each["Sid"] for each in document["Statement"]] == [
        "Partner",
        "MediatoolTlsOnly",
        "MediatoolDeleteNeedsMfa",
    ]


def test_a_stronger_bucket_is_left_alone(bucket: S3Bucket) -> None:
    """A bucket that encrypts with KMS is not set back to SSE-S3 unasked; nothing is set at all."""
    apply(FULL, bucket, (), lambda _: None)
    before = [bucket.read(aspect) for aspect in ASPECTS]
    with pytest.raises(Refused, match="--allow encryption"):
        apply(PLAIN, bucket, (), lambda _: None)
    assert [bucket.read(aspect) for aspect in ASPECTS] == before


def test_no_bucket(bucket: S3Bucket) -> None:
    """A bucket that is not there is a wrong setting, not an unknown control."""
    del bucket
    with pytest.raises(BadSettings, match="MEDIATOOL_S3_BUCKET"):
        check(Declaration("not-there"), S3Bucket("not-there"))


def test_costs_reckon_with_the_rules_that_are_active(bucket: S3Bucket) -> None:
    """Before apply there are none, and the declared ones are named as such; then the bucket's."""
    before = active_rules(PLAIN, bucket)
    assert (before.source, before.read.rules) == ("declaration", LIFECYCLE)
    assert "`mediatool bucket apply`" in before.reason
    shown: list[Change] = []
    apply(PLAIN, bucket, (), shown.append)
    after = active_rules(PLAIN, bucket)
    assert (after.source, after.read.rules, after.versioned) == ("bucket", LIFECYCLE, True)
    assert after.read.not_understood == ()


def test_every_class_is_listed_as_it_is(bucket: S3Bucket) -> None:
    """Storage classes come from the listing, not from the rules."""
    client = boto3.client("s3")
    for name in ("STANDARD", "STANDARD_IA", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"):
        client.put_object(Bucket=NAME, Key=name, Body=b"1", StorageClass=name)
    listed = S3Inventory(S3Objects(NAME)).items()
    assert all(item.key == item.storage_class for item in listed)


def test_amazon_is_known_by_its_hosts(bucket: S3Bucket) -> None:
    """What is sent elsewhere is not Amazon's, whatever it speaks."""
    assert bucket.amazon
    assert not S3Bucket(NAME, "http://127.0.0.1:9").amazon
    assert not S3Bucket(NAME, "https://amazonaws.com.example.org").amazon
