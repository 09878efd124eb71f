"""The bucket: S3 or a compatible server, with names that are written once.

Clients of S3 and of other AWS services, one of each kind in each process.

Objects in a cold tier: detected before they are read, and restored on request once.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mediatool_assets.core.authenticity import ACCEPT_ALL, SignaturePolicy
from mediatool_assets.core.errors import AlreadyExists, BadArchive, InColdStorage, Refused
from mediatool_assets.core.setting_values import Addressing, Encryption
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import AS_DESCRIBED, STAGING_PREFIX, DatabaseNames, ObjectInfo
from mediatool_assets.stores.s3_upload import (
    StagedJoin,
    Upload,
    UploadDestination,
    code_of,
    is_cold,
    is_denied,
    is_missing,
    is_taken,
    joining,
    sha256,
    translated,
    uploading,
)
from mediatool_assets.stores.user_files import signature_policy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ObjectIdentifierTypeDef, TagTypeDef


@dataclass(frozen=True, slots=True)
class S3Access:
    """How requests address the server: position of the bucket, trusted TLS authority, prefix.

    All keys are below the prefix: requests name them without it, and so do answers.
    """

    addressing: Addressing | None = None
    ca: Path | None = None
    prefix: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "S3Access":
        """What the settings say."""
        return cls(settings.s3_addressing, settings.s3_ca, settings.s3_prefix)


AS_USUAL = S3Access()

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


def client(
    endpoint_url: str | None,
    access: S3Access = AS_USUAL,
    service: str = "s3",
    *,
    patient: bool = True,
) -> Any:
    """This process's client: a fork must not share connections. An impatient one tries once.

    It keeps the credentials that the environment had; other credentials make another client.
    """
    owner = (os.getpid(), *map(os.environ.get, _CREDENTIALS))
    return _client(endpoint_url, access, service, patient, owner)


@cache
def _client(
    endpoint_url: str | None,
    access: S3Access,
    service: str,
    patient: bool,
    owner: tuple[object, ...],
) -> Any:
    del owner  # a part of the cache's key
    # servers other than AWS rarely have a host name for each bucket
    usual: Literal["auto", "path"] = "auto" if endpoint_url is None else "path"
    config = Config(
        retries={"mode": "standard", "max_attempts": 4 if patient else 0},
        connect_timeout=10 if patient else 5,
        read_timeout=60 if patient else 15,
        max_pool_connections=16,
        s3={"addressing_style": access.addressing or usual},
    )
    verify = None if access.ca is None else str(access.ca)
    # not boto3's: its clients differ only in file transfers, which take 0.1 s to import
    session = botocore.session.Session()
    made = session.create_client(service, endpoint_url=endpoint_url, config=config, verify=verify)
    if access.prefix:
        events, prefix = made.meta.events, access.prefix
        # Any: botocore's stub lacks the handlers that return something
        add: Any = partial(_with_prefix, prefix)
        events.register("provide-client-params.s3", add)
        events.register_last("after-call.s3", partial(_without_prefix, prefix))
    return made


_LISTS = {"ListMultipartUploads", "ListObjectVersions", "ListObjectsV2"}
_LISTED = {
    "CommonPrefixes": "Prefix",
    "Contents": "Key",
    "DeleteMarkers": "Key",
    "Uploads": "Key",
    "Versions": "Key",
}
"""The parts of the answers to _LISTS, and the name of the key in each. The markers of pages stay
whole: botocore sends them back as they are.
"""


def _with_prefix(prefix: str, params: dict[str, Any], model: Any, **_: object) -> dict[str, Any]:
    """The parameters of a request with whole keys."""
    made = dict(params)
    if "Key" in made:
        made["Key"] = prefix + made["Key"]
    if model.name in _LISTS:
        made["Prefix"] = prefix + made.get("Prefix", "")
    if "Delete" in made:
        whole = [{**each, "Key": prefix + each["Key"]} for each in made["Delete"]["Objects"]]
        made["Delete"] = {**made["Delete"], "Objects": whole}
    return made


def _without_prefix(prefix: str, parsed: dict[str, Any], **_: object) -> None:
    """Cut the prefix off the keys of an answer."""
    for part, name in _LISTED.items():
        for item in parsed.get(part, ()):
            item[name] = item[name].removeprefix(prefix)


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


Sent = TypeVar("Sent")

_WRITER = "mediatool-writer"
"""Object metadata that identifies the writer, in case the answer to a write was lost."""


@dataclass(frozen=True, slots=True)
class S3Objects:
    """An ObjectStore over one bucket. It holds only settings; each process connects once.

    If it is not ``patient``, it tries once, and waits only seconds for an answer.
    """

    bucket: str
    endpoint_url: str | None = None
    kms_key_id: str | None = None
    retrieval: RetrievalOptions = field(default_factory=RetrievalOptions)
    sse: Encryption | None = None
    access: S3Access = AS_USUAL
    signature_policy: SignaturePolicy = ACCEPT_ALL
    patient: bool = True
    database_names: DatabaseNames = AS_DESCRIBED

    @classmethod
    def of(
        cls, settings: Settings, *, allow_unsigned: bool = False, is_maker: bool = False
    ) -> "S3Objects":
        """The bucket in the settings; credentials are AWS's own environment or profile.

        If the settings name keys, ``SignaturePolicy`` says which versions are read.
        """
        retrieval = RetrievalOptions(settings.s3_restore_days, settings.s3_restore_tier)
        place = settings.s3_bucket, settings.s3_endpoint_url, settings.s3_kms_key_id
        policy = signature_policy(settings, allow_unsigned=allow_unsigned, is_maker=is_maker)
        return cls(
            *place,
            retrieval,
            settings.s3_sse,
            S3Access.of(settings),
            policy,
            database_names=settings.database_names,
        )

    @property
    def client(self) -> "S3Client":
        """This process's client."""
        made: S3Client = client(self.endpoint_url, self.access, patient=self.patient)
        return made

    @property
    def encryption(self) -> Encryption:
        """The server-side encryption that every write requests."""
        return self.sse or ("AES256" if self.kms_key_id is None else "aws:kms")

    @property
    def encryption_options(self) -> dict[str, str]:
        """The encryption parameters of a request that creates an object."""
        asked = {} if self.encryption == "none" else {"ServerSideEncryption": self.encryption}
        return asked | ({} if self.kms_key_id is None else {"SSEKMSKeyId": self.kms_key_id})

    def uri(self, key: str) -> str:
        """``s3://bucket/key``, with the whole key."""
        return f"s3://{self.bucket}/{self.access.prefix}{key}"

    def head(self, key: str) -> ObjectInfo | None:
        """The object's size, tag and time; None if there is no object."""
        with self.translated(key):
            try:
                answer = self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
        return ObjectInfo(
            key=key,
            size=answer["ContentLength"],
            etag=answer["ETag"],
            modified=answer["LastModified"].astimezone(UTC),
            storage_class=answer.get("StorageClass", "STANDARD"),
        )

    def get(self, key: str) -> tuple[bytes, str]:
        """A small object's content, and its entity tag; raises NotFound, InColdStorage."""
        with self.reading(key):
            return _fetch(self.client, {"Bucket": self.bucket, "Key": key})

    def open(self, key: str) -> "S3Bytes":
        """The current object, to be read by range; raises NotFound.

        Raises InColdStorage if it must first be restored from a cold tier, which is then requested.
        """
        with self.translated(key):
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
            ColdObject(self.client, self.bucket, key, self.uri(key)).warm(answer, self.retrieval)
        return S3Bytes(self, key, answer["ContentLength"], answer["ETag"])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects under a prefix, in order of key."""
        pages = self.client.get_paginator("list_objects_v2")
        with self.translated(prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield ObjectInfo(
                        key=item["Key"],
                        size=item["Size"],
                        etag=item["ETag"],
                        modified=item["LastModified"].astimezone(UTC),
                        storage_class=item.get("StorageClass", "STANDARD"),
                    )

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below, each with its closing slash, in order."""
        pages = self.client.get_paginator("list_objects_v2")
        with self.translated(prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                for item in page.get("CommonPrefixes", ()):
                    yield item["Prefix"]

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write a small object and return its entity tag.

        Without ``replacing`` the key must be free; with it, the object must still have that entity
        tag. Raises AlreadyExists, and then nothing was written.
        """
        writer = _new_writer()
        condition: dict[str, Any] = (
            {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
        )
        with self.translated(key):
            try:
                answer = self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=data,
                    ChecksumSHA256=sha256(data),
                    **condition,
                    **self._options(writer),
                )
            except ClientError as error:
                if (is_taken(error) or is_missing(error)) and (etag := self._wrote(key, writer)):
                    return etag
                if replacing is not None and (is_taken(error) or is_missing(error)):
                    step = "it changed since it was read; read it again"
                    raise AlreadyExists(self.uri(key), step) from error
                raise
        return answer["ETag"]

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object; raises NotFound."""
        found: list[TagTypeDef] = [{"Key": name, "Value": value} for name, value in tags.items()]
        with self.translated(key):
            self.client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": found})

    def create(self, key: str) -> AbstractContextManager[Upload]:
        """Stream a large object; it appears, complete, when the context ends without an error.

        Raises AlreadyExists at once if the key is taken, and at the end if it was taken in the
        meantime; then, and on any error, the upload is aborted and no object is left.
        """
        return self._create(key, uploading)

    def assemble(self, key: str, executor: Executor) -> AbstractContextManager[StagedJoin]:
        """Like ``create``, from staged objects, which workers of ``executor`` read and upload."""
        return self._create(key, lambda target: joining(self, target, executor))

    @contextmanager
    def _create(
        self, key: str, upload: Callable[[UploadDestination], AbstractContextManager[Sent]]
    ) -> Iterator[Sent]:
        if self.head(key) is not None:
            raise AlreadyExists(self.uri(key))
        writer = _new_writer()
        target = UploadDestination(self.client, self.bucket, key, self._options(writer))
        with self.translated(key):
            try:
                with upload(target) as sink:
                    yield sink
            except ClientError as error:
                refused = is_taken(error) or code_of(error) == "NoSuchUpload"
                if not (refused and self._wrote(key, writer)):
                    raise

    def unstage(self, prefix: str) -> None:
        """Delete what was staged under a prefix of STAGING_PREFIX; any other prefix is refused."""
        if not prefix.startswith(STAGING_PREFIX):
            raise Refused(f"{self.uri(prefix)} is not below {STAGING_PREFIX}; nothing was deleted")
        pages = self.client.get_paginator("list_objects_v2")
        with self.translated(prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                keys: list[ObjectIdentifierTypeDef] = [
                    {"Key": item["Key"]} for item in page.get("Contents", ())
                ]
                if not keys:
                    continue
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True}
                )
                for error in answer.get("Errors", ()):
                    raise ClientError(
                        {
                            "Error": {
                                "Code": error.get("Code", ""),
                                "Message": error.get("Message", ""),
                            }
                        },
                        "DeleteObjects",
                    )

    def _wrote(self, key: str, writer: str) -> str | None:
        """The entity tag, if this writer wrote the object and only the answer was lost."""
        try:
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return answer["ETag"] if answer["Metadata"].get(_WRITER) == writer else None

    def _options(self, writer: str) -> dict[str, Any]:
        """The parameters of every request that creates an object: encryption, and the writer."""
        return {**self.encryption_options, "Metadata": {_WRITER: writer}}

    @contextmanager
    def reading(self, key: str) -> Iterator[None]:
        """For reading an object: if it is cold, its restore is requested, as by ``open``."""
        with self.translated(key):
            try:
                yield
            except ClientError as error:
                if is_cold(error):
                    answer = self.client.head_object(Bucket=self.bucket, Key=key)
                    ColdObject(self.client, self.bucket, key, self.uri(key)).warm(
                        answer, self.retrieval
                    )
                raise

    def translated(self, key: str) -> AbstractContextManager[None]:
        """A context that translates S3's errors about a key into this package's."""
        return translated(self.uri(key), self.endpoint_url or "Amazon S3", self.encryption)


@dataclass(frozen=True, slots=True)
class S3Bytes:
    """One object as it was when opened; reading it after a change is an error."""

    objects: S3Objects
    key: str
    size: int
    etag: str

    @property
    def name(self) -> str:
        """The URI."""
        return self.objects.uri(self.key)

    def read(self, start: int, length: int) -> bytes:
        """Read a range; raises BadArchive if the object is too short or was replaced."""
        if start + length > self.size:
            raise BadArchive(self.name, f"ends before byte {start + length}")
        if length == 0:
            return b""
        where = {
            "Bucket": self.objects.bucket,
            "Key": self.key,
            "Range": f"bytes={start}-{start + length - 1}",
            "IfMatch": self.etag,
        }
        with self.objects.reading(self.key):
            try:
                data, _ = _fetch(self.objects.client, where)
            except ClientError as error:
                if is_taken(error):
                    raise BadArchive(self.name, "was replaced while it was read") from error
                raise
        if len(data) != length:
            raise BadArchive(self.name, f"gave {len(data)} bytes of {length} from byte {start}")
        return data


@retry(
    retry=retry_if_exception_type((IncompleteReadError, ReadTimeoutError, ResponseStreamingError)),
    stop=stop_after_attempt(4),
    wait=wait_random_exponential(max=5),
    reraise=True,
)
def _fetch(client: "S3Client", where: dict[str, Any]) -> tuple[bytes, str]:
    """A body and its entity tag; botocore retries requests, this also interrupted bodies."""
    answer = client.get_object(**where)
    return answer["Body"].read(), answer["ETag"]


def _new_writer() -> str:
    return uuid.uuid4().hex
