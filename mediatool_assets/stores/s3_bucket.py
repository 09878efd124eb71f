"""A bucket's settings on S3 or a compatible server, and what CloudTrail records about it.

Everything that a bucket is billed for, as S3 lists it: versions, markers, unfinished uploads.

Permanent deletion of objects: every version and delete marker, unless S3 protects them.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from mediatool_assets.core.bucket import SIZE_FLOOR, Document
from mediatool_assets.core.bucket_policies import Aspect, LiveAspect, LoggingTrails
from mediatool_assets.core.errors import CheckFailed, Refused
from mediatool_assets.core.inventory import StoredItem
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.s3 import AS_USUAL, S3Access, S3Objects, client
from mediatool_assets.stores.s3_upload import code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_UNSET = {
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden", "UnauthorizedOperation"}
_NOT_THE_BUCKETS_FAULT = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "NoSuchBucket",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
"""Codes of errors about the whole bucket; every other refusal is about one aspect."""


class _Calls(NamedTuple):
    """How an aspect is read and set: the names of the operations, and its part of the answer."""

    get: str
    put: str
    part: str | None
    rights: tuple[str, str]


_CALLS: dict[Aspect, _Calls] = {
    "ownership": _Calls(
        "get_bucket_ownership_controls",
        "put_bucket_ownership_controls",
        "OwnershipControls",
        ("s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls"),
    ),
    "public-access": _Calls(
        "get_public_access_block",
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        ("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ),
    "encryption": _Calls(
        "get_bucket_encryption",
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        ("s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"),
    ),
    "versioning": _Calls(
        "get_bucket_versioning",
        "put_bucket_versioning",
        None,
        ("s3:GetBucketVersioning", "s3:PutBucketVersioning"),
    ),
    "object-lock": _Calls(
        "get_object_lock_configuration",
        "put_object_lock_configuration",
        "ObjectLockConfiguration",
        ("s3:GetBucketObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"),
    ),
    "logging": _Calls(
        "get_bucket_logging",
        "put_bucket_logging",
        None,
        ("s3:GetBucketLogging", "s3:PutBucketLogging"),
    ),
    "lifecycle": _Calls(
        "get_bucket_lifecycle_configuration",
        "put_bucket_lifecycle_configuration",
        None,
        ("s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    ),
    "policy": _Calls(
        "get_bucket_policy",
        "put_bucket_policy",
        "Policy",
        ("s3:GetBucketPolicy", "s3:PutBucketPolicy"),
    ),
}


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """BucketSettings over one bucket. It holds only settings; each process connects once."""

    bucket: str
    endpoint_url: str | None = None
    access: S3Access = AS_USUAL

    @classmethod
    def of(cls, settings: Settings) -> "S3Bucket":
        """The bucket in the settings; credentials are AWS's own environment or profile."""
        return cls(settings.s3_bucket, settings.s3_endpoint_url, S3Access.of(settings))

    @property
    def _client(self) -> "S3Client":
        made: S3Client = client(self.endpoint_url, self.access)
        return made

    @property
    def prefix(self) -> str:
        """What the keys of this source begin with."""
        return self.access.prefix

    @property
    def secure(self) -> bool:
        """Whether this client uses TLS."""
        return self.endpoint_url is None or self.endpoint_url.startswith("https:")

    @property
    def amazon(self) -> bool:
        """Whether requests go to Amazon's own hosts."""
        host = urlsplit(self._client.meta.endpoint_url).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    def read(self, aspect: Aspect) -> LiveAspect:
        """The live state of one aspect; unknown if it may not be read, or the server lacks it."""
        calls = _CALLS[aspect]
        get: Callable[..., dict[str, Any]] = getattr(self._client, calls.get)
        with self._translated():
            try:
                answer = get(Bucket=self.bucket)
            except ClientError as error:
                if code_of(error) in _UNSET:
                    return LiveAspect()
                return LiveAspect(unknown=_reason(error, calls.rights[0]))
        document = _document(aspect, answer)
        return LiveAspect(document or None)

    def mfa_delete(self) -> bool | None:
        """Whether MFA delete is on; None if that may not be read."""
        seen = self.read("versioning")
        if seen.unknown is not None:
            return None
        return (seen.document or {}).get("MFADelete") == "Enabled"

    def trails(self) -> LoggingTrails:
        """What the active CloudTrail trails record."""
        with self._translated():
            try:
                # with another endpoint than AWS's, only that server could have CloudTrail
                trail = client(self.endpoint_url, self.access, "cloudtrail")
                found = [each["TrailARN"] for each in trail.describe_trails()["trailList"]]
                logging = [arn for arn in found if trail.get_trail_status(Name=arn)["IsLogging"]]
                return LoggingTrails(
                    tuple(trail.get_event_selectors(TrailName=arn) for arn in logging)
                )
            except ClientError as error:
                rights = "cloudtrail:DescribeTrails, GetTrailStatus and GetEventSelectors"
                return LoggingTrails(unknown=_reason(error, rights))
            except BotoCoreError as error:
                return LoggingTrails(unknown=f"CloudTrail does not answer ({error})")

    def create(self, *, locked: bool) -> bool:
        """Create the bucket in the client's region; False if it exists. Raises Unreachable.

        ``locked`` requests Object Lock, which some servers allow only for new buckets.
        """
        region = self._client.meta.region_name
        place: dict[str, Any] = {}
        if self.amazon and region not in (None, "us-east-1"):
            place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        if locked:
            place["ObjectLockEnabledForBucket"] = True
        with self._translated():
            try:
                self._client.create_bucket(Bucket=self.bucket, **place)
            except ClientError as error:
                if code_of(error) in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    return False
                raise
        return True

    def write(self, aspect: Aspect, document: Document) -> str | None:
        """Set one aspect as a whole; the reason if the server refuses it, else None."""
        calls = _CALLS[aspect]
        put: Callable[..., object] = getattr(self._client, calls.put)
        with self._translated():
            try:
                put(Bucket=self.bucket, **_arguments(aspect, document))
            except ClientError as error:
                return _reason(error, calls.rights[1])
        return None

    def _translated(self) -> AbstractContextManager[None]:
        return translated(f"s3://{self.bucket}", self.endpoint_url or "Amazon S3")


def _document(aspect: Aspect, answer: dict[str, Any]) -> dict[str, Any]:
    """The aspect's part of an answer, in the form of a put request."""
    part = _CALLS[aspect].part
    match aspect:
        case "policy":
            policy: dict[str, Any] = json.loads(answer["Policy"])
            return policy
        case "lifecycle":
            floor = answer.get("TransitionDefaultMinimumObjectSize", SIZE_FLOOR)
            return {"Rules": answer.get("Rules", []), "SizeFloor": floor}
        case _:
            found: dict[str, Any] = answer if part is None else answer[part]
            return {key: value for key, value in found.items() if key != "ResponseMetadata"}


def _arguments(aspect: Aspect, document: Document) -> dict[str, Any]:
    match aspect:
        case "policy":
            return {"Policy": json.dumps(document)}
        case "lifecycle":
            return {
                "LifecycleConfiguration": {"Rules": document["Rules"]},
                "TransitionDefaultMinimumObjectSize": document["SizeFloor"],
            }
        case "versioning":
            return {"VersioningConfiguration": document}
        case "logging":
            return {"BucketLoggingStatus": document}
        case _:
            return {str(_CALLS[aspect].part): document}


def _reason(error: ClientError, right: str) -> str:
    """Why an aspect is unknown or not set; raises the error if it concerns the whole bucket."""
    code = code_of(error)
    if code in _NOT_THE_BUCKETS_FAULT:
        raise error
    if code in _DENIED:
        return f"access denied; the AWS identity in use needs {right}"
    return f"the server answered {code} {error.response.get('Error', {}).get('Message', '')}"


@dataclass(frozen=True, slots=True)
class S3Inventory:
    """What the bucket of an object store is billed for; one request per thousand items."""

    objects: S3Objects

    def items(self) -> Iterator[StoredItem]:
        """All items, versions and markers in order of key, newest first."""
        with self.objects.translated(""):
            yield from self._versions()
            yield from self._uploads()

    def _versions(self) -> Iterator[StoredItem]:
        """Each version, with the time of the next newer one of its key (listed before it)."""
        newer: StoredItem | None = None
        held: StoredItem | None = None  # a marker, until the next item shows whether it is alone
        for item in self._listed():
            follows = newer is not None and newer.key == item.key
            found = replace(item, superseded=newer.modified) if newer and follows else item
            if held is not None:
                yield replace(held, lone=held.key != item.key and held.superseded is None)
                held = None
            if found.kind == "marker":
                held = found
            else:
                yield found
            newer = item
        if held is not None:
            yield replace(held, lone=held.superseded is None)

    def _listed(self) -> Iterator[StoredItem]:
        """Versions and markers of each page in one order; S3 returns them as two lists."""
        pages = self.objects.client.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self.objects.bucket):
            found: list[tuple[bool, StoredItem]] = []
            for item in page.get("Versions", ()):
                name = item.get("StorageClass") or "STANDARD"
                made = _version(item, "version", item["Size"], name)
                found.append((item["IsLatest"], made))
            for marker in page.get("DeleteMarkers", ()):
                made = _version(marker, "marker", len(marker["Key"].encode()), "STANDARD")
                found.append((marker["IsLatest"], made))
            found.sort(key=lambda each: (each[1].key, not each[0], -each[1].modified.timestamp()))
            yield from (item for _, item in found)

    def _uploads(self) -> Iterator[StoredItem]:
        """Unfinished uploads, with the bytes of the parts that arrived."""
        client, bucket = self.objects.client, self.objects.bucket
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for upload in page.get("Uploads", ()):
                key, name = upload["Key"], upload.get("StorageClass") or "STANDARD"
                parts = client.get_paginator("list_parts").paginate(
                    Bucket=bucket, Key=key, UploadId=upload["UploadId"]
                )
                size = sum(part["Size"] for each in parts for part in each.get("Parts", ()))
                yield StoredItem(key, "upload", size, name, _utc(upload["Initiated"]))


def _version(item: Any, kind: Any, size: int, name: str) -> StoredItem:
    return StoredItem(item["Key"], kind, size, name, _utc(item["LastModified"]))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class S3Deletion:
    """A Deletion over the bucket of an object store. It reads Object Lock and never bypasses it."""

    objects: S3Objects

    def locked(self, key: str) -> str | None:
        """Why Object Lock holds a version of the object; None if it holds none."""
        with self.objects.translated(key):
            held = (self._lock(key, item["VersionId"]) for item in self._versions(key, "Versions"))
            return next((reason for reason in held if reason is not None), None)

    def tags(self, key: str) -> dict[str, str]:
        """The object's tags; raises NotFound."""
        with self.objects.translated(key):
            answer = self.objects.client.get_object_tagging(Bucket=self.objects.bucket, Key=key)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def remove(self, key: str) -> None:
        """Delete the object permanently, and check that neither version nor marker is left.

        The oldest version is deleted first, so that an interrupted deletion does not make an old
        version current. Raises Refused, before any deletion, if Object Lock holds a version.
        """
        if (reason := self.locked(key)) is not None:
            raise Refused(f"{self.objects.uri(key)} is {reason}; delete it when that has ended")
        with self.objects.translated(key):
            for part in ("Versions", "DeleteMarkers"):
                items = list(self._versions(key, part))
                for item in sorted(
                    items, key=lambda item: (item["IsLatest"], item["LastModified"])
                ):
                    self.objects.client.delete_object(
                        Bucket=self.objects.bucket, Key=key, VersionId=item["VersionId"]
                    )
        if self.left(key):
            raise CheckFailed(
                f"{self.objects.uri(key)}: some of its versions were not deleted; prune again"
            )

    def hide(self, key: str) -> None:
        """Delete the current object; a versioned bucket keeps it behind a delete marker."""
        with self.objects.translated(key):
            self.objects.client.delete_object(Bucket=self.objects.bucket, Key=key)

    def left(self, key: str) -> int:
        """The number of versions and delete markers that the object still has."""
        with self.objects.translated(key):
            return sum(
                1 for part in ("Versions", "DeleteMarkers") for _ in self._versions(key, part)
            )

    def _versions(self, key: str, part: str) -> Iterator[dict[str, Any]]:
        pages = self.objects.client.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self.objects.bucket, Prefix=key):
            items: list[dict[str, Any]] = page.get(part, [])  # type: ignore[assignment]  # both parts
            yield from (item for item in items if item["Key"] == key)

    def _lock(self, key: str, version: str) -> str | None:
        try:
            found = self.objects.client.head_object(
                Bucket=self.objects.bucket, Key=key, VersionId=version
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                return None  # somebody has deleted it since it was listed
            raise
        if found.get("ObjectLockLegalHoldStatus") == "ON":
            return "under a legal hold of Object Lock"
        until = found.get("ObjectLockRetainUntilDate")
        # an expired retention is still listed; S3's own clock decides
        said = found["ResponseMetadata"]["HTTPHeaders"].get("date")
        if until is None or (said is not None and until <= parsedate_to_datetime(said)):
            return None
        return f"under Object Lock until {until:%Y-%m-%d %H:%M} UTC"
