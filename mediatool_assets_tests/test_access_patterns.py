"""How people read the bucket by hand: the storage description's commands, by AWS's own program."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.core.version import (
    MARKS_KEY,
    REGISTRY_KEY,
    Version,
    archive_key,
    metadata_key,
)
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import keep_newest_last, register
from mediatool_assets_tests.documents import ROOT, blocks
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.raw_archives import raw_archive, table

OLD, NEW, FAILED = map(Version.parse, ("20250620-020000", "20250621-143000", "20250621-200000"))
USERS = table("users", id="uuid", zoho_user_id="text", name="text", email="text")
ADA = {
    "id": "5bf32b6b-8449-4d0c-8556-f8ca7ee54fef",
    "zoho_user_id": "4876123456789012345",
    "name": "Ada Ashgrove",
    "email": "ada.ashgrove@example.com",
}

Shell = Callable[[str], str]


@pytest.fixture
def shell(objects: S3Objects, tmp_path: Path) -> Shell:
    """A shell with AWS's program, for a bucket with two versions, and one that failed.

    The older one was made last, as by a backfill. ``date`` says the day of the newer one.
    """
    for version in (NEW, OLD):
        raw_archive(objects, {USERS: [ADA]}, version=version)
        objects.put(metadata_key(version), example(str(version)).to_json())
        keep_newest_last(objects)
        register(objects)
    raw_archive(objects, {USERS: [ADA]}, version=FAILED)
    catalog.change(objects, lambda found: found.annotated(NEW, "before the migration"))
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": objects.endpoint_url or "",
        "MEDIATOOL_S3_ENDPOINT_URL": objects.endpoint_url or "",
        "MEDIATOOL_S3_BUCKET": objects.bucket,
        "MEDIATOOL_HOME": str(tmp_path / "home"),
        "MEDIATOOL_WORKERS": "1",
    }

    def run(script: str) -> str:
        done = subprocess.run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                f"date() {{ echo {NEW.partition}; }}\n{script}".replace(
                    "media-tool-backups", objects.bucket
                ),
            ],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_latest_metadata_is_the_newest_complete_versions(shell: Shell) -> None:
    """Not the registry, not that of a version that was backfilled later, not a failed one's."""
    newest = shell(
        """\
        aws s3 ls s3://media-tool-backups/postgres-exports/metadata/ \\
            --recursive | sort | tail -1
        """
    )
    assert newest.split()[-1] == metadata_key(NEW)


def test_a_listing_of_a_month_is_metadata_only(shell: Shell) -> None:
    """One line for each complete version."""
    month = shell(
        """\
        aws s3 ls s3://media-tool-backups/postgres-exports/metadata/ \\
            --recursive \\
            | grep "2025-06" \\
            | sort
        """
    )
    every = shell("aws s3 ls s3://media-tool-backups/postgres-exports/metadata/ --recursive")
    listed = {line.split()[-1] for line in month.splitlines()}
    assert listed == {metadata_key(NEW), metadata_key(OLD)}
    assert sorted(month.splitlines()) == sorted(every.splitlines())
    top = shell("aws s3 ls s3://media-tool-backups/")
    assert re.findall(r"\S+\.json$", top, re.MULTILINE) == [REGISTRY_KEY, MARKS_KEY]


def test_the_latest_raw_archive_is_the_newest_that_was_written(shell: Shell) -> None:
    """Also that of a version that is not complete: a reader who wants one asks the metadata."""
    newest = shell(
        """\
        LATEST_DATE=$(date +%Y-%m-%d)
        aws s3 ls s3://media-tool-backups/postgres-exports/raw/${LATEST_DATE}/ \\
            | sort | tail -1 | awk '{print $4}'
        """
    )
    assert newest.strip() == f"{FAILED}-raw.tar.gz"
    assert archive_key("raw", FAILED).endswith(f"/{newest.strip()}")
    [script] = [
        b.text
        for b in blocks("bash", ROOT / "docs/how-to/read-by-hand.md")
        if "VERSION=$(" in b.text
    ]
    shell(script)
    listed = shell("tar -tzf latest-raw.tar.gz")
    assert listed.splitlines()[0].startswith(f"{NEW}/")


def test_a_version_is_downloaded(shell: Shell, objects: S3Objects, tmp_path: Path) -> None:
    """Its archive, byte for byte."""
    shell(
        """\
        TIMESTAMP="20250621-143000"
        aws s3 cp \\
            s3://media-tool-backups/postgres-exports/raw/2025-06-21/${TIMESTAMP}-raw.tar.gz \\
            ./
        """
    )
    fetched = (tmp_path / f"{NEW}-raw.tar.gz").read_bytes()
    assert fetched == objects.get(archive_key("raw", NEW))[0]


def test_two_versions_are_compared(shell: Shell, tmp_path: Path) -> None:
    """By the script of the production pipeline, into a file."""
    shell(
        """\
        ./scripts/production-pipeline/compare-exports.sh \\
            --version1 20250620-020000 \\
            --version2 20250621-143000 \\
            --output comparison-report.json
        """
    )
    report = json.loads((tmp_path / "comparison-report.json").read_text())
    assert (report["version1"], report["version2"]) == (str(OLD), str(NEW))
    assert report["summary"]["total_records_v1"] == report["summary"]["total_records_v2"] == 1


def test_a_version_is_sanitized(shell: Shell, tmp_path: Path) -> None:
    """By the script of the production pipeline, with nothing but its two flags."""
    shell(
        "aws s3 cp s3://media-tool-backups/postgres-exports/raw/2025-06-21/"
        "20250621-143000-raw.tar.gz ./"
    )
    shell(
        """\
        ./scripts/production-pipeline/sanitize-export.sh \\
            --input 20250621-143000-raw.tar.gz \\
            --output 20250621-143000-sanitized.tar.gz
        """
    )
    copy = ArchiveReader(LocalFile(tmp_path / f"{NEW}-sanitized.tar.gz"))
    assert copy.manifest.is_sanitized
    assert b"Ashgrove" not in b"".join(copy.blocks(copy.manifest.tables()["users"].blocks))


def test_a_version_is_read_by_hand_as_documented(shell: Shell) -> None:
    """The newest version's metadata and archive are found, the archive's parts are listed."""
    [script] = [
        b.text for b in blocks("bash", ROOT / "docs/how-to/read-by-hand.md") if "tar -tz" in b.text
    ]
    newest, archive, *rest = shell(script).splitlines()
    assert newest.split()[-1] == metadata_key(NEW)
    assert archive.split()[-1] == f"{FAILED}-raw.tar.gz"
    rest = [line for line in rest if line.startswith(("20250621-143000", "{"))]
    assert rest[:4] == [
        f"20250621-143000/{member}"
        for member in ("users.ndjson", "schema.sql", "schema.json", "manifest.json")
    ]
