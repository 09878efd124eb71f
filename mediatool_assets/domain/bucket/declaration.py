"""The declared configuration of the bucket."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mediatool_assets.domain.bucket.lifecycle import LifecycleRule, Transition
from mediatool_assets.domain.bucket.rules import State
from mediatool_assets.domain.keys import (
    CHAIN_PREFIX,
    DUMPS_PREFIX,
    LOGS_PREFIX,
    MARKS_KEY,
    METADATA_PREFIX,
    RAW_PREFIX,
    RDS_EXPORTS_PREFIX,
    RECORDS_PREFIX,
    REGISTRY_KEY,
    REPORTS_PREFIX,
    RESTORES_PREFIX,
    SANITIZED_PREFIX,
    STAGING_PREFIX,
    TRANSFORMED_PREFIX,
    VERDICTS_PREFIX,
)
from mediatool_assets.domain.settings import Settings

TESTING = ("purpose", "testing")
"""The tag of every object of a version with the purpose ``testing``."""

UNDO_DAYS = 30
"""For how many days a replaced or deleted object can be restored. A month: then a look at the
bucket once a month is enough. Each day costs one day of storage in the object's class.
"""

LIFECYCLE = (
    LifecycleRule(
        id="raw",
        prefix=RAW_PREFIX,
        transitions=(Transition(30, "STANDARD_IA"), Transition(90, "GLACIER")),
        expire_days=730,
        noncurrent_days=UNDO_DAYS,
    ),
    LifecycleRule(
        id="transformed",
        prefix=TRANSFORMED_PREFIX,
        transitions=(Transition(7, "GLACIER_IR"),),  # see departures
        expire_days=365,
        noncurrent_days=UNDO_DAYS,
    ),
    LifecycleRule(id="metadata", prefix=METADATA_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="registry", prefix=REGISTRY_KEY, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="marks", prefix=MARKS_KEY, noncurrent_days=UNDO_DAYS),
    LifecycleRule(
        id="dumps",
        prefix=DUMPS_PREFIX,
        transitions=(Transition(7, "GLACIER_IR"),),
        expire_days=365,
        noncurrent_days=UNDO_DAYS,
    ),
    LifecycleRule(id="reports", prefix=REPORTS_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="restores", prefix=RESTORES_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="chain", prefix=CHAIN_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="verdicts", prefix=VERDICTS_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="records", prefix=RECORDS_PREFIX, expire_days=730, noncurrent_days=7),
    LifecycleRule(
        id="sanitized",
        prefix=SANITIZED_PREFIX,
        expire_days=30,
        noncurrent_days=7,
    ),
    LifecycleRule(
        id="rds-exports",
        prefix=RDS_EXPORTS_PREFIX,
        expire_days=30,
        noncurrent_days=7,
    ),
    LifecycleRule(id="staging", prefix=STAGING_PREFIX, expire_days=7, noncurrent_days=1),
    LifecycleRule(id="dagster-logs", prefix=LOGS_PREFIX, expire_days=90, noncurrent_days=7),
    LifecycleRule(id="testing", tag=TESTING, expire_days=7, noncurrent_days=1),
    LifecycleRule(id="clean-up", markers=True, abort_days=7),
)

_OF_THE_BUCKET = {"dagster-logs", "testing", "clean-up"}
"""Rules that are declared once, however many sources are in the bucket."""


def lifecycle_of(prefixes: Sequence[str]) -> tuple[LifecycleRule, ...]:
    """The rules of a bucket with sources below these prefixes: ``raw``, and ``shop/raw``."""
    return (
        *(
            replace(rule, id=prefix + rule.id, prefix=prefix + rule.prefix)
            for prefix in prefixes
            for rule in LIFECYCLE
            if rule.id not in _OF_THE_BUCKET
        ),
        *(rule for rule in LIFECYCLE if rule.id in _OF_THE_BUCKET),
    )


@dataclass(frozen=True, slots=True)
class SnapshotExportAccess:
    """What an export of RDS snapshots needs: the instance, the role that writes, and the key."""

    instance: str
    role_arn: str
    key_id: str

    @classmethod
    def of(cls, settings: Settings) -> "SnapshotExportAccess | None":
        """Taken from the settings; None unless all three are set."""
        parts = (settings.rds_instance, settings.rds_export_role_arn, settings.rds_kms_key_id)
        instance, role, key = parts
        return None if instance is None or role is None or key is None else cls(instance, role, key)


@dataclass(frozen=True, slots=True)
class Declaration:
    """The complete declared configuration of the bucket.

    ``kms_key_id`` None means SSE-S3. ``lock_days`` None means no Object Lock, else it is the
    default retention in GOVERNANCE mode. ``log_bucket`` None leaves access logging to the bucket's
    owner. The pipeline's role also gets rights for ``rds`` and ``alert_topic_arn``. Roles have
    rights below ``prefix``, that of one source. ``prefixes`` are those of all sources in the
    bucket.
    """

    bucket: str
    kms_key_id: str | None = None
    lock_days: int | None = None
    log_bucket: str | None = None
    lifecycle: tuple[LifecycleRule, ...] = LIFECYCLE
    rds: SnapshotExportAccess | None = None
    alert_topic_arn: str | None = None
    prefix: str = ""
    prefixes: tuple[str, ...] = ("",)

    @classmethod
    def of(cls, settings: Settings) -> "Declaration":
        """The declaration for the bucket that the settings name."""
        return cls(
            bucket=settings.s3_bucket,
            kms_key_id=settings.s3_kms_key_id,
            lock_days=settings.s3_object_lock_days,
            log_bucket=settings.s3_log_bucket,
            lifecycle=lifecycle_of(settings.s3_prefixes),
            rds=SnapshotExportAccess.of(settings),
            alert_topic_arn=settings.alert_sns_topic_arn,
            prefix=settings.s3_prefix,
            prefixes=settings.s3_prefixes,
        )

    @property
    def place(self) -> str:
        """The bucket, or the folder of one source in it, for display."""
        return f"{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def arn(self) -> str:
        """The bucket's Amazon resource name."""
        return f"arn:aws:s3:::{self.bucket}"

    @property
    def state(self) -> State:
        """The declared properties of the bucket that decide which lifecycle rules are valid."""
        return State(versioned=True, mfa_delete=False, lock_days=self.lock_days)
