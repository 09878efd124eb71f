"""Snapshots and export tasks through Amazon's API as moto speaks it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mediatool_assets.core.errors import BadSettings, Refused, Unreachable
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores import rds as store
from mediatool_assets.stores.ports import Task
from mediatool_assets.stores.rds import RdsInstance
from mediatool_assets_tests.moto_server import QUIET
from mediatool_assets_tests.rds_twin import ROLE, SETTINGS, RdsTwin, rds_twin

pytestmark = QUIET

PREFIX = "postgres-exports/rds-exports/2026-01-02"
NAME = "export-20260102-030000"


@pytest.fixture
def twin() -> Iterator[RdsTwin]:
    """An account of moto's."""
    with rds_twin() as twin:
        yield twin


@pytest.fixture
def rds(twin: RdsTwin) -> RdsInstance:
    """Its instance."""
    return twin.instance()


def test_a_snapshot_is_taken_once(twin: RdsTwin, rds: RdsInstance) -> None:
    """Asked for again under its name, it is the one that is there."""
    first = rds.take("manual-export-20260102-030000")
    assert first.status == "available"
    assert first.arn.endswith(":snapshot:manual-export-20260102-030000")
    assert rds.take("manual-export-20260102-030000") == first
    assert rds.snapshot("manual-export-20260102-030000") == first
    assert twin.snapshots() == ["manual-export-20260102-030000"]


def test_a_snapshot_of_another_instance_is_refused(twin: RdsTwin, rds: RdsInstance) -> None:
    """Its rows are not ours, whatever its name says."""
    twin.client.create_db_snapshot(DBSnapshotIdentifier="taken", DBInstanceIdentifier="other")
    for call in (rds.take, rds.snapshot):
        with pytest.raises(Refused, match="taken is of other, not of media-tool-production"):
            call("taken")


def test_what_is_not_there_is_none(rds: RdsInstance) -> None:
    """None, and no error."""
    assert rds.snapshot("manual-export-20260102-030000") is None
    assert rds.task(NAME) is None


def test_snapshots_of_a_day(twin: RdsTwin, rds: RdsInstance) -> None:
    """Automated and own ones, of the day in UTC, in order of time; none that is not there yet."""
    late = twin.automated(datetime(2026, 1, 2, 23, 59, 59, tzinfo=UTC))
    early = twin.automated(datetime(2026, 1, 2, 0, 0, tzinfo=UTC))
    coming = twin.automated(datetime(2026, 1, 2, 12, 0, tzinfo=UTC))
    twin.automated(datetime(2026, 1, 3, 0, 0, tzinfo=UTC))
    twin.set_snapshot(coming, status="creating")
    for name in ("manual-export-20260102-030000", "before-the-migration"):
        rds.take(name)
        twin.set_snapshot(name, created=datetime(2026, 1, 2, 3, 0, 9, tzinfo=UTC))
    found = rds.of_day(date(2026, 1, 2))
    names = [early, "manual-export-20260102-030000", late]
    assert [snapshot.name for snapshot in found] == names
    assert found[2].taken == datetime(2026, 1, 2, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "only"),
    [("", []), ("postgresql://u:p@h/media", ["media.media_tool"])],
)
def test_a_task_has_role_key_and_the_contracts_place(
    twin: RdsTwin, url: str, only: list[str]
) -> None:
    """Identifier and prefix make the key, below that of the source; the schema is exported alone,
    where it is known.
    """
    rds = twin.instance(MEDIATOOL_POSTGRES_URL=url, MEDIATOOL_S3_PREFIX="shop/")
    snapshot = rds.take("s")
    assert rds.start(NAME, snapshot, PREFIX) == Task(NAME, "COMPLETE")
    (told,) = twin.client.describe_export_tasks()["ExportTasks"]
    assert told["SourceArn"] == snapshot.arn
    assert (told["S3Bucket"], told["S3Prefix"]) == ("media-tool-backups", f"shop/{PREFIX}")
    assert (told["IamRoleArn"], told["KmsKeyId"]) == (ROLE, "alias/backups")
    assert told.get("ExportOnly", []) == only


def test_several_schemas_are_refused_before_anything_is_started(twin: RdsTwin) -> None:
    """An export of one schema is what is read; neither snapshot nor task is begun for more."""
    with pytest.raises(BadSettings, match="MEDIATOOL_POSTGRES_SCHEMA names several: sales,stock"):
        twin.instance(MEDIATOOL_POSTGRES_SCHEMA="sales,stock")
    assert (twin.snapshots(), twin.tasks()) == ([], [])


def test_a_task_is_started_once(twin: RdsTwin, rds: RdsInstance) -> None:
    """Asked for again, it is the one that is there, with how far it is."""
    snapshot = rds.take("s")
    rds.start(NAME, snapshot, PREFIX)
    twin.set_task(NAME, status="in_progress", percent_progress=40)
    under_way = Task(NAME, "IN_PROGRESS", 40)
    assert rds.start(NAME, snapshot, PREFIX) == rds.task(NAME) == under_way
    assert twin.tasks() == [NAME]


@pytest.mark.parametrize("other", ["snapshot", "prefix"])
def test_a_task_of_another_is_refused(rds: RdsInstance, other: str) -> None:
    """The same name for another snapshot, or another place, is not ours."""
    snapshot = rds.take("s")
    rds.start(NAME, snapshot, PREFIX)
    with pytest.raises(Refused, match=rf"{NAME} exports .*: the name of the task is in use"):
        if other == "snapshot":
            rds.start(NAME, rds.take("t"), PREFIX)
        else:
            rds.start(NAME, snapshot, "elsewhere")


def test_why_it_failed_is_aws_own_reason(twin: RdsTwin, rds: RdsInstance) -> None:
    """FailureCause and WarningMessage as they are."""
    rds.start(NAME, rds.take("s"), PREFIX)
    twin.set_task(NAME, status="failed", failure_cause="no key", warning_message="2 skipped")
    task = rds.task(NAME)
    assert task is not None
    assert (task.status, task.reason) == ("FAILED", "no key; 2 skipped")


def test_missing_settings_are_named_together() -> None:
    """In one line, as wrong settings."""
    with pytest.raises(BadSettings) as raised:
        RdsInstance.of(Settings.parse({"MEDIATOOL_RDS_INSTANCE": "i"}))
    assert str(raised.value) == (
        "MEDIATOOL_RDS_EXPORT_ROLE_ARN is not set; MEDIATOOL_RDS_KMS_KEY_ID is not set; "
        "set all three to export RDS snapshots"
    )


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("RDS_EXPORT_ROLE_ARN", "rds-export", "is not the ARN of a role"),
        ("RDS_POLL_SECONDS", "0", "is not a whole number of seconds"),
    ],
)
def test_wrong_settings(name: str, value: str, problem: str) -> None:
    """Before AWS is asked."""
    with pytest.raises(BadSettings, match=f"MEDIATOOL_{name} {problem}"):
        Settings.parse(SETTINGS | {f"MEDIATOOL_{name}": value})


def test_the_key_of_the_bucket_will_do() -> None:
    """Without one of its own an export is encrypted with that."""
    assert Settings.parse({"MEDIATOOL_S3_KMS_KEY_ID": "alias/s3"}).rds_kms_key_id == "alias/s3"


def test_an_instance_that_is_none(twin: RdsTwin) -> None:
    """It is a wrong setting, in AWS's words."""
    with pytest.raises(BadSettings, match=r"gone not found; correct MEDIATOOL_RDS_INSTANCE"):
        twin.instance(MEDIATOOL_RDS_INSTANCE="gone").take("s")


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("KMSKeyNotAccessibleFault", BadSettings, "correct MEDIATOOL_RDS_KMS_KEY_ID"),
        ("IamRoleMissingPermissions", BadSettings, "the role of MEDIATOOL_RDS_EXPORT_ROLE_ARN"),
        ("InvalidS3BucketFault", BadSettings, "correct MEDIATOOL_S3_BUCKET"),
        ("AccessDenied", Unreachable, "needs rds:StartExportTask and iam:PassRole"),
        ("SnapshotQuotaExceeded", Unreachable, "SnapshotQuotaExceeded words"),
    ],
)
def test_refusals_of_aws(
    twin: RdsTwin, rds: RdsInstance, code: str, error: type[Exception], said: str
) -> None:
    """Each is named in one line, with what to do."""
    snapshot = rds.take("s")

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "words"}}, "StartExportTask")

    rds.client.meta.events.register("before-call.rds.StartExportTask", refuse)
    with pytest.raises(error, match=said) as raised:
        rds.start(NAME, snapshot, PREFIX)
    assert "\n" not in str(raised.value)


def test_nobody_there(twin: RdsTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is named."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_RDS", "http://127.0.0.1:1")
    monkeypatch.setattr(store, "_ATTEMPTS", 1)
    with pytest.raises(Unreachable, match="Amazon RDS does not answer"):
        twin.instance().task(NAME)
