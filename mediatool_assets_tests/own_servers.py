"""Servers as users have them: this project's code neither starts nor configures them."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from mediatool_assets.stores import local_servers
from mediatool_assets_tests.server_folders import server_folder

KEYS = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own-secret"}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def plain_mongod() -> Iterator[str]:
    """The URL of a mongod with its default settings: no users."""
    with server_folder() as folder:
        [port] = free_ports(1)
        command = [str(local_servers.mongod_binary()), "--dbpath", ".", "--port", str(port)]
        url = f"mongodb://127.0.0.1:{port}"

        def answers() -> None:
            with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")

        with _running([*command, "--nounixsocket"], folder, {}, answers):
            yield url


@contextmanager
def plain_seaweedfs() -> Iterator[str]:
    """The endpoint of a SeaweedFS with its default settings: no encryption, one pair of keys."""
    with server_folder() as folder:
        names = ("master", "volume", "filer", "s3")
        ports = free_ports(2 * len(names))
        command = [str(local_servers.s3_binary()), "server", "-dir=.", "-ip=127.0.0.1", "-s3"]
        for name, port, grpc in zip(names, ports[::2], ports[1::2], strict=True):
            command += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc}"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=0"]
        command += ["-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"]
        url = f"http://127.0.0.1:{ports[6]}"

        def answers() -> None:
            client = boto3.client(
                "s3",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            )
            exists = (
                client.exceptions.BucketAlreadyExists,
                client.exceptions.BucketAlreadyOwnedByYou,
            )
            try:
                with suppress(*exists):
                    client.create_bucket(Bucket="probe")
                client.put_object(
                    Bucket="probe", Key="probe", Body=b"x"
                )  # on a volume, if it has one
                client.delete_object(Bucket="probe", Key="probe")
                client.delete_bucket(Bucket="probe")
            finally:
                client.close()

        with _running(command, folder, KEYS, answers):
            yield url


@contextmanager
def _running(
    command: list[str], folder: Path, environ: Mapping[str, str], answers: Callable[[], None]
) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C", **environ},
            stdout=log,
            stderr=log,
        )
    try:
        while True:
            assert process.poll() is None, (folder / "log").read_text(errors="replace")[-2000:]
            try:
                answers()
            except (PyMongoError, BotoCoreError, ClientError):
                time.sleep(0.1)
            else:
                break
        yield
    finally:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
