"""Damaged metadata, marks and registry: a command does what it can, and names the document."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import (
    MARKS_KEY,
    REGISTRY_KEY,
    Version,
    archive_key,
    metadata_key,
)
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.metadata_examples import example

pytestmark = pytest.mark.usefixtures("as_any_other_process")

BAD, OLD, NEW = "20230611-143000", "20230621-143000", "20230622-080000"
DAMAGED = f"{BAD}.json cannot be read"


@pytest.fixture
def bucket(
    objects: S3Objects,
    documents: MongoDocuments,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[S3Objects]:
    """Two versions that are sound, and an earlier one whose metadata is damaged; no registry."""
    for name in (OLD, NEW):
        version = Version.parse(name)
        objects.put(archive_key("raw", version), b"archive")
        objects.put(metadata_key(version), example(name).to_json())
        documents.begin(mongodb_database(version), "one")
        documents.mark(mongodb_database(version), "one", {"_id": name, "archive": "x"})
    objects.put(archive_key("raw", Version.parse(BAD)), b"archive")
    objects.put(metadata_key(Version.parse(BAD)), b"{}")
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", objects.endpoint_url or "")
    monkeypatch.setenv("MEDIATOOL_MONGODB_URL", settings.mongodb_url.reveal())  # type: ignore[union-attr]  # it is set
    monkeypatch.setenv("MEDIATOOL_HOME", str(tmp_path / "home"))
    yield objects
    for name in (OLD, NEW):
        documents.drop(mongodb_database(Version.parse(name)))


def test_damaged_metadata_stops_no_command_of_other_versions(
    mediatool: Run, bucket: S3Objects
) -> None:
    """With the registry gone too: each does its work on the others, and names the file once."""
    for words in (
        ["versions"],
        ["versions", "--rebuild"],
        ["keep", NEW],
        ["annotate", NEW, "--notes", "x"],
        ["promote", OLD],
        ["promote", NEW],
        ["rollback"],
        ["unkeep", NEW],
        ["prune", "--dry-run"],
    ):
        if bucket.head(REGISTRY_KEY) is not None:
            bucket.client.delete_object(Bucket=bucket.bucket, Key=REGISTRY_KEY)
        result = mediatool(*words)
        assert (result.code, result.err.count(DAMAGED)) == (0, 1), (words, result.err)
    assert "its metadata cannot be read" in result.out
    shown = json.loads(mediatool("versions", "--json").out)
    assert [each["version"] for each in shown] == [OLD, NEW]
    assert mediatool("latest").out.strip() == NEW
    assert mediatool("show", NEW).code == 0
    assert mediatool("show", BAD).code == 3


def test_the_newest_that_can_be_read_is_the_latest(mediatool: Run, bucket: S3Objects) -> None:
    """A damaged newer one is named on stderr, and nothing of it is on stdout."""
    newest = "20240101-000000"
    bucket.put(metadata_key(Version.parse(newest)), b"null")
    result = mediatool("latest")
    assert (result.code, result.out.strip()) == (0, NEW)
    assert f"warning: {bucket.uri(metadata_key(Version.parse(newest)))}" in result.err


@pytest.mark.parametrize("damage", [b"[]", b"null", b""])
def test_damaged_marks_stop_what_changes_them(
    mediatool: Run, bucket: S3Objects, damage: bytes
) -> None:
    """versions, show and latest go on and say so; prune, keep and promote are refused."""
    bucket.put(MARKS_KEY, damage)
    for words in (["versions"], ["show", NEW], ["latest", "--json"], ["versions", "--rebuild"]):
        result = mediatool(*words)
        assert (result.code, "version-marks.json cannot be read" in result.err) == (0, True), words
    assert json.loads(mediatool("show", NEW, "--json").out)["marks"] is None
    for words in (["prune", "--dry-run"], ["promote", NEW], ["keep", NEW], ["rollback"]):
        result = mediatool(*words)
        assert (result.code, "version-marks.json cannot be read" in result.err) == (3, True), words
    assert bucket.get(MARKS_KEY)[0] == damage


@pytest.mark.parametrize("registry", [b"[]", b"null", b"", b"{}"])
def test_an_empty_registry_is_not_believed(
    mediatool: Run, bucket: S3Objects, registry: bytes
) -> None:
    """The versions that there are are listed."""
    bucket.put(REGISTRY_KEY, registry)
    shown = json.loads(mediatool("versions", "--json").out)
    assert [each["version"] for each in shown] == [OLD, NEW]
