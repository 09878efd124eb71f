"""The inventory of a real bucket: every version, every marker, every unfinished upload."""

import pytest

from mediatool_assets.core.inventory import StoredItem
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_bucket import S3Inventory
from mediatool_assets.stores.s3_upload import FIRST_PART


@pytest.fixture
def listed(objects: S3Objects) -> list[StoredItem]:
    """Of a versioned bucket: replaced, deleted, deleted for good behind its marker, unfinished."""
    client, bucket = objects.client, objects.bucket
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    etag = objects.put("a/replaced", b"1")
    objects.put("a/replaced", b"22", replacing=etag)
    objects.put("b/deleted", b"333")
    client.delete_object(Bucket=bucket, Key="b/deleted")
    objects.put("c/é", b"4444")
    (version,) = client.list_object_versions(Bucket=bucket, Prefix="c/")["Versions"]
    client.delete_object(Bucket=bucket, Key="c/é")
    client.delete_object(Bucket=bucket, Key="c/é", VersionId=version["VersionId"])
    upload = client.create_multipart_upload(Bucket=bucket, Key="d/upload")["UploadId"]
    try:
        client.upload_part(
            Bucket=bucket, Key="d/upload", UploadId=upload, PartNumber=1, Body=bytes(FIRST_PART)
        )
        return list(S3Inventory(objects).items())
    finally:
        client.abort_multipart_upload(Bucket=bucket, Key="d/upload", UploadId=upload)


def test_everything_that_is_billed(listed: list[StoredItem]) -> None:
    """Each with its size; what was replaced says when, by the time of what took its place."""
    assert [(i.key, i.kind, i.bytes, i.superseded is None, i.lone) for i in listed] == [
        ("a/replaced", "version", 2, True, False),
        ("a/replaced", "version", 1, False, False),
        ("b/deleted", "marker", 9, True, False),
        ("b/deleted", "version", 3, False, False),
        ("c/é", "marker", 4, True, True),
        ("d/upload", "upload", FIRST_PART, True, False),
    ]
    newer, older = listed[0], listed[1]
    assert older.superseded == newer.modified
    assert {item.storage_class for item in listed} == {"STANDARD"}


def test_an_unversioned_bucket(objects: S3Objects) -> None:
    """Its objects are listed all the same."""
    objects.put("a", b"1")
    assert [(i.key, i.kind, i.superseded) for i in S3Inventory(objects).items()] == [
        ("a", "version", None)
    ]
