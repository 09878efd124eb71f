"""A multipart upload whose parts workers send, from objects that are staged in the bucket."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mediatool_assets.archive.spool import BlockRun
from mediatool_assets.stores.s3_upload import (
    UploadDestination,
    UploadParts,
    finishing,
    part_size,
    send_part,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


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
