"""Servers without room: they are named, and neither the model nor the rows are blamed."""

import shutil
import socket
import subprocess
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from mediatool_assets.core.errors import Full, Unreachable
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.local_servers import mongod_binary
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.s3 import S3Objects

DATABASE = "mediatool_20250621-143000"
DOCUMENT = bson.encode({"_id": 1})
NO_ROOM = "Not enough disk space"


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoDocuments]:
    """A mongod that can be told to answer as one on a full disk does."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = tmp_path_factory.mktemp("mongod")
    process = subprocess.Popen(
        [
            *(mongod_binary(), "--dbpath", data, "--port", str(port), "--bind_ip", "127.0.0.1"),
            *("--setParameter", "enableTestCommands=1", "--wiredTigerCacheSizeGB", "0.25"),
            *("--nounixsocket", "--quiet", "--logpath", data / "log"),
        ]
    )
    yield MongoDocuments(Url(f"mongodb://127.0.0.1:{port}"), answer_ms=30_000)
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("insert", {"errorCode": 14031}),
        ("insert", {"writeConcernError": {"code": 14031, "errmsg": NO_ROOM}}),
        ("createIndexes", {"errorCode": 14031}),
        ("create", {"errorCode": 14031}),
    ],
)
def test_a_full_mongod_is_named(
    mongod: MongoDocuments, command: str, answer: dict[str, Any]
) -> None:
    """Whatever it refuses for want of disk, the disk is what is told."""
    index = {"v": 2, "key": {"n": 1}, "name": "n_1"}
    with MongoClient[Any](mongod.url.reveal()) as client:
        fail = {"failCommands": [command], **answer}
        client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=fail)
        try:
            with pytest.raises(Full, match="has no room left") as caught:
                {
                    "insert": lambda: mongod.insert(DATABASE, "c", DOCUMENT),
                    "createIndexes": lambda: mongod.create_indexes(DATABASE, "c", [index]),
                    "create": lambda: mongod.create(DATABASE, "d", {}),
                }[command]()
        finally:
            client.admin.command("configureFailPoint", "failCommand", mode="off")
            client.drop_database(DATABASE)
    assert "model" not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.fixture
def full_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Objects]:
    """A server that answers as MinIO does when its disks are full."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            """Refuse."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(507)
            body = b"<Error><Code>XMinioStorageFull</Code><Message>Full</Message></Error>"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # its own name
            """Print nothing."""

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anybody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield S3Objects("full", f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()


def test_a_full_s3_server_is_named(full_s3: S3Objects) -> None:
    """With the key, and what can be done."""
    with pytest.raises(Full, match=r"s3://full/k: .* has no room left \(XMinioStorageFull\)"):
        full_s3.put("k", b"1")


Usage = namedtuple("Usage", "total used free")


def test_the_full_disk_of_local_servers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mongod ends when its disk is full, and SeaweedFS says nothing of it."""
    monkeypatch.setenv("MEDIATOOL_HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anybody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    gone = MongoDocuments(Url("mongodb://u:hunter2@127.0.0.1:1/"), answer_ms=50)
    bucket = S3Objects("b", "http://127.0.0.1:1")
    for free, says in ((1 << 20, f"the disk of {tmp_path} is full"), (1 << 40, "does not answer")):
        usage = Usage(1 << 41, 1, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        for ask in (lambda: gone.exists(DATABASE), lambda: bucket.get("k")):
            with pytest.raises(Unreachable, match=says) as caught:
                ask()
            assert "hunter2" not in str(caught.value)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 0))
    elsewhere = MongoDocuments(Url("mongodb://no.such.host.invalid/"), answer_ms=50)
    with pytest.raises(Unreachable, match="does not answer"):
        elsewhere.exists(DATABASE)
