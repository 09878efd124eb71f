"""moto, for what the local S3 server does not offer: cold tiers, KMS, RDS. It enforces nothing.

It is imported where it is used: it takes a second, and every process of a run collects all tests.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mediatool_assets.stores.s3 import S3Objects

QUIET = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning"  # moto's own, under Python 3.12
)


@contextmanager
def moto_server() -> Iterator[str]:
    """The URL of a server, with credentials and a region in the environment; it ends here."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # see above

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


@contextmanager
def moto_in_process() -> Iterator[None]:
    """Amazon's own addresses answered within this process."""
    from moto import mock_aws  # noqa: PLC0415  # see above

    with mock_aws():
        yield


@contextmanager
def slow_cold_storage() -> Iterator[None]:
    """A copy from a cold tier takes two looks to be there: asked for, on its way, there."""
    from moto.moto_api import state_manager  # noqa: PLC0415  # see above

    state_manager.set_transition("s3::keyrestore", {"progression": "manual", "times": 1})
    yield
    state_manager.unset_transition("s3::keyrestore")
