"""Amazon RDS: snapshots of one instance, and the tasks that export them to the bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mediatool_assets.core.errors import BadSettings, MediatoolError, Refused, Unreachable
from mediatool_assets.core.schema import namespaces
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.ports import OWN_SNAPSHOTS, DbSnapshot, Task

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import (
        DBSnapshotTypeDef,
        ExportTaskResponseTypeDef,
        ExportTaskTypeDef,
    )

_ATTEMPTS = 4
_MISSING = {"DBSnapshotNotFound", "DBSnapshotNotFoundFault", "ExportTaskNotFound"} | {
    "ExportTaskNotFoundFault"
}
_THERE = {"DBSnapshotAlreadyExists", "ExportTaskAlreadyExists", "ExportTaskAlreadyExistsFault"}
_WRONG = {
    "DBInstanceNotFound": "MEDIATOOL_RDS_INSTANCE",
    "IamRoleMissingPermissions": "the role of MEDIATOOL_RDS_EXPORT_ROLE_ARN",
    "IamRoleNotFound": "MEDIATOOL_RDS_EXPORT_ROLE_ARN",
    "InvalidExportOnly": "MEDIATOOL_POSTGRES_URL and MEDIATOOL_POSTGRES_SCHEMA",
    "InvalidS3BucketFault": "MEDIATOOL_S3_BUCKET: it must be in the instance's region",
    "KMSKeyNotAccessibleFault": "MEDIATOOL_RDS_KMS_KEY_ID",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


@dataclass(frozen=True)
class RdsInstance:
    """SnapshotExports of one instance; connects at its first call, with AWS's own settings.

    ``only`` is the ``database.schema`` to export, None for everything in the snapshot.
    """

    instance: str
    role: str
    kms_key_id: str
    bucket: str
    only: str | None = None
    prefix: str = ""
    """What the keys of the source begin with."""

    @classmethod
    def of(cls, settings: Settings) -> "RdsInstance":
        """The instance in the settings; raises BadSettings with everything that is missing.

        Several schemas are refused too: an export is read with one.
        """
        if not settings.can_export_rds_snapshots:
            needed = ("rds_instance", "rds_export_role_arn", "rds_kms_key_id")
            unset = [name for name in needed if getattr(settings, name) is None]
            problems = [f"MEDIATOOL_{name.upper()} is not set" for name in unset]
            raise BadSettings([*problems, "set all three to export RDS snapshots"])
        if len(namespaces(settings.postgres_schema)) > 1:
            named = f"MEDIATOOL_POSTGRES_SCHEMA names several: {settings.postgres_schema}"
            raise BadSettings([named, "an RDS snapshot is exported and read with one schema"])
        database = settings.postgres_url.database if settings.postgres_url else ""
        return cls(
            settings.rds_instance or "",
            settings.rds_export_role_arn or "",
            settings.rds_kms_key_id or "",
            settings.s3_bucket,
            f"{database}.{settings.postgres_schema}" if database else None,
            settings.s3_prefix,
        )

    @cached_property
    def client(self) -> "RDSClient":
        """The connection."""
        config = Config(retries={"mode": "standard", "max_attempts": _ATTEMPTS}, connect_timeout=10)
        with self._translated("RDS"):
            return boto3.session.Session().client("rds", config=config)

    def take(self, name: str) -> DbSnapshot:
        """Start a manual snapshot, or find the one with this name."""
        with self._translated(f"RDS snapshot {name}"):
            try:
                answer = self.client.create_db_snapshot(
                    DBSnapshotIdentifier=name, DBInstanceIdentifier=self.instance
                )
            except ClientError as error:
                there = self.snapshot(name) if _code(error) in _THERE else None
                if there is None:
                    raise
                return there
        return _snapshot(answer["DBSnapshot"])

    def snapshot(self, name: str) -> DbSnapshot | None:
        """The current state of a snapshot; None if there is none."""
        with self._translated(f"RDS snapshot {name}"):
            try:
                answer = self.client.describe_db_snapshots(DBSnapshotIdentifier=name)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        for found in answer["DBSnapshots"]:
            if found.get("DBInstanceIdentifier", "").lower() != self.instance.lower():
                raise Refused(
                    f"RDS snapshot {name} is of {found.get('DBInstanceIdentifier')}, not of "
                    f"{self.instance}; set MEDIATOOL_RDS_INSTANCE, or delete that snapshot"
                )
            return _snapshot(found)
        return None

    def of_day(self, day: date) -> list[DbSnapshot]:
        """The available snapshots of the day, automated or our own, by time."""
        pages = self.client.get_paginator("describe_db_snapshots")
        with self._translated(f"RDS instance {self.instance}"):
            listed = pages.paginate(DBInstanceIdentifier=self.instance)
            found = [
                _snapshot(each)
                for page in listed
                for each in page["DBSnapshots"]
                if each.get("SnapshotType") == "automated"
                or each.get("DBSnapshotIdentifier", "").startswith(OWN_SNAPSHOTS)
            ]
        there = [s for s in found if s.taken and s.taken.date() == day and s.status == "available"]
        return sorted(there, key=lambda snapshot: str(snapshot.taken))

    def start(self, name: str, snapshot: DbSnapshot, prefix: str) -> Task:
        """Start the export of a snapshot to ``{prefix}/{name}/``, or find that task."""
        prefix = self.prefix + prefix
        with self._translated(f"RDS export task {name}"):
            try:
                answer = self.client.start_export_task(
                    ExportTaskIdentifier=name,
                    SourceArn=snapshot.arn,
                    S3BucketName=self.bucket,
                    S3Prefix=prefix,
                    IamRoleArn=self.role,
                    KmsKeyId=self.kms_key_id,
                    **({"ExportOnly": [self.only]} if self.only else {}),
                )
            except ClientError as error:
                there = self._task(name) if _code(error) in _THERE else None
                if there is None:
                    raise
                place = there.get("SourceArn"), there.get("S3Bucket"), there.get("S3Prefix")
                if place != (snapshot.arn, self.bucket, prefix):
                    raise Refused(
                        f"RDS export task {name} exports {there.get('SourceArn')} to "
                        f"{there.get('S3Bucket')}/{there.get('S3Prefix')}: the name of the task "
                        "is in use for another export; export under another version"
                    ) from error
                return _as_task(there)
        return _as_task(answer)

    def task(self, name: str) -> Task | None:
        """The current state of an export task; None if there is none."""
        with self._translated(f"RDS export task {name}"):
            found = self._task(name)
        return _as_task(found) if found is not None else None

    def _task(self, name: str) -> "ExportTaskTypeDef | None":
        try:
            answer = self.client.describe_export_tasks(ExportTaskIdentifier=name)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return next(iter(answer["ExportTasks"]), None)

    @contextmanager
    def _translated(self, thing: str) -> Iterator[None]:
        """Run calls about a thing; AWS's errors are translated to ours, with AWS's message."""
        try:
            yield
        except ClientError as error:
            raise _refusal(error, thing) from error
        except BotoCoreError as error:
            raise Unreachable(
                f"{thing}: Amazon RDS does not answer ({error}); check the AWS credentials and "
                "AWS_REGION"
            ) from error


def _refusal(error: ClientError, thing: str) -> MediatoolError:
    code, said = _code(error), error.response.get("Error", {}).get("Message", "")
    if code in _WRONG:
        return BadSettings([f"{thing}: {said.rstrip('.')}", f"correct {_WRONG[code]}"])
    if code in _DENIED:
        return Unreachable(f"{thing}: access denied; the AWS identity in use needs {_right(error)}")
    return Unreachable(f"{thing}: Amazon RDS answered {code} {said}; try again later")


def _right(error: ClientError) -> str:
    right = error.operation_name.replace("Db", "DB")
    return f"rds:{right}" + (" and iam:PassRole" if right == "StartExportTask" else "")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _snapshot(found: "DBSnapshotTypeDef") -> DbSnapshot:
    taken = found.get("SnapshotCreateTime")
    return DbSnapshot(
        found.get("DBSnapshotIdentifier", ""),
        found.get("DBSnapshotArn", ""),
        found.get("Status", "unknown"),
        found.get("PercentProgress", 0),
        taken.astimezone(UTC) if taken else None,
    )


def _as_task(found: "ExportTaskTypeDef | ExportTaskResponseTypeDef") -> Task:
    return Task(
        found.get("ExportTaskIdentifier", ""),
        found.get("Status", "unknown").upper(),
        found.get("PercentProgress", 0),
        found.get("FailureCause"),
        found.get("WarningMessage"),
    )
