"""The ways in which people read a bucket by hand: the commands of the documents, on a real S3."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mediatool_assets.domain import metadata
from mediatool_assets.domain.keys import REGISTRY_KEY, archive_key, metadata_key
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.registration import register
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.documents import ROOT, blocks
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.raw_archives import raw_archive, table

VERSIONS = [Version.parse(text) for text in ("20250620-020000", "20250621-143000")]
USERS = table("users", id="integer")

AWS = """\
import sys
import boto3

command, uri, *rest = sys.argv[2:]
bucket, _, prefix = uri.removeprefix("s3://").partition("/")
s3 = boto3.client("s3", endpoint_url={endpoint!r})
if command == "cp":
    s3.download_file(bucket, prefix, rest[0] + "/" + prefix.rpartition("/")[2])
    sys.exit()
folder = "" if "--recursive" in rest else prefix
for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
    when = found["LastModified"].strftime("%Y-%m-%d %H:%M:%S")
    print(when, format(found["Size"], "10"), found["Key"].removeprefix(folder))
"""
"""The two of AWS's commands that the documents use, with the lines that they print."""


@pytest.fixture
def shell(objects: S3Objects, tmp_path: Path) -> Callable[[str], str]:
    """A shell with those commands, for a bucket with two versions and their registry."""
    for version in VERSIONS:
        raw_archive(objects, {USERS: [{"id": 1}, {"id": 2}]}, version=version)
        objects.put(metadata_key(version), metadata.encode(example(str(version))))
    register(objects)
    code = tmp_path / "aws.py"
    code.write_text(AWS.format(endpoint=objects.endpoint_url))
    program = tmp_path / "aws"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {code} "$@"\n')
    program.chmod(0o755)

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", script.replace("media-tool-backups", objects.bucket)],
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_version_is_read_by_hand_as_documented(shell: Callable[[str], str]) -> None:
    """The newest version's metadata and archive are found, the archive's parts are listed."""
    [script] = [
        b.text for b in blocks("bash", ROOT / "docs" / "operations.md") if "tar -t" in b.text
    ]
    newest, archive, *rest = shell(script).splitlines()
    assert newest.split()[-1] == metadata_key(VERSIONS[1])
    assert archive.split()[-1] == "20250621-143000-raw.tar.gz"
    assert rest[:4] == [
        f"20250621-143000/{member}"
        for member in ("users.ndjson", "schema.sql", "schema.json", "manifest.json")
    ]
    assert rest[-1] == '{"id":1}'
    assert json.loads("".join(rest[4:-1]))["version"] == "20250621-143000"


def test_the_registry_is_what_is_written_last(shell: Callable[[str], str]) -> None:
    """A listing of the metadata's folder has it beside them, newer: the documents leave it out."""
    folder = "s3://media-tool-backups/postgres-exports/metadata/"
    month = shell(f'aws s3 ls {folder} --recursive | grep "2025-06" | sort')
    assert re.findall(r"\S+$", month, re.MULTILINE) == [metadata_key(v) for v in VERSIONS]
    every = shell(f"aws s3 ls {folder} --recursive")
    assert REGISTRY_KEY in every.split()
    raw = shell(
        "aws s3 ls s3://media-tool-backups/postgres-exports/raw/2025-06-21/ | awk '{print $4}'"
    )
    assert archive_key("raw", VERSIONS[1]).endswith(f"/{raw.strip()}")
