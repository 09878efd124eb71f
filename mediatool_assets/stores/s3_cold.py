"""Objects in a cold tier: detected before they are read, and restored on request once."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from mediatool_assets.domain.errors import InColdStorage
from mediatool_assets.stores.s3_errors import code_of, is_cold, is_denied

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

Tier = Literal["Expedited", "Standard", "Bulk"]

HOURS: dict[str, dict[str, float]] = {
    "GLACIER": {"Expedited": 0.25, "Standard": 5, "Bulk": 12},
    "DEEP_ARCHIVE": {"Standard": 12, "Bulk": 48},
}
"""AWS's longest restore times, by storage class and tier; DEEP_ARCHIVE has no Expedited."""


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """How restores are requested: for how many days (0 for never), and by which tier."""

    days: int = 7
    tier: Tier = "Standard"


@dataclass(frozen=True, slots=True)
class ColdObject:
    """One object that may be in a cold tier."""

    client: "S3Client"
    bucket: str
    key: str
    uri: str

    def warm(self, head: "HeadObjectOutputTypeDef", retrieval: RetrievalOptions) -> None:
        """Do nothing if the object can be read; else request a restore and raise InColdStorage.

        ``head`` is its current state. A restore in progress is not requested again.
        """
        tier = head.get("StorageClass", "STANDARD")
        if tier not in HOURS:
            return
        copy = head.get("Restore", "")
        if 'ongoing-request="false"' in copy:
            return
        speed = retrieval.tier if retrieval.tier in HOURS[tier] else "Standard"
        ready = datetime.now(UTC) + timedelta(hours=HOURS[tier][speed])
        if copy:
            raise _on_its_way(self.uri, tier, ready)
        if retrieval.days == 0:
            raise InColdStorage(
                self.uri,
                f"is in {tier}, and copies are not requested (MEDIATOOL_S3_RESTORE_DAYS is 0)",
                "set that, or use `aws s3api restore-object`",
            )
        self._ask(tier, speed, retrieval.days, ready)

    def _ask(self, tier: str, speed: str, days: int, ready: datetime) -> None:
        request = {"Days": days, "GlacierJobParameters": {"Tier": speed}}
        try:
            self.client.restore_object(
                Bucket=self.bucket,
                Key=self.key,
                RestoreRequest=request,  # type: ignore[arg-type]  # its keys are AWS's own
            )
        except ClientError as error:
            if code_of(error) == "RestoreAlreadyInProgress":
                raise _on_its_way(self.uri, tier, ready) from error
            if is_denied(error):
                raise InColdStorage(
                    self.uri,
                    f"is in {tier}, and the AWS identity in use may not request a copy",
                    "give it s3:RestoreObject, or use another identity",
                ) from error
            if is_cold(error):
                return  # its copy became available between the two calls
            raise
        raise InColdStorage(
            self.uri,
            f"is in {tier}; a copy for {days} days was requested ({speed}) and is available "
            f"by {ready:%Y-%m-%d %H:%M} UTC",
            "run it again then",
            ready,
        )


def _on_its_way(uri: str, tier: str, ready: datetime) -> InColdStorage:
    return InColdStorage(
        uri,
        f"is in {tier}; a copy was requested before and is on its way, available by "
        f"{ready:%Y-%m-%d %H:%M} UTC at the latest",
        "run it again then",
        ready,
    )
