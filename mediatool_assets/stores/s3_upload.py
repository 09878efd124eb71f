"""A streamed multipart upload: the object appears as a whole, or not at all.

A multipart upload whose parts workers send, from objects that are staged in the bucket.

Translates errors of S3 into this package's errors.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from mediatool_assets.archive.writer import BlockRun
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadSettings,
    CheckFailed,
    Full,
    InColdStorage,
    MediatoolError,
    NotFound,
    Unreachable,
)
from mediatool_assets.core.version import STAGING_PREFIX
from mediatool_assets.stores.user_files import full_disk

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CreateMultipartUploadOutputTypeDef

FIRST_PART = 8 << 20
_PARTS_A_SIZE = 400
_LARGEST_PART = 768 << 20
_IN_FLIGHT = 4  # parts that are sent while one is filled: enough for a server with two processors


def part_size(number: int) -> int:
    """Size in bytes of part ``number``, from 1: early parts are small, and 10,000 hold 5 TiB.

    An archive of 3 GB only has parts of the first size, and needs 48 MiB of memory.
    """
    return min(FIRST_PART << ((number - 1) // _PARTS_A_SIZE), _LARGEST_PART)


def sha256(data: bytes) -> str:
    """The checksum in S3's format, which the server compares with the data received."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class UploadDestination(NamedTuple):
    """The destination of an upload, and the parameters of every request that creates the object."""

    client: "S3Client"
    bucket: str
    key: str
    options: dict[str, Any]
    """Encryption and object metadata."""


class UploadParts:
    """The parts of one upload, from any process. Raises botocore's own errors."""

    def __init__(self, target: UploadDestination) -> None:
        self._target = target
        self._where: dict[str, Any] = {"Bucket": target.bucket, "Key": target.key}
        self.sent: list[Future[CompletedPartTypeDef]] = []
        self._created: Future[CreateMultipartUploadOutputTypeDef] | None = None

    @property
    def begun(self) -> bool:
        """Whether an upload was started; if not, nothing was sent."""
        return self._created is not None

    def begin(self) -> str:
        """The id of the upload, which is started if necessary."""
        if self._created is None:
            # Known before it is asked for: no interrupt loses an id that abort() needs.
            self._created = Future()
            Thread(target=self._create, args=[self._created], name="s3-begin").start()
        return self._created.result()["UploadId"]

    def _create(self, created: "Future[CreateMultipartUploadOutputTypeDef]") -> None:
        if not created.set_running_or_notify_cancel():
            return
        try:
            created.set_result(
                self._target.client.create_multipart_upload(
                    **self._where, ChecksumAlgorithm="SHA256", **self._target.options
                )
            )
        except BaseException as error:  # noqa: BLE001  # raised where the id is waited for
            created.set_exception(error)

    def complete(self) -> None:
        """Make the object appear; raises ClientError if its key is taken."""
        parts = [part.result() for part in self.sent]
        self._target.client.complete_multipart_upload(
            **self._where,
            UploadId=self.begin(),
            IfNoneMatch="*",
            MultipartUpload={"Parts": parts},
        )

    def abort(self) -> None:
        """Abort: wait for parts in transit, then let the server delete all parts."""
        for part in self.sent:
            part.cancel()
        wait(self.sent)
        created = self._created
        if created is not None and not created.cancel() and created.exception() is None:
            self._target.client.abort_multipart_upload(**self._where, UploadId=self.begin())


def send_part(
    client: "S3Client", where: dict[str, Any], number: int, part: bytes
) -> "CompletedPartTypeDef":
    """Send one part, checked by the server; ``where`` has bucket, key and upload id."""
    checksum = sha256(part)
    answer = client.upload_part(**where, PartNumber=number, Body=part, ChecksumSHA256=checksum)
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}


class Upload:
    """A Sink that sends its data in parts; a small object is sent in one request.

    Memory: the part being filled and _IN_FLIGHT parts being sent. Raises botocore's own errors.
    """

    def __init__(self, target: UploadDestination, pool: ThreadPoolExecutor) -> None:
        self._target, self._pool = target, pool
        self._where: dict[str, Any] = {"Bucket": target.bucket, "Key": target.key}
        self._buffer = bytearray()
        self._parts = UploadParts(target)
        self._travelling: set[Future[CompletedPartTypeDef]] = set()

    def write(self, data: bytes, /) -> None:
        """Send all of ``data``; waits if enough parts are being sent."""
        self._buffer += data
        while len(self._buffer) >= (size := part_size(len(self._parts.sent) + 1)):
            part = bytes(memoryview(self._buffer)[:size])
            del self._buffer[:size]
            self._send(part)

    def complete(self) -> None:
        """Make the object appear; raises ClientError if its key is taken."""
        if not self._parts.begun:
            client, options, data = self._target.client, self._target.options, bytes(self._buffer)
            client.put_object(
                **self._where, Body=data, ChecksumSHA256=sha256(data), IfNoneMatch="*", **options
            )
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        self._parts.complete()

    def abort(self) -> None:
        """Delete all parts that were sent."""
        self._parts.abort()

    def _send(self, part: bytes) -> None:
        where = {**self._where, "UploadId": self._parts.begin()}
        self._make_room()
        number = len(self._parts.sent) + 1
        sent = self._pool.submit(send_part, self._target.client, where, number, part)
        self._parts.sent.append(sent)
        self._travelling.add(sent)

    def _make_room(self) -> None:
        """Wait until another part may be sent; a failed part ends the upload at once."""
        arrived = {part for part in self._travelling if part.done()}
        if not arrived and len(self._travelling) == _IN_FLIGHT:
            arrived, _ = wait(self._travelling, return_when=FIRST_COMPLETED)
        self._travelling -= arrived
        for part in arrived:
            part.result()


class FinishingUpload(Protocol):
    """An upload that is completed or aborted."""

    def complete(self) -> None:
        """Make the object appear."""

    def abort(self) -> None:
        """Delete all parts."""


@contextmanager
def uploading(target: UploadDestination) -> Iterator[Upload]:
    """An upload that is completed if the context succeeds, and aborted on any error."""
    with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="s3-part") as pool:
        upload = Upload(target, pool)
        with finishing(upload, target.key):
            yield upload


@contextmanager
def finishing(upload: FinishingUpload, key: str) -> Iterator[None]:
    """Complete the upload when the context ends or, on any error, abort it."""
    try:
        yield
        upload.complete()
    except BaseException as error:  # an interrupt must not leave parts behind either
        try:
            upload.abort()
        except (ClientError, BotoCoreError) as second:
            error.add_note(
                f"the unfinished upload of {key} could not be aborted ({second}); "
                "the bucket's lifecycle rule drops it after 7 days"
            )
        raise


class PartClient(Protocol):
    """What a worker needs of ``S3Objects`` to send a part; can be pickled."""

    @property
    def bucket(self) -> str:
        """Its name."""

    @property
    def client(self) -> "S3Client":
        """This process's client."""

    def translated(self, key: str) -> AbstractContextManager[None]:
        """Translate the client's errors to ours."""


Piece = bytes | BlockRun


class StagedJoin:
    """A JoiningSink: workers copy the staged objects to S3 as parts of an upload.

    Parts are as large as an Upload's, or up to a run of blocks larger: a worker that sends blocks
    has each of them as a whole, and verifies it. Every full part is submitted to the executor, and
    all are awaited at the end. Parts in this process hold only written data: tar headers and such.
    """

    def __init__(self, objects: PartClient, target: UploadDestination, executor: Executor) -> None:
        self._objects, self._target, self._executor = objects, target, executor
        self._parts = UploadParts(target)
        self._pieces: list[Piece] = []
        self._size = 0

    def write(self, data: bytes, /) -> None:
        """Append ``data``: tar headers and such."""
        self._take(data, len(data))

    def copy(self, run: BlockRun, /) -> None:
        """Append staged blocks."""
        self._take(run, run.length)

    def complete(self) -> None:
        """Make the object appear once all parts are sent; raises as ``UploadParts.complete``."""
        if self._pieces:
            self._send()
        self._parts.complete()

    def abort(self) -> None:
        """Delete all parts that were sent; a worker may still send one, without effect."""
        self._parts.abort()

    def _take(self, piece: Piece, length: int) -> None:
        self._pieces.append(piece)
        self._size += length
        if self._size >= part_size(len(self._parts.sent) + 1):
            self._send()

    def _send(self) -> None:
        number = len(self._parts.sent) + 1
        share = JoinPart(
            self._objects, self._target.key, self._parts.begin(), number, tuple(self._pieces)
        )
        self._parts.sent.append(self._executor.submit(send, share))
        self._pieces, self._size = [], 0


class JoinPart(NamedTuple):
    """One part of an upload, and the objects that a worker makes it from."""

    objects: PartClient
    key: str
    upload: str
    number: int
    pieces: Sequence[Piece]


def send(part: JoinPart) -> "CompletedPartTypeDef":
    """In a worker: collect a part and send it. Sending it again replaces the same part.

    Raises BadArchive for a block that was changed where it was staged.
    """
    data = b"".join(
        piece.proven() if isinstance(piece, BlockRun) else piece for piece in part.pieces
    )
    where = {"Bucket": part.objects.bucket, "Key": part.key, "UploadId": part.upload}
    with part.objects.translated(part.key):
        return send_part(part.objects.client, where, part.number, data)


@contextmanager
def joining(
    objects: PartClient, target: UploadDestination, executor: Executor
) -> Iterator[StagedJoin]:
    """An upload that is completed if the context succeeds, and aborted on any error."""
    upload = StagedJoin(objects, target, executor)
    with finishing(upload, target.key):
        yield upload


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
