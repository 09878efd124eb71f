"""One streamed upload: parts travel while the next one is filled, and it appears whole or not."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

FIRST_PART = 8 << 20
_PARTS_A_SIZE = 400
_LARGEST_PART = 768 << 20
_IN_FLIGHT = 2  # parts that travel while one is filled: enough that filling and sending overlap


def part_size(number: int) -> int:
    """Bytes of the part of that number, from 1: 10,000 of them hold 5 TiB, the first ones little.

    An archive of 3 GB never leaves the first size, and 32 MiB of memory.
    """
    return min(FIRST_PART << ((number - 1) // _PARTS_A_SIZE), _LARGEST_PART)


def sha256(data: bytes) -> str:
    """The checksum as S3 writes it, which the server compares with what arrives."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class Target(NamedTuple):
    """Where an upload goes, and what every request that creates the object carries."""

    client: "S3Client"
    bucket: str
    key: str
    options: dict[str, Any]
    """Encryption and object metadata."""


class Upload:
    """A Sink that sends what it is given in parts; small objects go in one request.

    Memory: the part that is filled and _IN_FLIGHT that travel. Raises botocore's own errors.
    """

    def __init__(self, target: Target, pool: ThreadPoolExecutor) -> None:
        self._target, self._pool = target, pool
        self._where: dict[str, Any] = {"Bucket": target.bucket, "Key": target.key}
        self._buffer = bytearray()
        self._parts: list[Future[CompletedPartTypeDef]] = []
        self._travelling: set[Future[CompletedPartTypeDef]] = set()
        self._id: str | None = None

    def write(self, data: bytes, /) -> None:
        """Take all of ``data``; waits while enough parts are travelling."""
        self._buffer += data
        while len(self._buffer) >= (size := part_size(len(self._parts) + 1)):
            part = bytes(memoryview(self._buffer)[:size])
            del self._buffer[:size]
            self._send(part)

    def complete(self) -> None:
        """Make the object appear; raises ClientError where its key is taken."""
        client, options = self._target.client, self._target.options
        if self._id is None:
            data = bytes(self._buffer)
            client.put_object(
                **self._where, Body=data, ChecksumSHA256=sha256(data), IfNoneMatch="*", **options
            )
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        client.complete_multipart_upload(
            **self._where,
            UploadId=self._id,
            IfNoneMatch="*",
            MultipartUpload={"Parts": [part.result() for part in self._parts]},
        )

    def abort(self) -> None:
        """Let go of the parts: wait for those that travel, then have the server drop them all."""
        for part in self._parts:
            part.cancel()
        wait(self._parts)
        if self._id is not None:
            self._target.client.abort_multipart_upload(**self._where, UploadId=self._id)

    def _send(self, part: bytes) -> None:
        if self._id is None:
            self._id = self._target.client.create_multipart_upload(
                **self._where, ChecksumAlgorithm="SHA256", **self._target.options
            )["UploadId"]
        self._make_room()
        sent = self._pool.submit(self._send_part, self._id, len(self._parts) + 1, part)
        self._parts.append(sent)
        self._travelling.add(sent)

    def _make_room(self) -> None:
        """Let one more part travel; one that failed ends the upload now, not at its end."""
        arrived = {part for part in self._travelling if part.done()}
        if not arrived and len(self._travelling) == _IN_FLIGHT:
            arrived, _ = wait(self._travelling, return_when=FIRST_COMPLETED)
        self._travelling -= arrived
        for part in arrived:
            part.result()

    def _send_part(self, upload: str, number: int, part: bytes) -> "CompletedPartTypeDef":
        checksum = sha256(part)
        answer = self._target.client.upload_part(
            **self._where,
            UploadId=upload,
            PartNumber=number,
            Body=part,
            ChecksumSHA256=checksum,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}


@contextmanager
def uploading(target: Target) -> Iterator[Upload]:
    """An upload that completes when the context is left well, and is aborted on any error."""
    with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="s3-part") as pool:
        upload = Upload(target, pool)
        try:
            yield upload
            upload.complete()
        except BaseException as error:  # also an interrupt must leave no parts behind
            try:
                upload.abort()
            except (ClientError, BotoCoreError) as second:
                error.add_note(
                    f"the unfinished upload of {target.key} could not be aborted ({second}); "
                    "the bucket's lifecycle rule drops it after 7 days"
                )
            raise
