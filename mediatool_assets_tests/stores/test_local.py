"""The local servers as they stand: what the environment opens, and what it keeps shut."""

import os
import pwd
import stat
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from mediatool_assets.core.settings import Settings
from mediatool_assets.stores import local_stack
from mediatool_assets.stores.local_processes import known_ports
from mediatool_assets.stores.local_servers import ACCOUNT, BUCKET
from mediatool_assets.stores.local_stack import Stack, local_environment, status, up
from mediatool_assets.stores.user_files import OTHERS

SECRETS = ("MEDIATOOL_POSTGRES_URL", "MEDIATOOL_MONGODB_URL", "AWS_SECRET_ACCESS_KEY")


def without_its_password(url: str) -> str:
    """The same URL with a password that is not the server's."""
    user, _, host = url.rpartition("@")
    return f"{user.rpartition(':')[0]}:wrong@{host}"


def test_environment_is_kept(stack: Stack) -> None:
    """The environment that up returns is what later commands are given."""
    assert local_environment(stack.home) == stack.environment


def test_environment_makes_settings(stack: Stack) -> None:
    """The environment is all that the platform needs to know of its servers."""
    settings = Settings.parse(stack.environment)
    settings.require("postgres_url", "restore_postgres_url", "mongodb_url", "s3_endpoint_url")
    assert settings.s3_bucket == BUCKET
    assert settings.home == stack.home


def test_second_up_starts_nothing(stack: Stack) -> None:
    """A second up finds the servers that run and leaves them as they are."""
    again = up(stack.home)
    assert again.started == ()
    assert again.servers == stack.servers
    assert again.environment == stack.environment


def test_dagster_home_is_there(stack: Stack) -> None:
    """Dagster finds its home, with the checkout's dagster.yaml in it, and its database."""
    assert (stack.home / "dagster" / "dagster.yaml").read_text()
    with psycopg.connect(
        user=stack.environment["DAGSTER_PG_USER"],
        password=stack.environment["DAGSTER_PG_PASSWORD"],
        host=stack.environment["DAGSTER_PG_HOST"],
        port=stack.environment["DAGSTER_PG_PORT"],
        dbname=stack.environment["DAGSTER_PG_DB"],
    ) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_source_is_postgresql_18(stack: Stack) -> None:
    """The source database is there, empty or not, on PostgreSQL 18 in UTF-8."""
    with psycopg.connect(stack.environment["MEDIATOOL_POSTGRES_URL"]) as connection:
        assert connection.info.server_version // 10_000 == 18
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)


def test_bucket_encrypts_by_default(stack: Stack) -> None:
    """An object put into the bucket without a word of encryption is encrypted."""
    client = boto3.client("s3", endpoint_url=stack.environment["MEDIATOOL_S3_ENDPOINT_URL"])
    client.put_object(Bucket=BUCKET, Key="test-of-encryption", Body=b"x")
    found = client.get_object(Bucket=BUCKET, Key="test-of-encryption")
    client.delete_object(Bucket=BUCKET, Key="test-of-encryption")
    client.close()
    assert found["ServerSideEncryption"] == "AES256"


def test_postgres_wants_the_password(stack: Stack) -> None:
    """A wrong password is refused by PostgreSQL."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without_its_password(stack.environment["MEDIATOOL_POSTGRES_URL"]))


def test_mongodb_wants_the_password(stack: Stack) -> None:
    """A wrong password is refused by MongoDB."""
    address = without_its_password(stack.environment["MEDIATOOL_MONGODB_URL"].split("?")[0])
    with MongoClient[dict[str, object]](address) as client, pytest.raises(OperationFailure):
        client.admin.command("ping")


def test_mongodb_wants_a_user(stack: Stack) -> None:
    """Nobody reads MongoDB, or makes a second first user, without a name."""
    host = stack.environment["MEDIATOOL_MONGODB_URL"].rpartition("@")[2].split("/")[0]
    with MongoClient[dict[str, object]](f"mongodb://{host}") as client:
        with pytest.raises(OperationFailure, match="requires authentication"):
            client.list_database_names()
        with pytest.raises(OperationFailure, match="requires authentication"):
            client.admin.command("createUser", "intruder", pwd="x", roles=["root"])


@pytest.mark.parametrize(
    ("secret", "code"), [("wrong", "SignatureDoesNotMatch"), (None, "AccessDenied")]
)
def test_s3_wants_its_keys(stack: Stack, secret: str | None, code: str) -> None:
    """S3 refuses a wrong secret key, and a request without any."""
    client = boto3.client(
        "s3",
        endpoint_url=stack.environment["MEDIATOOL_S3_ENDPOINT_URL"],
        aws_secret_access_key=secret,
        aws_access_key_id=stack.environment["AWS_ACCESS_KEY_ID"] if secret else None,
        config=Config() if secret else Config(signature_version=UNSIGNED),
    )
    with pytest.raises(ClientError, match=code):
        client.list_objects_v2(Bucket=BUCKET)
    client.close()


def test_s3_has_no_back_door(stack: Stack) -> None:
    """The filer behind S3 answers nobody who comes without its key."""
    port = known_ports(stack.home / "s3")["filer"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/buckets/{BUCKET}/")
    with refused.value as answer:
        assert answer.status == 401


PRIVATE = ("credentials.json", "environment.json", "s3/identities.json", "s3/security.toml")


@pytest.mark.parametrize("name", PRIVATE)
def test_secrets_are_private(stack: Stack, name: str) -> None:
    """Files that hold a secret are for their owner only."""
    assert stat.S_IMODE((stack.home / name).stat().st_mode) == 0o600


def test_nothing_of_the_home_is_open_to_others(stack: Stack) -> None:
    """Archives, data and logs; as root, PostgreSQL's account alone may pass into its folder."""
    way = {stack.home, stack.home / "postgres"} if os.geteuid() == 0 else set()
    folders = [path for path in stack.home.iterdir() if path.is_dir()]
    files = [path for kind in ("*.dat", "*.wt", "*.log") for path in stack.home.rglob(kind)]
    assert len(folders) >= 4
    assert len(files) > 20
    for path in (stack.home, *folders, *files):
        allowed = stat.S_IXGRP if path in way else 0
        with suppress(FileNotFoundError):  # mongod deletes its files while others are looked at
            assert not path.stat().st_mode & OTHERS & ~allowed, path
    for path in way:
        assert path.stat().st_gid == pwd.getpwnam(ACCOUNT).pw_uid


def test_a_home_that_was_open_is_closed(tmp_path: Path) -> None:
    """By the next ``up``, where servers of ours are in it; no other directory is."""
    ours, other = tmp_path / "ours", tmp_path / "other"
    for home in (ours, other):
        home.mkdir()
        home.chmod(0o755)
    (ours / local_stack.LOCK_FILE).touch()
    way = stat.S_IXGRP if os.geteuid() == 0 else 0
    for home, mode in ((ours, 0o700 | way), (other, 0o755), (tmp_path / "new", 0o700)):
        assert stat.S_IMODE(local_stack.private_home(home).stat().st_mode) == mode


def test_only_those_files_hold_secrets(stack: Stack) -> None:
    """No other file beside the data holds a password or key, logs included."""
    secrets = [stack.environment[name] for name in ("DAGSTER_PG_PASSWORD", SECRETS[-1])]
    secrets.append(stack.environment["MEDIATOOL_MONGODB_URL"].split(":")[2].split("@")[0])
    for path in stack.home.rglob("*"):
        known = str(path.relative_to(stack.home)) in PRIVATE
        if path.is_file() and "data" not in path.parts and not known:
            text = path.read_text(errors="replace")
            assert not [secret for secret in secrets if secret in text], path


def test_secrets_do_not_print(stack: Stack) -> None:
    """Neither the stack nor its status shows a secret, nor does any process in its arguments."""
    shown = f"{stack!r} {stack} {status(stack.home)!r}"
    for server in stack.servers:
        assert server.pid is not None
        shown += " ".join(psutil.Process(server.pid).cmdline())
    for name in SECRETS:
        assert stack.environment[name] not in shown
    assert stack.environment["DAGSTER_PG_PASSWORD"] not in shown


def test_servers_listen_on_this_machine_only(stack: Stack) -> None:
    """Every listening port of every server is on 127.0.0.1."""
    hosts = {
        connection.laddr.ip
        for server in stack.servers
        if server.pid is not None
        for connection in psutil.Process(server.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert hosts == {"127.0.0.1"}
