"""mediatool.toml as a process has it: found, read with its secrets, below the environment."""

import os
from pathlib import Path

import boto3
import pytest

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.stores.environment import (
    has_own_servers,
    local_settings,
    origins,
    read_settings,
    shared_settings,
    sources,
)
from mediatool_assets_tests.moto_server import QUIET, moto_server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, empty; no file is named."""
    monkeypatch.delenv("MEDIATOOL_CONFIG")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(folder: Path, text: str) -> None:
    (folder / "mediatool.toml").write_text(text)


def test_the_working_folder_s_file_is_found_and_the_environment_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What both say is the environment's; an empty variable says nothing."""
    _write(folder, 's3_bucket = "from-file"\nworkers = 3\nhome = "here"')
    monkeypatch.setenv("MEDIATOOL_WORKERS", "5")
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", " ")
    found = read_settings()
    assert (found.s3_bucket, found.workers, found.home) == ("from-file", 5, folder / "here")
    assert has_own_servers()


def test_another_file_can_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is named is read, and has to be there."""
    _write(folder, "workers = 3")
    (folder / "other.toml").write_text("workers = 4")
    monkeypatch.setenv("MEDIATOOL_CONFIG", "other.toml")
    assert read_settings().workers == 4
    monkeypatch.setenv("MEDIATOOL_CONFIG", "gone.toml")
    with pytest.raises(BadSettings, match=r"gone\.toml: No such file.*mediatool init"):
        read_settings()


def test_secrets_come_from_variables_and_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spaces around them do not count."""
    (folder / "mongo").write_text("mongodb://me:hidden@db\n")
    monkeypatch.setenv("SHOP_DB", "postgresql://me:hidden@db/shop")
    _write(folder, 'postgres_url = { env = "SHOP_DB" }\nmongodb_url = { file = "mongo" }')
    found = read_settings()
    assert found.postgres_url is not None
    assert found.mongodb_url is not None
    assert found.postgres_url.reveal() == "postgresql://me:hidden@db/shop"
    assert found.mongodb_url.reveal() == "mongodb://me:hidden@db"


@QUIET
def test_secrets_come_from_aws(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text, or a field of a JSON object; what is not there is named."""
    with moto_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        client = boto3.client("secretsmanager")
        client.create_secret(Name="prod/mongo", SecretString="mongodb://me:hidden@db")
        client.create_secret(Name="prod/all", SecretString='{"url": "postgresql://a:hidden@b/c"}')
        client.close()
        _write(
            folder,
            'mongodb_url = { secretsmanager = "prod/mongo" }\n'
            'postgres_url = { secretsmanager = "prod/all", key = "url" }',
        )
        found = read_settings()
        assert found.mongodb_url is not None
        assert found.postgres_url is not None
        assert found.mongodb_url.reveal() == "mongodb://me:hidden@db"
        assert found.postgres_url.reveal() == "postgresql://a:hidden@b/c"
        _write(
            folder,
            'restore_postgres_url = { secretsmanager = "prod/all", key = "no" }\n'
            'masking_key = { secretsmanager = "prod/gone" }',
        )
        with pytest.raises(BadSettings) as caught:
            read_settings()
    one, other = caught.value.problems
    assert "RESTORE_POSTGRES_URL refers to no of the secret prod/all, which has no such" in one
    assert "MASKING_KEY refers to the secret prod/gone: AWS Secrets Manager answered Res" in other
    assert "secretsmanager:GetSecretValue" in other


def test_all_problems_are_told_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file, of what it refers to, and of the environment."""
    _write(
        folder,
        'workers = 0\nmongodb_url = { env = "NOT_SET" }\n'
        'postgres_url = { file = "gone" }\nmodel = "gone.yaml"',
    )
    monkeypatch.setenv("MEDIATOOL_KEEP_DAILY", "few")
    with pytest.raises(BadSettings) as caught:
        read_settings()
    told = "\n".join(caught.value.problems)
    for part in (
        "workers is not a whole number",
        "MEDIATOOL_MONGODB_URL refers to the variable NOT_SET, which is not set",
        f"MEDIATOOL_POSTGRES_URL refers to the file {folder / 'gone'}: No such file",
        "MEDIATOOL_KEEP_DAILY is not a whole number",
        "MEDIATOOL_MODEL names no file",
    ):
        assert part in told


def test_a_file_that_is_not_toml_is_named(folder: Path) -> None:
    """With the line."""
    _write(folder, "workers 3")
    with pytest.raises(BadSettings, match=r"mediatool\.toml is not TOML: .*line 1"):
        read_settings()


def test_each_value_has_its_origin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's, the file's; what nobody says is not among them."""
    _write(folder, 's3_bucket = "b"\nworkers = 3')
    monkeypatch.setenv("MEDIATOOL_WORKERS", "5")
    found = origins()
    assert found["MEDIATOOL_WORKERS"] == "environment"
    assert found["MEDIATOOL_S3_BUCKET"] == str(folder / "mediatool.toml")
    assert "MEDIATOOL_HOME" not in found
    assert os.environ["MEDIATOOL_S3_BUCKET"] == "b"


TWO = """
s3_bucket = "shared"
[sources.shop]
mongodb_url = { file = "mongo" }
keep_daily = 3
[sources.library]
s3_bucket = "library"
"""


def test_a_source_is_chosen_and_its_section_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the environment too: what it says for one source must not send another's rows away."""
    (folder / "mongo").write_text("mongodb://db1")
    _write(folder, TWO)
    monkeypatch.setenv("MEDIATOOL_MONGODB_URL", "mongodb://elsewhere")
    monkeypatch.setenv("MEDIATOOL_SOURCE", "shop")
    found = read_settings()
    assert found.mongodb_url is not None
    assert (found.mongodb_url.reveal(), found.s3_bucket) == ("mongodb://db1", "shared")
    assert (found.s3_prefix, found.s3_prefixes) == ("shop/", ("shop/",))
    assert origins()["MEDIATOOL_KEEP_DAILY"] == f"{folder / 'mediatool.toml'} [sources.shop]"
    monkeypatch.setenv("MEDIATOOL_SOURCE", "library")
    other = read_settings()
    assert other.mongodb_url is not None
    assert (other.mongodb_url.reveal(), other.keep_daily) == ("mongodb://elsewhere", 7)
    assert (other.s3_bucket, other.s3_prefix) == ("library", "library/")


def test_without_a_choice_no_source_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all share can be read; a name that the file lacks is no source."""
    (folder / "mongo").write_text("mongodb://db1")
    _write(folder, TWO)
    with pytest.raises(BadSettings, match="has the sources shop, library; name one"):
        read_settings()
    assert shared_settings().s3_bucket == "shared"
    assert has_own_servers()
    found = sources()
    assert found["shop"]["MEDIATOOL_MONGODB_URL"] == "mongodb://db1"
    assert found["library"]["MEDIATOOL_S3_PREFIX"] == "library/"
    assert "MEDIATOOL_MONGODB_URL" not in os.environ
    monkeypatch.setenv("MEDIATOOL_SOURCE", "shoq")
    with pytest.raises(BadSettings, match=r"there is no source shoq; did you mean shop\?"):
        read_settings()


def test_the_demo_never_reaches_a_section_s_servers(folder: Path) -> None:
    """Sections win over the environment, which would be that of the local servers."""
    _write(folder, TWO)
    with pytest.raises(BadSettings, match="run this in a folder without a settings file"):
        local_settings()
