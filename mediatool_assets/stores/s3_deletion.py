"""Permanent deletion of objects: every version and delete marker, unless S3 protects them."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from mediatool_assets.domain.errors import CheckFailed, Refused
from mediatool_assets.stores.s3 import S3Objects


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
