"""The local servers over time: killed, stopped, started at once, with things in the way."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
import psycopg
import pytest
from pymongo import MongoClient

from mediatool_assets.core.errors import BadSettings, Misuse
from mediatool_assets.stores.local_processes import known_ports
from mediatool_assets.stores.local_servers import BUCKET
from mediatool_assets.stores.local_stack import Stack, down, local_environment, status, up
from mediatool_assets_tests.server_folders import server_folder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EVERY = ("postgres", "mongodb", "s3")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home for these tests; its name has spaces, commas and more letters than a socket's.

    Each test begins with ``up``, which heals whatever the one before has left.
    """
    with server_folder() as folder:
        home = folder / ("deep, and wide " * 7)
        yield home
        down(home)


def pids(stack: Stack) -> dict[str, int]:
    """The process of each server."""
    return {server.name: server.pid for server in stack.servers if server.pid is not None}


def write_everywhere(stack: Stack) -> None:
    """Leave a row, a document and an object behind."""
    url = stack.environment["MEDIATOOL_POSTGRES_URL"]
    with psycopg.connect(url, autocommit=True) as connection:  # so that it is in the checkpoint
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        connection.execute("CHECKPOINT")
    with MongoClient[dict[str, object]](stack.environment["MEDIATOOL_MONGODB_URL"]) as client:
        client.test.get_collection("kept").replace_one({"_id": 42}, {}, upsert=True)
    s3 = s3_client(stack)
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"42" * 1_000_000)
    s3.close()


def assert_all_is_there(stack: Stack) -> None:
    """What write_everywhere left is there."""
    with psycopg.connect(stack.environment["MEDIATOOL_POSTGRES_URL"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]
    with MongoClient[dict[str, object]](stack.environment["MEDIATOOL_MONGODB_URL"]) as client:
        assert list(client.test.get_collection("kept").find()) == [{"_id": 42}]
    s3 = s3_client(stack)
    assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"42" * 1_000_000
    s3.close()


def s3_client(stack: Stack) -> "S3Client":
    """A client with the stack's own keys, which are not those of the session's stack."""
    return boto3.client(
        "s3",
        endpoint_url=stack.environment["MEDIATOOL_S3_ENDPOINT_URL"],
        aws_access_key_id=stack.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=stack.environment["AWS_DEFAULT_REGION"],
    )


def test_killed_servers_start_again_with_their_data(home: Path) -> None:
    """After kill -9 of all three, up starts all three on the same ports, and nothing is lost."""
    stack = up(home)
    write_everywhere(stack)
    processes = [psutil.Process(pid) for pid in pids(stack).values()]
    for process in processes:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=30)
    assert local_environment(home) is None
    again = up(home)
    assert again.started == EVERY
    assert again.environment == stack.environment
    assert_all_is_there(again)


def test_only_the_dead_one_is_started(home: Path) -> None:
    """Where one server died, up starts that one and leaves the others."""
    stack = up(home)
    dead = psutil.Process(pids(stack)["mongodb"])
    dead.kill()
    dead.wait(30)
    assert [server.running for server in status(home)] == [True, False, True]
    again = up(home)
    assert again.started == ("mongodb",)
    assert pids(again) == {**pids(stack), "mongodb": pids(again)["mongodb"]}


def test_taken_port_is_given_up(home: Path) -> None:
    """Ports that another program took meanwhile are left to it; data and passwords stay."""
    stack = up(home)
    write_everywhere(stack)
    assert down(home) == EVERY
    before = {name: known_ports(home / name) for name in EVERY}
    with socket.socket() as postgres, socket.socket() as mongodb, socket.socket() as s3:
        for taken, port in (
            (postgres, before["postgres"]["postgres"]),
            (mongodb, before["mongodb"]["mongodb"]),
            (s3, before["s3"]["volume.grpc"]),
        ):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
        again = up(home)
        assert not {p for name in EVERY for p in known_ports(home / name).values()} & {
            before["postgres"]["postgres"],
            before["mongodb"]["mongodb"],
            before["s3"]["volume.grpc"],
        }
    assert_all_is_there(again)


def test_down_leaves_a_foreign_process_alone(home: Path) -> None:
    """A process id that now belongs to another program is neither believed nor stopped."""
    up(home)
    record = home / "mongodb" / "process.json"
    kept = json.loads(record.read_text())
    assert down(home) == EVERY
    with subprocess.Popen(["sleep", "600"]) as foreign:
        record.write_text(json.dumps(kept | {"pid": foreign.pid}))
        assert not any(server.running for server in status(home))
        assert down(home) == ()
        assert foreign.poll() is None
        foreign.kill()
    record.write_text(json.dumps(kept | {"pid": foreign.pid}))
    assert "mongodb" in up(home).started


def test_two_ups_at_once_agree(home: Path) -> None:
    """Of two ups at the same time one starts the servers and the other finds them."""
    down(home)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(up, [home, home])
    assert sorted([first.started, second.started]) == [(), EVERY]
    assert pids(first) == pids(second)


def test_broken_server_says_why(home: Path) -> None:
    """A server that dies is reported with its last log lines; the others are up, and stay up."""
    stack = up(home)
    down(home)
    version = home / "postgres" / "data" / "PG_VERSION"
    version.write_text("11\n")
    with pytest.raises(Exception, match="not compatible with this version 18") as failure:
        up(home)
    assert "PostgreSQL died while starting" in str(failure.value)
    assert [server.running for server in status(home)] == [False, True, True]
    assert local_environment(home) is None
    version.write_text("18\n")
    assert up(home).environment == stack.environment


def test_lost_credentials_are_not_replaced(home: Path) -> None:
    """Without its credentials the data is not opened with new ones; the message says what to do."""
    up(home)
    down(home)
    lost = (home / "credentials.json").rename(home / "lost.json")
    with pytest.raises(BadSettings, match="is missing, which has the data"):
        up(home)
    assert not (home / "credentials.json").exists()
    lost.rename(home / "credentials.json")


def test_down_without_a_home(tmp_path: Path) -> None:
    """Where nothing was ever started, down stops nothing and makes nothing."""
    assert down(tmp_path / "none") == ()
    assert not (tmp_path / "none").exists()
    assert not any(server.running for server in status(tmp_path / "none"))


def test_home_must_be_a_folder(tmp_path: Path) -> None:
    """A file in the place of the home is named, with what to set."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Misuse, match="set MEDIATOOL_HOME"):
        up(tmp_path / "file")


def test_servers_outlive_their_starter(home: Path) -> None:
    """Servers belong to no terminal and to no parent: they are in sessions of their own."""
    for pid in pids(up(home)).values():
        assert os.getsid(pid) != os.getsid(0)
        assert psutil.Process(pid).ppid() != os.getpid()
