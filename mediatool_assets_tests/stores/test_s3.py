"""The bucket on a real S3 server, and what can only be told from inside S3."""

import _thread
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from threading import Thread
from typing import Any

import pytest

from mediatool_assets.core.authenticity import SignaturePolicy
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadSettings,
    CheckFailed,
    MediatoolError,
    NotFound,
    Unreachable,
)
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import STAGING_PREFIX
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_bucket import S3Deletion, S3Inventory
from mediatool_assets.stores.s3_upload import FIRST_PART, part_size
from mediatool_assets_tests.moto_server import QUIET, moto_bucket
from mediatool_assets_tests.stores.object_store_contract import (
    PART,
    ObjectStoreContract,
    content,
)
from mediatool_assets_tests.stores.tcp_proxy import Fault, faulty

pytestmark = QUIET


class TestS3Objects(ObjectStoreContract):
    """A real S3 server keeps the contract, except as docs/reference/local-servers.md says."""

    decides_completions = False

    @pytest.fixture
    def store(self, objects: S3Objects) -> S3Objects:
        """The folder of one source in a fresh bucket."""
        return below("shop/", objects)


def below(prefix: str, objects: S3Objects) -> S3Objects:
    """The same bucket, of a source with this prefix."""
    return replace(objects, access=replace(objects.access, prefix=prefix))


def test_two_sources_in_a_bucket_do_not_meet(objects: S3Objects) -> None:
    """Every key, also of large objects, deletions and lists, is below the source's prefix."""
    shop, other = below("shop/", objects), below("shopping/", objects)
    for store in (shop, other):
        assert store.uri("a/b") == f"s3://{objects.bucket}/{store.access.prefix}a/b"
        store.put("a/b", store.access.prefix.encode())
        with store.create("a/large") as sink:
            sink.write(content(2 * PART))
        store.put("postgres-exports/staging/x/1", b"")
    keys = [info.key for info in objects.list("")]
    folders = ("shop/", "shopping/")
    assert keys == [f"{f}{k}" for f in folders for k in ("a/b", "a/large", f"{STAGING_PREFIX}x/1")]
    assert list(shop.folders("")) == ["a/", "postgres-exports/"]
    shop.unstage("postgres-exports/staging/x/")
    shop.tag("a/b", {"purpose": "testing"})
    assert S3Deletion(shop).tags("a/b") == {"purpose": "testing"}
    assert S3Deletion(other).tags("a/b") == {}
    S3Deletion(shop).remove("a/b")
    assert [info.key for info in shop.list("")] == ["a/large"]
    assert [info.key for info in other.list("")] == ["a/b", "a/large", f"{STAGING_PREFIX}x/1"]
    assert other.get("a/b")[0] == b"shopping/"
    with other.create("a/open") as sink:
        sink.write(content(2 * PART))
        found = [(item.key, item.kind) for item in S3Inventory(other).items()]
        assert ("a/open", "upload") in found
    assert {item.key for item in S3Inventory(shop).items() if item.kind == "version"} == {"a/large"}


def unfinished(objects: S3Objects) -> list[str]:
    """Keys of the uploads that were begun, and neither completed nor aborted."""
    listed = objects.client.list_multipart_uploads(Bucket=objects.bucket)
    return [upload["Key"] for upload in listed.get("Uploads", ())]


def header(objects: S3Objects, key: str) -> Any:
    """Everything that the server says of an object."""
    return objects.client.head_object(Bucket=objects.bucket, Key=key, ChecksumMode="ENABLED")


def test_of_settings() -> None:
    """The bucket, endpoint and key come from the settings."""
    environ = {"S3_BUCKET": "b", "S3_ENDPOINT_URL": "http://h:1", "S3_KMS_KEY_ID": "k"}
    settings = Settings.parse({f"MEDIATOOL_{name}": value for name, value in environ.items()})
    assert S3Objects.of(settings) == S3Objects(
        "b", "http://h:1", "k", signature_policy=SignaturePolicy()
    )
    assert S3Objects.of(settings).uri("a/b") == "s3://b/a/b"


def test_part_sizes() -> None:
    """10,000 parts hold S3's largest object, none is larger than it takes, the first are small."""
    sizes = [part_size(number) for number in range(1, 10_001)]
    assert sum(sizes) >= 5 << 40
    assert max(sizes) <= 5 << 30
    assert sizes == sorted(sizes)
    assert set(islice(sizes, 400)) == {FIRST_PART}


def test_no_upload_is_left_open(objects: S3Objects) -> None:
    """An upload that fails, or that comes second, is aborted on the server, parts and all."""
    with pytest.raises(ValueError, match="ours"), objects.create("k") as sink:
        sink.write(content(3 * PART))
        assert unfinished(objects) == ["k"]
        raise ValueError("ours")
    with pytest.raises(AlreadyExists), objects.create("k") as sink:
        sink.write(content(3 * PART))
        objects.put("k", b"first")
    assert unfinished(objects) == []


def test_an_interrupt_while_an_upload_begins(objects: S3Objects) -> None:
    """The server has made the upload and its answer is not read yet: it is aborted all the same."""
    event, events = "after-call.s3.CreateMultipartUpload", objects.client.meta.events

    def interrupt(**_: object) -> None:
        events.unregister(event, interrupt)
        _thread.interrupt_main()

    events.register(event, interrupt)
    with pytest.raises(KeyboardInterrupt), objects.create("k") as sink:
        sink.write(content(3 * PART))
    assert unfinished(objects) == []
    assert list(objects.list("")) == []


@pytest.mark.parametrize("started", [False, True])
def test_an_interrupt_before_an_upload_is_known(
    objects: S3Objects, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    """Right before the thread that asks for it starts, or right after: none is left open."""
    start = Thread.start

    def interrupted(thread: Thread) -> None:
        if thread.name != "s3-begin":
            return start(thread)
        if started:
            start(thread)
            thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), objects.create("k") as sink:
        sink.write(content(3 * PART))
    assert unfinished(objects) == []


@pytest.mark.parametrize("size", [1, 2 * PART])
def test_encryption(objects: S3Objects, size: int) -> None:
    """Every object is encrypted at rest, small or large."""
    with objects.create("created") as sink:
        sink.write(content(size))
    objects.put("put", b"x")
    for key in ("created", "put"):
        assert header(objects, key)["ServerSideEncryption"] == "AES256"


def test_part_checksums(objects: S3Objects) -> None:
    """The server keeps SHA-256 checksums of what it was sent: of an object, or of its parts."""
    objects.put("small", b"x")
    with objects.create("large") as sink:
        sink.write(content(2 * PART + 1))
    assert header(objects, "small")["ChecksumSHA256"]
    assert header(objects, "large")["ChecksumSHA256"].endswith("-3")


@pytest.fixture
def damaging(objects: S3Objects) -> Iterator[None]:
    """The first byte of whatever is sent changes after its checksum was taken."""
    operations = ("PutObject", "UploadPart")
    events = objects.client.meta.events

    def damage(request: Any, **_: object) -> None:
        body = request.body if isinstance(request.body, bytes) else request.body.read()
        request.body = b"X" + body[1:]

    for operation in operations:
        events.register(f"before-send.s3.{operation}", damage)
    yield
    for operation in operations:
        events.unregister(f"before-send.s3.{operation}", damage)


@pytest.mark.usefixtures("damaging")
@pytest.mark.parametrize("size", [10, PART + 10])
def test_bytes_changed_on_the_way(objects: S3Objects, size: int) -> None:
    """The server refuses bytes that do not have their checksum, and nothing is left."""
    with pytest.raises((CheckFailed, Unreachable)), objects.create("k") as sink:
        sink.write(content(size))
    assert objects.head("k") is None
    assert unfinished(objects) == []


@pytest.mark.usefixtures("damaging")
def test_a_refused_part_stops_the_writer(objects: S3Objects) -> None:
    """A writer learns of a part that failed while it writes, not after hours of writing."""
    parts = iter(range(50))
    with pytest.raises((CheckFailed, Unreachable)), objects.create("k") as sink:
        for _ in parts:
            sink.write(bytes(PART))
    assert next(parts) < 6
    assert unfinished(objects) == []


def test_long_listings(objects: S3Objects) -> None:
    """More keys and folders than one answer holds are all listed."""
    keys = [f"p/{i:04}/k" for i in range(1001)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: objects.put(key, b""), keys))
    assert [info.key for info in objects.list("p/")] == keys
    assert len(list(objects.folders("p/"))) == len(keys)


@pytest.mark.parametrize("size", [10, 2 * PART])
def test_a_lost_answer(objects: S3Objects, size: int) -> None:
    """A write that took, but whose answer was lost, is not taken for someone else's."""
    lost = Fault(b"POST /" if size > PART else b"PUT /")
    if size > PART:
        lost.mark = b"uploadId="
    assert objects.endpoint_url is not None
    with faulty(objects.endpoint_url, lost) as url:
        with replace(objects, endpoint_url=url).create("k") as sink:
            sink.write(content(size))
        assert lost.happened.is_set()
    assert objects.open("k").read(0, size) == content(size)
    assert unfinished(objects) == []


def test_a_lost_answer_of_a_put(objects: S3Objects) -> None:
    """A put, and a replacement, that took although their answers were lost, have succeeded."""
    assert objects.endpoint_url is not None
    etag = None
    for data in (b"1", b"2"):
        lost = Fault(b"PUT /")
        with faulty(objects.endpoint_url, lost) as url:
            etag = replace(objects, endpoint_url=url).put("k", data, replacing=etag)
            assert lost.happened.is_set()
        assert objects.get("k") == (data, etag)


def test_an_answer_that_breaks_off(objects: S3Objects) -> None:
    """A range whose answer breaks off half way is asked for again."""
    objects.put("k", content(PART))
    assert objects.endpoint_url is not None
    cut = Fault(b"GET /", after=PART // 2)
    with faulty(objects.endpoint_url, cut) as url:
        assert replace(objects, endpoint_url=url).open("k").read(0, PART) == content(PART)
        assert cut.happened.is_set()


CALLS: dict[str, Callable[[S3Objects], object]] = {
    "head": lambda store: store.head("k"),
    "get": lambda store: store.get("k"),
    "open": lambda store: store.open("k"),
    "list": lambda store: list(store.list("p")),
    "folders": lambda store: list(store.folders("p")),
    "put": lambda store: store.put("k", b""),
    "create": lambda store: store.create("k").__enter__(),
    "tag": lambda store: store.tag("k", {"purpose": "testing"}),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_server(objects: S3Objects, call: str) -> None:
    """A server that is not there is Unreachable; the message names it and the next step."""
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1 does not answer.*mediatool up"):
        CALLS[call](S3Objects(objects.bucket, "http://127.0.0.1:1"))


@pytest.mark.parametrize("call", CALLS)
def test_bad_credentials(objects: S3Objects, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the server refuses are Unreachable, and are not in the message."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(Unreachable, match=r"credentials|access denied") as caught:
        CALLS[call](objects)
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize("call", ["get", "list", "put"])
def test_no_credentials(objects: S3Objects, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials at all: the message says which variables to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(Unreachable, match="AWS_ACCESS_KEY_ID"):
        CALLS[call](objects)


@pytest.mark.parametrize("call", ["get", "list"])
def test_no_bucket(objects: S3Objects, call: str) -> None:
    """A bucket that is not there is a wrong setting, named."""
    with pytest.raises(BadSettings, match="MEDIATOOL_S3_BUCKET"):
        CALLS[call](replace(objects, bucket="there-is-no-such-bucket"))


def test_tags(objects: S3Objects) -> None:
    """Tags take the place of those that are there, also of an object that came in parts."""
    with objects.create("k") as sink:
        sink.write(content(2 * PART))
    for tags in ({"purpose": "daily_backup", "more": "x"}, {"purpose": "testing"}):
        objects.tag("k", tags)
        found = objects.client.get_object_tagging(Bucket=objects.bucket, Key="k")["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in found} == tags


RIGHTS = {
    "get": "s3:GetObject",
    "head": "s3:GetObject",
    "list": "s3:ListBucket",
    "put": "s3:PutObject",
    "tag": "s3:PutObjectTagging",
}


@pytest.mark.parametrize("call", RIGHTS)
def test_a_right_that_is_missing(objects: S3Objects, call: str) -> None:
    """Where the bucket's policy forbids a call, the message names the right that it needs."""
    arn = f"arn:aws:s3:::{objects.bucket}"
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": RIGHTS[call],
        "Resource": [arn, f"{arn}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    objects.client.put_bucket_policy(Bucket=objects.bucket, Policy=json.dumps(policy))
    try:
        with pytest.raises(Unreachable, match=f"access denied.*{RIGHTS[call]}"):
            CALLS[call](objects)
    finally:
        objects.client.delete_bucket_policy(Bucket=objects.bucket)


@pytest.fixture
def moto() -> Iterator[S3Objects]:
    """A bucket of moto's, for what the real local server does not offer: KMS."""
    with moto_bucket() as objects:
        yield objects


@pytest.mark.parametrize("size", [1, 2 * PART])
def test_kms(moto: S3Objects, size: int) -> None:
    """With a key in the settings every object is encrypted under it."""
    with moto.create("created") as sink:
        sink.write(content(size))
    moto.put("put", b"x")
    for key in ("created", "put"):
        said = header(moto, key)
        assert said["ServerSideEncryption"] == "aws:kms"
        assert said["SSEKMSKeyId"] == "alias/backups"


def test_messages_are_one_line(objects: S3Objects) -> None:
    """What a person reads names the URI and is one line."""
    with pytest.raises(NotFound) as caught:
        objects.get("gone")
    assert re.fullmatch(rf"s3://{objects.bucket}/gone does not exist; .*", str(caught.value))
    assert isinstance(caught.value, MediatoolError)


@pytest.fixture
def asked(objects: S3Objects) -> Iterator[list[tuple[str, dict[str, str]]]]:
    """The operation and the headers of every request, in lower case."""
    found: list[tuple[str, dict[str, str]]] = []

    def note(request: Any, event_name: str, **_: object) -> None:
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        found.append((event_name.rpartition(".")[2], headers))

    objects.client.meta.events.register("request-created.s3", note)
    yield found
    objects.client.meta.events.unregister("request-created.s3", note)


def test_what_every_write_asks(objects: S3Objects, asked: list[tuple[str, dict[str, str]]]) -> None:
    """Encryption of each object, a checksum of all bytes, and never an ACL."""
    etag = objects.put("a", b"1")
    objects.put("a", b"2", replacing=etag)
    with objects.create("small") as sink:
        sink.write(b"x")
    with objects.create("large") as sink:
        sink.write(content(2 * PART))
    objects.tag("a", {"purpose": "testing"})
    assert not any("acl" in name or "grant" in name for _, sent in asked for name in sent)
    created = [sent for name, sent in asked if name in {"PutObject", "CreateMultipartUpload"}]
    assert len(created) == 4
    assert all(sent["x-amz-server-side-encryption"] == "AES256" for sent in created)
    carried = [sent for name, sent in asked if name in {"PutObject", "UploadPart"}]
    assert len(carried) >= 5
    assert all("x-amz-checksum-sha256" in sent for sent in carried)


def test_what_somebody_else_deletes_meanwhile_is_deleted(
    objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that remove an object, the later one finds nothing after it was listed: no error."""
    objects.put("a", b"1")
    head = objects.client.head_object

    def late(**asked: Any) -> Any:
        objects.client.delete_object(Bucket=objects.bucket, Key="a", VersionId=asked["VersionId"])
        return head(**asked)

    monkeypatch.setattr(objects.client, "head_object", late)
    S3Deletion(objects).remove("a")
    assert S3Deletion(objects).left("a") == 0
