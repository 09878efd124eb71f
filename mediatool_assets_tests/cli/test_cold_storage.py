"""The run book of an archive in GLACIER, carried out as written: moto keeps the archives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.moto_server import QUIET, moto_bucket, slow_cold_storage
from mediatool_assets_tests.versions.test_command_versions import NEW, OLD, _complete

pytestmark = [QUIET, pytest.mark.usefixtures("as_any_other_process")]


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nowhere: Path) -> Iterator[S3Objects]:
    """Two complete versions whose raw archives are in GLACIER; a copy takes two looks to come."""
    with moto_bucket() as objects, slow_cold_storage():
        monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
        monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", objects.endpoint_url or "")
        for version in map(Version.parse, (OLD, NEW)):
            _complete(objects, version, "daily_backup", tmp_path)
            key = archive_key("raw", version)
            data, _ = objects.get(key)
            objects.client.put_object(
                Bucket=objects.bucket, Key=key, Body=data, StorageClass="GLACIER"
            )
        yield objects


def test_fetch_asks_says_when_and_fetches(mediatool: Run, cold: S3Objects, tmp_path: Path) -> None:
    """Exit code 5 and one line, twice; then the archive."""
    uri = cold.uri(archive_key("raw", Version.parse(OLD)))
    first = mediatool("fetch", OLD)
    assert (first.code, first.out, len(first.lines)) == (5, "", 1)
    assert f"{uri} is in GLACIER; a copy for 7 days was requested (Standard)" in first.err
    second = mediatool("fetch", OLD)
    assert (second.code, len(second.lines)) == (5, 1)
    assert "is on its way, available by" in second.err
    third = mediatool("fetch", OLD)
    assert (third.code, third.err) == (0, "")
    assert (tmp_path / f"{OLD}-raw.tar.gz").is_file()


def test_restore_asks_before_it_touches_a_server(
    mediatool: Run, cold: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5 and one line, and no evidence: nothing was restored, and nothing failed."""
    monkeypatch.setenv("MEDIATOOL_RESTORE_POSTGRES_URL", "postgresql://127.0.0.1:1/postgres")
    result = mediatool("restore", OLD, "--to", "postgres")
    assert (result.code, result.out, len(result.lines)) == (5, "", 1)
    assert "is in GLACIER; a copy for 7 days was requested (Standard)" in result.err
    assert list(cold.list("postgres-exports/restores/")) == []


def test_compare_asks_for_both(mediatool: Run, cold: S3Objects) -> None:
    """One line that names the one that is there last; the other was asked for as well."""
    words = ("compare", "--version1", OLD, "--version2", NEW, "--output", "r.json")
    result = mediatool(*words)
    assert (result.code, len(result.lines)) == (5, 1)
    assert not Path("r.json").exists()
    for version in (OLD, NEW):
        key = archive_key("raw", Version.parse(version))
        told = cold.client.head_object(Bucket=cold.bucket, Key=key)
        assert told["Restore"].startswith("ongoing-request=")


def test_nothing_is_asked_for_where_that_is_set(
    mediatool: Run, cold: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says how to ask."""
    monkeypatch.setenv("MEDIATOOL_S3_RESTORE_DAYS", "0")
    result = mediatool("fetch", OLD)
    assert (result.code, len(result.lines)) == (5, 1)
    assert "aws s3api restore-object" in result.err
    key = archive_key("raw", Version.parse(OLD))
    assert "Restore" not in cold.client.head_object(Bucket=cold.bucket, Key=key)
