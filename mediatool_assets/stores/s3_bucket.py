"""A bucket's settings on S3 or a compatible server, and what CloudTrail records about it."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from mediatool_assets.domain.bucket.aspects import Aspect, LiveAspect
from mediatool_assets.domain.bucket.cloudtrail import LoggingTrails
from mediatool_assets.domain.bucket.lifecycle import SIZE_FLOOR, Document
from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.s3_client import AS_USUAL, S3Access, client
from mediatool_assets.stores.s3_errors import code_of, translated

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
