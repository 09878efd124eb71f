"""A streamed multipart upload: the object appears as a whole, or not at all."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

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
