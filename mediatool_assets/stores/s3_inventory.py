"""Everything that a bucket is billed for, as S3 lists it: versions, markers, unfinished uploads."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mediatool_assets.domain.costs.inventory import StoredItem
from mediatool_assets.stores.s3 import S3Objects


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
