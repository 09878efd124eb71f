"""moto, for what the local S3 server does not offer: cold tiers, KMS, RDS. It enforces nothing."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto.server import ThreadedMotoServer

from mediatool_assets.stores.s3 import S3Objects

QUIET = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning"  # moto's own, under Python 3.12
)


@contextmanager
def moto_server() -> Iterator[str]:
    """The URL of a server, with credentials and a region in the environment; it ends here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "moto")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # half a second for each RDS account
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@contextmanager
def moto_bucket() -> Iterator[S3Objects]:
    """An empty bucket of moto's."""
    with moto_server() as url:
        objects = S3Objects(f"bucket-{uuid.uuid4()}", url, "alias/backups")
        objects.client.create_bucket(Bucket=objects.bucket)
        yield objects
