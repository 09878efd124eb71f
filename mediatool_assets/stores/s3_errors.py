"""Translates errors of S3 into this package's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from mediatool_assets.domain.errors import (
    AlreadyExists,
    BadSettings,
    CheckFailed,
    Full,
    InColdStorage,
    MediatoolError,
    NotFound,
    Unreachable,
)
from mediatool_assets.domain.keys import STAGING_PREFIX
from mediatool_assets.stores.disk_space import full_disk

_RIGHTS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    # without s3:ListBucket, AWS answers 403 for a missing key
    "DeleteObject": "s3:DeleteObject and s3:DeleteObjectVersion, and MFA if the policy asks for it",
    "DeleteObjects": f"s3:DeleteObject below {STAGING_PREFIX}",
    "GetObject": "s3:GetObject and s3:ListBucket",
    "GetObjectTagging": "s3:GetObjectTagging",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjectsV2": "s3:ListBucket",
    "PutObjectTagging": "s3:PutObjectTagging",
    "RestoreObject": "s3:RestoreObject",
}
_WRITE_RIGHTS = "s3:PutObject (with a KMS key also kms:GenerateDataKey and kms:Decrypt)"

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_MISSING = {"NoSuchKey", "NotFound", "404"}
_COLD = {"InvalidObjectState", "ObjectNotInActiveTierError"}
_DENIED = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled"}
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
_FULL = {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}
"""Codes of servers with disks of their own: Amazon S3 is never full."""
_WRITES = {"CreateMultipartUpload", "PutObject"}
_NO_ENCRYPTION = {
    "500",
    "501",
    "InternalError",
    "InvalidArgument",
    "InvalidEncryptionAlgorithmError",
    "InvalidRequest",
    "NotImplemented",
}
"""How servers without encryption refuse it; SeaweedFS fails without a key for it."""
_FAILED = {"500", "503", "InternalError", "ServiceUnavailable", "SlowDown"}
_DAMAGED = {
    "BadDigest",
    "InvalidDigest",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}


@contextmanager
def translated(uri: str, endpoint: str, encryption: str = "none") -> Iterator[None]:
    """Run calls about ``uri``; their failures are raised as our errors, ``from`` the original.

    ``encryption`` is what writes request: some servers have none, and few of them say so.

    Raises NotFound, AlreadyExists, InColdStorage, BadSettings (no such bucket),
    CheckFailed (bytes changed in transit), Full or Unreachable (everything else).
    """
    try:
        yield
    except ClientError as error:
        if code_of(error) in _FAILED and (full := full_disk(endpoint)) is not None:
            raise full from error
        raise _encryption_refused(error, uri, endpoint, encryption) or _refusal(
            error, uri, endpoint
        ) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Unreachable(
            f"{uri}: no AWS credentials ({error}); set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or start the local servers with `mediatool up`"
        ) from error
    except BotoCoreError as error:
        if (full := full_disk(endpoint)) is not None:
            raise full from error
        raise Unreachable(
            f"{uri}: {endpoint} does not answer ({error}); check MEDIATOOL_S3_ENDPOINT_URL and "
            "the network, or start the local servers with `mediatool up`"
        ) from error


def code_of(error: ClientError) -> str:
    """The error code; for a HEAD, which has no body, the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def is_missing(error: ClientError) -> bool:
    """Whether the answer means that the key does not exist."""
    return code_of(error) in _MISSING


def is_taken(error: ClientError) -> bool:
    """Whether a condition of the request was not met."""
    return code_of(error) in _TAKEN


def is_cold(error: ClientError) -> bool:
    """Whether the answer means that the object is in a cold storage class."""
    return code_of(error) in _COLD


def is_denied(error: ClientError) -> bool:
    """Whether the identity lacks the right."""
    return code_of(error) in _DENIED


def _encryption_refused(
    error: ClientError, uri: str, endpoint: str, encryption: str
) -> MediatoolError | None:
    """The error, if the server may have refused a write because of its encryption."""
    code, said = code_of(error), error.response.get("Error", {}).get("Message", "")
    if encryption == "none" or error.operation_name not in _WRITES:
        return None
    if code not in _NO_ENCRYPTION and not code.startswith("KMS."):
        return None
    return Unreachable(
        f"{uri}: {endpoint} answered {code} {said}, to a write with the server-side encryption "
        f"{encryption}. If it has none, set MEDIATOOL_S3_SSE=none; `mediatool check` tries both"
    )


def _refusal(error: ClientError, uri: str, endpoint: str) -> MediatoolError:
    code, said = code_of(error), error.response.get("Error", {}).get("Message", "")
    right = _RIGHTS.get(error.operation_name, _WRITE_RIGHTS)
    refusals: list[tuple[set[str], MediatoolError]] = [
        (_TAKEN, AlreadyExists(uri)),
        (_MISSING, NotFound(f"{uri} does not exist; `mediatool versions` lists the versions")),
        (
            {"NoSuchBucket"},
            BadSettings(
                [
                    f"{uri}: there is no such bucket; `mediatool bucket apply --create` makes it, "
                    "or set MEDIATOOL_S3_BUCKET"
                ]
            ),
        ),
        (
            _COLD,
            InColdStorage(
                uri,
                "is in a cold storage tier and cannot be read directly",
                "restore it with `aws s3api restore-object`, and run it again when it is readable",
            ),
        ),
        (
            _DENIED,
            Unreachable(f"{uri}: access denied; the AWS identity in use needs {right}"),
        ),
        (
            _BAD_CREDENTIALS,
            Unreachable(
                f"{uri}: {endpoint} refuses the AWS credentials ({code}); check "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
            ),
        ),
        (
            _FULL,
            Full(
                f"{uri}: the server at {endpoint} has no room left ({code}); delete what is not "
                "needed (`mediatool prune`) or give it more, and run it again"
            ),
        ),
        (
            _DAMAGED,
            CheckFailed(f"{uri}: bytes changed in transit to {endpoint} ({code}); run it again"),
        ),
    ]
    other = Unreachable(f"{uri}: {endpoint} answered {code} {said}; try again, or check its log")
    return next((refusal for codes, refusal in refusals if code in codes), other)
