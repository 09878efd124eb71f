"""What a real S3 server enforces of the bucket's policies, shown by trying."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mediatool_assets.bucket.flow import apply, check
from mediatool_assets.core.bucket import Declaration
from mediatool_assets.core.bucket_policies import (
    ASPECTS,
    TLS_ONLY,
    Aspect,
    LiveAspect,
    bucket_statements,
    documents,
)
from mediatool_assets.core.errors import AlreadyExists, Unreachable
from mediatool_assets.core.version import REGISTRY_KEY, STAGING_PREFIX
from mediatool_assets.stores import local_processes, local_servers
from mediatool_assets.stores.local_processes import Credentials
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_bucket import S3Bucket, S3Deletion, S3Inventory
from mediatool_assets.stores.s3_upload import FIRST_PART
from mediatool_assets_tests.certificates import certificate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = local_servers.BUCKET
KEY = "postgres-exports/raw/2025-06-21/20250621-143000-raw.tar.gz"
ROLES = ("read-only-role", "pipeline-role", "pruning-role")
SECRET = "of-this-test-alone"


@dataclass(frozen=True)
class Enforcing:
    """A server with TLS beside plain HTTP, and an identity for each role."""

    http: str
    https: str
    root: tuple[str, str]

    def client(
        self, access: str, secret: str = SECRET, *, tls: bool = False, pem: Path | None = None
    ) -> "S3Client":
        """A client with those credentials."""
        return boto3.client(
            "s3",
            endpoint_url=self.https if tls else self.http,
            verify=str(pem) if pem else None,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name=local_servers.REGION,
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine, and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, tls_files: tuple[Path, Path]
) -> Iterator[Enforcing]:
    """A server of its own, since a policy may shut everybody out."""
    folder = tmp_path_factory.mktemp("s3")
    credentials = Credentials.generate()
    ports = {name: local_processes.free_port() for name in (*local_servers.S3_PORTS, "https")}
    prepared = local_servers.prepare_s3(folder, credentials, ports)
    identities = folder / "identities.json"
    identities.write_text(json.dumps(_with_roles(json.loads(identities.read_text()))))
    pem, key = tls_files
    tls = (
        f"-s3.port.https={ports['https']}",
        f"-s3.cert.file={pem}",
        f"-s3.key.file={key}",
    )
    local_processes.start(replace(prepared, argv=(*prepared.argv, *tls)))
    try:
        local_servers.create_bucket(credentials, ports)
        root = (credentials.s3_access_key, credentials.s3_secret_key)
        yield Enforcing(local_servers.s3_url(ports), f"https://localhost:{ports['https']}", root)
    finally:
        local_processes.stop(folder)


def _with_roles(identities: dict[str, Any]) -> dict[str, Any]:
    """The server's identities, and one for each role with its policy document as it is printed."""
    made = documents(Declaration(BUCKET))
    return {
        "policies": [{"name": role, "content": json.dumps(made[role])} for role in ROLES],
        "identities": [
            *identities["identities"],
            *(
                {
                    "name": role,
                    "credentials": [{"accessKey": role, "secretKey": SECRET}],
                    "policyNames": [role],
                }
                for role in ROLES
            ),
        ],
    }


@pytest.fixture(scope="module")
def root(server: Enforcing) -> "S3Client":
    """The owner's client, with an object and a log in the bucket, which keeps versions."""
    client = server.client(*server.root)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=BUCKET, Key=KEY, Body=b"rows", ServerSideEncryption="AES256")
    client.put_object(Bucket=BUCKET, Key="dagster-logs/run", Body=b"log")
    client.put_object(Bucket=BUCKET, Key="elsewhere", Body=b"private")
    return client


CALLS: dict[str, Callable[["S3Client"], object]] = {
    "list": lambda client: client.list_objects_v2(Bucket=BUCKET),
    "get": lambda client: client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read(),
    "get a log": lambda client: client.get_object(Bucket=BUCKET, Key="dagster-logs/run"),
    "get elsewhere": lambda client: client.get_object(Bucket=BUCKET, Key="elsewhere"),
    "put": lambda client: client.put_object(Bucket=BUCKET, Key=KEY + ".new", Body=b""),
    "put elsewhere": lambda client: client.put_object(Bucket=BUCKET, Key="new", Body=b""),
    "tag": lambda client: client.put_object_tagging(
        Bucket=BUCKET, Key=KEY, Tagging={"TagSet": [{"Key": "purpose", "Value": "testing"}]}
    ),
    "delete": lambda client: client.delete_object(Bucket=BUCKET, Key=KEY),
    "set the policy": lambda client: client.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
    "suspend versioning": lambda client: client.put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}
    ),
    "delete the bucket": lambda client: client.delete_bucket(Bucket=BUCKET),
}
MAY = {
    "read-only-role": {"list", "get"},
    "pipeline-role": {"list", "get", "get a log", "put", "tag"},
    "pruning-role": {"list", "get"},  # it deletes versions, and hides nothing behind a marker
}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_needs_and_no_more(server: Enforcing, role: str, call: str) -> None:
    """Each role with its printed policy: what it needs works, all else is denied."""
    client = server.client(role)
    if call in MAY[role]:
        CALLS[call](client)
        return
    with pytest.raises(ClientError) as caught:
        CALLS[call](client)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"


@pytest.fixture
def as_role(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have this process act as a role of the server."""

    def act(role: str, secret: str = SECRET) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", role)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.setenv("AWS_DEFAULT_REGION", local_servers.REGION)

    return act


@pytest.mark.usefixtures("root")
def test_the_pipeline_role_is_enough(server: Enforcing, as_role: Callable[..., None]) -> None:
    """All that the store does for the pipeline, that role may do: parts, aborts, conditions."""
    as_role("pipeline-role")
    objects = S3Objects(BUCKET, server.http + "/")  # another address: a client of its own
    key = "mongodb-dumps/2025-06-21/mediatool_20250621-143000.tar.gz"
    assert objects.head(key) is None
    with objects.create(key) as sink:
        sink.write(bytes(2 * FIRST_PART))
    with pytest.raises(ValueError, match="ours"), objects.create(key + ".other") as sink:
        sink.write(bytes(2 * FIRST_PART))
        raise ValueError("ours")
    assert objects.head(key + ".other") is None
    with pytest.raises(AlreadyExists):
        objects.put(key, b"")
    objects.put(STAGING_PREFIX + "x/1", b"1")
    objects.unstage(STAGING_PREFIX + "x/")
    assert objects.head(STAGING_PREFIX + "x/1") is None
    with pytest.raises(ClientError, match="AccessDenied"):
        objects.client.delete_object(Bucket=BUCKET, Key=key)
    objects.tag(key, {"purpose": "testing"})
    assert objects.open(key).read(FIRST_PART, 10) == bytes(10)
    registry = REGISTRY_KEY
    etag = objects.put(registry, b"[]")
    objects.put(registry, b"[1]", replacing=etag)
    assert objects.get(registry)[0] == b"[1]"
    assert [info.key for info in objects.list("mongodb-dumps/")] == [key]
    assert "mongodb-dumps/" in set(objects.folders(""))
    upload = objects.client.create_multipart_upload(Bucket=BUCKET, Key=key + ".parts")["UploadId"]
    assert {item.kind for item in S3Inventory(objects).items()} >= {"version", "upload"}
    objects.client.abort_multipart_upload(Bucket=BUCKET, Key=key + ".parts", UploadId=upload)
    bucket = S3Bucket(BUCKET, server.http + "///")  # a client of its own
    denied = {a for a in ASPECTS if "access denied" in (bucket.read(a).unknown or "")}
    assert denied <= {"ownership"}  # which SeaweedFS shows its administrators only


@pytest.mark.usefixtures("root")
def test_the_read_only_role_is_enough(server: Enforcing, as_role: Callable[..., None]) -> None:
    """Whoever finds and fetches versions may do so as that role."""
    as_role("read-only-role")
    objects = S3Objects(BUCKET, server.http + "//")
    assert objects.get(KEY)[0] == objects.open(KEY).read(0, 4) == b"rows"
    assert objects.head(KEY + ".none") is None
    assert KEY in {info.key for info in objects.list("postgres-exports/raw/")}
    with pytest.raises(Unreachable, match=r"access denied.*s3:PutObject"):
        objects.put(KEY + ".new", b"")


def test_the_pruning_role_is_enough(
    server: Enforcing, root: "S3Client", as_role: Callable[..., None]
) -> None:
    """All that prune asks of the bucket, that role may do: every version and marker goes."""
    key = "mongodb-dumps/2025-06-22/mediatool_20250622-143000.tar.gz"
    for body in (b"1", b"2"):
        root.put_object(Bucket=BUCKET, Key=key, Body=body)
    root.delete_object(Bucket=BUCKET, Key=key)
    root.put_object(Bucket=BUCKET, Key=key, Body=b"3")
    as_role("pruning-role")
    objects = S3Objects(BUCKET, server.http + "////")  # a client of its own
    deletion = S3Deletion(objects)
    assert deletion.tags(key) == {}
    assert (deletion.locked(key), deletion.left(key)) == (None, 4)
    deletion.remove(key)
    assert (objects.head(key), deletion.left(key)) == (None, 0)
    registry = REGISTRY_KEY
    there = objects.head(registry)
    objects.put(registry, b"[2]", replacing=there.etag if there else None)
    bucket = S3Bucket(BUCKET, server.http + "/////")
    asked: tuple[Aspect, ...] = ("lifecycle", "object-lock")
    assert not [a for a in asked if "access denied" in (bucket.read(a).unknown or "")]
    with pytest.raises(Unreachable, match=r"access denied.*s3:PutObject"):
        objects.put(key, b"4")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("call", ["list", "get", "put", "delete"])
def test_a_wrong_key_is_refused(server: Enforcing, call: str) -> None:
    """A known name with another secret may do nothing."""
    with pytest.raises(ClientError) as caught:
        CALLS[call](server.client("read-only-role", "not-the-secret"))
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_objects_are_stored_encrypted(root: "S3Client") -> None:
    """Also an object that was put without asking for it lies encrypted."""
    for key in (KEY, "elsewhere"):
        assert root.head_object(Bucket=BUCKET, Key=key)["ServerSideEncryption"] == "AES256"


def test_tls_only(server: Enforcing, tls_files: tuple[Path, Path]) -> None:
    """With the TLS-only statement plain HTTP is refused, to the owner too; over TLS all goes on."""
    pem, _ = tls_files
    plain = server.client(*server.root)
    plain.create_bucket(Bucket="tls-only")
    statement = next(
        each for each in bucket_statements(Declaration("tls-only")) if each["Sid"] == TLS_ONLY
    )
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    plain.put_bucket_policy(Bucket="tls-only", Policy=policy)
    with pytest.raises(ClientError) as caught:
        plain.put_object(Bucket="tls-only", Key="k", Body=b"1")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    encrypted = server.client(*server.root, tls=True, pem=pem)
    encrypted.put_object(Bucket="tls-only", Key="k", Body=b"1")
    assert encrypted.get_object(Bucket="tls-only", Key="k")["Body"].read() == b"1"


UNKNOWN_HERE = {"public-access", "data-events"}
"""What this server does not have, and answers NotImplemented or nothing to the point for."""


def test_what_this_server_does_not_have_is_unknown(objects: S3Objects) -> None:
    """Controls that the local server cannot answer for are unknown, and none of them passes."""
    found = check(Declaration(objects.bucket), S3Bucket(objects.bucket, objects.endpoint_url))
    assert {control.name for control in found if control.verdict == "unknown"} == UNKNOWN_HERE


def test_apply_sets_what_this_server_takes(objects: S3Objects) -> None:
    """What the server takes is set; what it does not is told, with the command to set it with."""
    bucket = S3Bucket(objects.bucket, objects.endpoint_url)
    declared = Declaration(objects.bucket)
    done = apply(declared, bucket, {"policy"}, lambda _: None)
    assert {"encryption", "versioning"} <= {*done.set, *done.unchanged}
    assert set(done.failed) == {"public-access", "lifecycle", "policy"}
    assert {line.split()[2] for line in done.commands} == {
        "put-bucket-lifecycle-configuration",
        "put-bucket-policy",
    }
    passing = {control.name for control in check(declared, bucket) if control.verdict == "passed"}
    assert {"encryption", "ownership", "versioning"} <= passing


def test_rights_that_are_missing(server: Enforcing, as_role: Callable[..., None]) -> None:
    """An identity that may not look learns nothing: unknown, with the right that it would need."""
    as_role("read-only-role")
    bucket = S3Bucket(BUCKET, server.http + "//////")  # a client of its own
    for aspect, right in (
        ("lifecycle", "s3:GetLifecycleConfiguration"),
        ("policy", "s3:GetBucketPolicy"),
        ("encryption", "s3:GetEncryptionConfiguration"),
    ):
        says = f"access denied; the AWS identity in use needs {right}"
        assert bucket.read(cast(Aspect, aspect)) == LiveAspect(unknown=says)
    found = check(Declaration(BUCKET), bucket)
    assert not any(control.verdict == "passed" for control in found)
    why = bucket.write("encryption", {"Rules": []})
    assert why == "access denied; the AWS identity in use needs s3:PutEncryptionConfiguration"


def test_credentials_that_are_refused(server: Enforcing, as_role: Callable[..., None]) -> None:
    """Credentials that nobody takes are an error, not an unknown control; they are not printed."""
    as_role("read-only-role", "not-the-secret")
    with pytest.raises(Unreachable, match="refuses the AWS credentials") as caught:
        check(Declaration(BUCKET), S3Bucket(BUCKET, server.http + "/."))
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.usefixtures("stack")
def test_nobody_answers() -> None:
    """A server that is not there is Unreachable, not unknown."""
    with pytest.raises(Unreachable, match="does not answer"):
        check(Declaration("b"), S3Bucket("b", "http://127.0.0.1:1"))
