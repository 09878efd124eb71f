"""The ``bucket`` commands: what they print, and how they end."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from mediatool_assets.core.bucket import LIFECYCLE
from mediatool_assets.core.bucket_policies import ASPECTS
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.moto_server import QUIET, moto_in_process

pytestmark = [QUIET, pytest.mark.usefixtures("as_any_other_process")]

NAME = "media-tool-backups"


@pytest.fixture
def amazon(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment that names a bucket of Amazon's (as moto has it), which is bare."""
    for name, value in {
        "MEDIATOOL_S3_BUCKET": NAME,
        "AWS_ACCESS_KEY_ID": "moto",
        "AWS_SECRET_ACCESS_KEY": "moto",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with moto_in_process():
        boto3.client("s3").create_bucket(Bucket=NAME)
        yield


@pytest.mark.parametrize("command", ["plan", "check", "apply"])
def test_help_teaches_with_an_example(mediatool: Run, command: str) -> None:
    """--help of every command shows how it is called."""
    result = mediatool("bucket", command, "--help")
    assert result.code == 0
    assert f"mediatool bucket {command}" in result.out.split("Example", 1)[1]


def test_no_words_is_help(mediatool: Run) -> None:
    """The group alone lists its commands; one that there is not is refused by name."""
    result = mediatool("bucket")
    assert (result.code, result.err) == (0, "")
    assert all(f" {command} " in result.out for command in ("plan", "check", "apply"))
    wrong = mediatool("bucket", "chek")
    assert (wrong.code, "chek" in wrong.err) == (2, True)


@pytest.mark.usefixtures("nowhere")
def test_plan_needs_no_server(mediatool: Run) -> None:
    """Where none is set and the local ones are not up, the plan is that of the settings."""
    result = mediatool("bucket", "plan")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("bucket media-tool-backups\n")


@pytest.mark.usefixtures("nowhere")
def test_plan_asks_no_server(mediatool: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan needs the name of the bucket only; it tells rules, costs, departures, commands."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", NAME)
    result = mediatool("bucket", "plan")
    assert (result.code, result.err) == (0, "")
    for rule in LIFECYCLE:
        assert f"\n{rule.id} " in result.out
    assert "STANDARD_IA at 7 d, GLACIER at 30 d, expires at 365 d ($1.74 a month)" in result.out
    assert "GLACIER_IR at 7 d, expires at 365 d ($1.59 a month)" in result.out
    assert "greater than or equal to 30 for storageClass 'STANDARD_IA'" in result.out
    assert "aws s3api put-bucket-lifecycle-configuration --bucket media-tool-backups" in result.out


@pytest.mark.usefixtures("nowhere")
def test_plan_as_json_and_its_documents(mediatool: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--json is the whole plan; --document one policy, ready for `aws iam`."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", NAME)
    monkeypatch.setenv("MEDIATOOL_S3_LOG_BUCKET", "logs")
    monkeypatch.setenv("MEDIATOOL_S3_OBJECT_LOCK_DAYS", "8")
    made = json.loads(mediatool("bucket", "plan", "--json").out)
    assert set(made["settings"]) == set(ASPECTS)
    for name, document in made["documents"].items():
        printed = mediatool("bucket", "plan", "--document", name)
        assert json.loads(printed.out) == document


@pytest.mark.usefixtures("amazon")
def test_check_apply_check(mediatool: Run) -> None:
    """A bare bucket fails, is set, and then fails only in what has to be set elsewhere."""
    page = Path("bucket.html")
    first = mediatool("bucket", "check", "--html", page)
    assert first.code == 1
    assert "aws cloudtrail create-trail" in page.read_text()
    assert re.search(r"failed +tls-only ", first.out)
    assert "s3_bucket_secure_transport_policy CKV_AWS_379" in first.out
    assert "aws s3api" not in first.out
    assert "`mediatool bucket check --fix` prints the commands" in first.out
    assert "aws cloudtrail create-trail" in mediatool("bucket", "check", "--fix").out
    done = mediatool("bucket", "apply")
    assert (done.code, done.err) == (0, "")
    assert 'lifecycle\n  was: {"Rules": []' in done.out or "lifecycle\n  was: nothing" in done.out
    assert done.out.index("  set: ") < done.out.index("set        ownership")
    second = mediatool("bucket", "check", "--json")
    verdicts = {c["name"]: c["verdict"] for c in json.loads(second.out)["controls"]}
    assert second.code == 1
    assert {name for name, verdict in verdicts.items() if verdict != "passed"} == {
        "access-logging",
        "data-events",
    }
    again = json.loads(mediatool("bucket", "apply", "--json").out)
    assert (again["changes"], again["set"], again["failed"]) == ([], [], {})


@pytest.mark.usefixtures("amazon")
def test_weakening_is_refused(mediatool: Run) -> None:
    """Exit 5, nothing set, the reason and the option that insists; insisting is heard."""
    boto3.client("s3").put_bucket_encryption(
        Bucket=NAME,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {
                        "SSEAlgorithm": "aws:kms",
                        "KMSMasterKeyID": "alias/x",
                    }
                }
            ]
        },
    )
    result = mediatool("bucket", "apply")
    assert result.code == 5
    assert "encrypts with KMS now (alias/x)" in result.err
    assert "--allow encryption" in result.err
    assert "set        " not in result.out
    assert mediatool("bucket", "apply", "--allow", "encryption").code == 0


@pytest.mark.usefixtures("amazon")
def test_wrong_usage(mediatool: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An unknown aspect or document, a table that is none, a setting that is no number: exit 2."""
    result = mediatool("bucket", "apply", "--allow", "everything")
    assert (result.code, "encryption" in result.err) == (2, True)
    assert mediatool("bucket", "plan", "--document", "root-role").code == 2
    (tmp_path / "prices.json").write_text("cheap")
    result = mediatool("bucket", "plan", "--prices", tmp_path / "prices.json")
    assert (result.code, "is not a table of prices" in result.err) == (2, True)
    monkeypatch.setenv("MEDIATOOL_S3_OBJECT_LOCK_DAYS", "a month")
    result = mediatool("bucket", "plan")
    assert (result.code, "MEDIATOOL_S3_OBJECT_LOCK_DAYS" in result.err) == (2, True)


@pytest.mark.usefixtures("amazon")
def test_no_such_bucket(mediatool: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is not there ends with 2, and the setting is named."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", "not-there")
    for command in ("check", "apply"):
        result = mediatool("bucket", command)
        assert (result.code, "MEDIATOOL_S3_BUCKET" in result.err) == (2, True)


@pytest.mark.usefixtures("unreachable")
def test_unreachable(mediatool: Run) -> None:
    """A server that does not answer ends with 4; its credentials are not printed."""
    for command in ("check", "apply"):
        result = mediatool("bucket", command)
        assert result.code == 4
        assert "hunter2" not in result.err


def test_the_local_bucket(
    mediatool: Run, stack: Stack, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the local server the check ends with 1: what it does not have is unknown, never safe."""
    os.environ.update(stack.environment)
    result = mediatool("bucket", "check")
    assert result.code == 1
    assert re.search(r"unknown +public-access +the server answered NotImplemented", result.out)
    assert re.search(r"passed +encryption +SSE-S3", result.out)
    refused = mediatool("bucket", "apply")
    assert (refused.code, "plain HTTP" in refused.err) == (5, True)
