"""The part of `mediatool check` for the bucket: it writes an object and removes it again."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)

from mediatool_assets.domain.keys import STAGING_PREFIX
from mediatool_assets.domain.readiness import Reading, compare_clocks, ok, warning, wrong
from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_errors import code_of, is_denied, is_taken
from mediatool_assets.stores.s3_upload import sha256

AREA = "s3"

_MISSING_BUCKET = {"NoSuchBucket", "404", "NotFound"}
_FAILURES = {"500", "503", "InternalError", "ServiceUnavailable", "SlowDown"}
_BYTES = b"what mediatool check has written, and removes"


def bucket_readings(settings: Settings) -> list[Reading]:
    """Credentials, the bucket, encryption, conditions, checksums, ranges, uploads, clock."""
    objects = S3Objects.of(settings)
    key = f"{STAGING_PREFIX}check-{uuid.uuid4().hex}"
    made = replace(objects, patient=False).client
    trial = _Trial(made, objects, key, objects.encryption_options)
    endpoint = objects.endpoint_url or "Amazon S3"
    found: list[Reading] = []
    try:
        found.extend(trial.readings())
    except (NoCredentialsError, PartialCredentialsError) as error:
        fix = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        found.append(wrong(AREA, "credentials", str(error), fix, code=4))
    except ClientError as error:
        found.append(_refused(error, endpoint))
    except SSLError as error:
        fix = "set MEDIATOOL_S3_CA to the PEM file of the authority of its certificate"
        found.append(wrong(AREA, "connection", f"{endpoint}: {error}", fix, code=4))
    except BotoCoreError as error:
        fix = "correct MEDIATOOL_S3_ENDPOINT_URL, or start the server"
        found.append(wrong(AREA, "connection", f"{endpoint}: {error}", fix, code=4))
    return found


def _refused(error: ClientError, endpoint: str) -> Reading:
    said = f"{endpoint} answered {code_of(error)} to {error.operation_name}"
    if is_denied(error):
        fix = "mediatool bucket plan --document pipeline-role  # the rights of the identity in use"
        return wrong(AREA, "rights", said, fix, code=4)
    fix = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and the region"
    return wrong(AREA, "credentials", said, fix, code=4)


@dataclass(slots=True)
class _Trial:
    """A test object, on which every operation is tried that versions need."""

    client: Any
    objects: S3Objects
    key: str
    options: dict[str, str]

    @property
    def _where(self) -> dict[str, str]:
        return {"Bucket": self.objects.bucket, "Key": self.key}

    def readings(self) -> Iterator[Reading]:
        """In order; without the object, the readings that need it are left out."""
        before = datetime.now(UTC)
        try:
            answer = self.client.list_objects_v2(Bucket=self.objects.bucket, MaxKeys=1)
        except ClientError as error:
            if code_of(error) in _MISSING_BUCKET:
                says = f"there is no bucket {self.objects.bucket}"
                yield wrong(AREA, "bucket", says, "mediatool bucket apply --create", code=2)
                return
            raise
        here = before + (datetime.now(UTC) - before) / 2
        yield ok(AREA, "bucket", self.objects.uri(""))
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        if "date" in headers:
            yield compare_clocks(AREA, parsedate_to_datetime(headers["date"]), here)
        try:
            yield self._write()
            yield from self._promises()
        finally:
            removed = self._remove()
        yield removed

    def _write(self) -> Reading:
        """Write the object like those of versions; without encryption if that is refused."""
        asked = self.objects.encryption
        try:
            answer = self._put()
        except ClientError as error:
            if asked == "none" or is_denied(error):
                raise
            said = f"the server refuses writes with {asked} ({code_of(error)})"
            self.options = {}
            try:
                self._put()
            except ClientError:
                raise error from None
            fixes = ['export MEDIATOOL_S3_SSE=none  # in mediatool.toml: s3_sse = "none"']
            if asked == "AES256":
                fixes.append("or give the server a key for SSE-S3, so that objects are encrypted")
            return wrong(AREA, "encryption", said, *fixes, code=4)
        if asked == "none":
            says = "not requested: the server's disks must be encrypted"
            return warning(AREA, "encryption", says)
        if (got := answer.get("ServerSideEncryption")) != asked:
            says = f"{asked} was requested, and the server reports {got or 'no encryption'}"
            return warning(AREA, "encryption", says)
        return ok(AREA, "encryption", asked)

    def _put(self) -> Any:
        checked = {"Body": _BYTES, "ChecksumSHA256": sha256(_BYTES)}
        return self.client.put_object(**self._where, **checked, **self.options)

    def _promises(self) -> Iterator[Reading]:
        write = {**self._where, "Body": b"another", **self.options}
        lost = "two runs could overwrite each other's objects: use a server that supports this"
        for name, call in (
            ("no overwriting", lambda: self.client.put_object(**write, IfNoneMatch="*")),
            (
                "replacing only an unchanged object",
                lambda: self.client.put_object(**write, IfMatch='"0"'),
            ),
            ("no overwriting by a multipart upload", self._complete_over),
        ):
            yield self._must_refuse(name, call, lost, is_taken)
        other = sha256(b"something else")
        damaged = "bytes that change on the way would be stored: use a server that supports this"
        yield self._must_refuse(
            "checksums",
            lambda: self.client.put_object(**write, ChecksumSHA256=other),
            damaged,
            lambda error: not is_denied(error) and code_of(error) not in _FAILURES,
        )
        try:
            answer = self.client.get_object(**self._where, Range="bytes=5-9")
            part = answer["Body"].read()
        except ClientError as error:
            yield wrong(AREA, "ranges", f"the server answered {code_of(error)}", code=4)
            return
        if part == _BYTES[5:10]:
            yield ok(AREA, "ranges", "one table can be read without the others")
        else:
            says = f"requested 5 bytes, received {len(part)} others"
            yield wrong(AREA, "ranges", says, "use a server that supports ranges", code=4)

    def _complete_over(self) -> None:
        """Complete a multipart upload over the object, on the condition that it does not exist."""
        upload = self.client.create_multipart_upload(**self._where, **self.options)
        here = {**self._where, "UploadId": upload["UploadId"]}
        try:
            part = self.client.upload_part(**here, PartNumber=1, Body=b"x")
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            self.client.complete_multipart_upload(**here, MultipartUpload=parts, IfNoneMatch="*")
        except ClientError:
            self.client.abort_multipart_upload(**here)
            raise

    def _must_refuse(
        self,
        name: str,
        call: Callable[[], object],
        otherwise: str,
        refuses: Callable[[ClientError], bool],
    ) -> Reading:
        try:
            call()
        except ClientError as error:
            if refuses(error):
                return ok(AREA, name, f"the server refuses, as required ({code_of(error)})")
            return wrong(AREA, name, f"the server answered {code_of(error)}", otherwise, code=4)
        return wrong(AREA, name, "the server accepts what it must refuse", otherwise, code=4)

    def _remove(self) -> Reading:
        """Remove every version of the object; a pipeline's role may only hide it."""
        try:
            listed = self.client.list_object_versions(Bucket=self.objects.bucket, Prefix=self.key)
            for each in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
                version = each.get("VersionId")
                named = {} if version in (None, "null") else {"VersionId": version}
                self.client.delete_object(**self._where, **named)
        except ClientError:
            return self._hide()
        return ok(AREA, "nothing left", "what was written is removed")

    def _hide(self) -> Reading:
        try:
            self.client.delete_object(**self._where)
        except ClientError as error:
            says = f"{self.objects.uri(self.key)} could not be removed ({code_of(error)})"
            fix = f"aws s3 rm {self.objects.uri(self.key)}  # and give s3:DeleteObject below it"
            return wrong(AREA, "nothing left", says, fix, code=4)
        says = f"{self.key} is deleted; the bucket's rules expire what it keeps of it"
        return ok(AREA, "nothing left", says)
