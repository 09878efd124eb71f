"""Real servers for the tests: one stack a session, something fresh in it for each test."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg import sql
from xdist.remote import Producer  # type: ignore[import-untyped]  # xdist has no types
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # as above

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.local_stack import Stack, down, up
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.postgres_servers import (
    CHOSEN,
    LOCAL_MAJOR,
    debian_majors,
    debian_programs,
    server,
)
from mediatool_assets_tests.server_folders import server_folder

pytest_plugins = [
    f"mediatool_assets_tests.fixtures.{name}"
    for name in (
        "alert_platform",
        "command_line",
        "compiled_codec",
        "complete_version",
        "dagster_day",
        "export_source",
        "flow_version",
        "query_session",
        "restore_place",
        "sanitizing_bench",
        "transform_runs",
    )
]

SETTINGS = ("MEDIATOOL_", "AWS_", "DAGSTER_")
LONG = ("drills", "cli", "defs", "orchestration", "integrity")
RUNS = ("test_command", "test_assets")
"""How the files with long tests begin, in the other folders: they run commands or Dagster."""
TOGETHER = ("mediatool_assets_tests/integrity/",)
"""Folders whose files share a version, which each worker would make again."""
_GIVEN: dict[str, str] = {}
"""What the stack adds to the environment, from the test that first asks for it until the end."""

# No promise is about time: an example, and what makes it, may wait for a busy machine.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start servers, so that `make test-fast` can leave them out.

    The folders of long tests come first: at the end they would keep one process busy alone.
    """
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)
    items.sort(
        key=lambda item: item.path.parent.name not in LONG and not item.path.name.startswith(RUNS)
    )
    items[:] = filter(_has_its_server, items)


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]  # as above
    """Gives a file to one worker, and of some folders all files."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if file.rpartition("/")[2].startswith(RUNS):
            return file
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling | None:
    """The scheduler for ``--dist loadfile``; another is xdist's own."""
    return _Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def _has_its_server(item: pytest.Item) -> bool:
    """Whether the servers have what the test is about: a newer release, or Debian's extensions."""
    needed = item.get_closest_marker("postgres")
    if needed is not None and needed.args[0] > LOCAL_MAJOR:
        return False
    if CHOSEN is not None and item.get_closest_marker("local_postgres") is not None:
        return False
    return bool(debian_majors()) or "debian_database" not in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def _nothing_from_outside() -> Iterator[None]:
    """Whatever servers the caller's environment names, no test goes there.

    ``MEDIATOOL_NATIVE=no`` stays: all tests pass with Python in the place of the compiled codec.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(SETTINGS)]:
            if name != "MEDIATOOL_NATIVE":
                patch.delenv(name)
        patch.setenv("MEDIATOOL_CONFIG", os.devnull)  # an empty file: nor does one of a checkout
        yield


@pytest.fixture(autouse=True)
def _environment_as_it_was(_nothing_from_outside: None) -> Iterator[None]:
    """What a test, or a command in it, makes of the environment ends with it.

    So does boto3's default session, which keeps the credentials that it finds first.
    """
    before = dict(os.environ)
    yield
    boto3.DEFAULT_SESSION = None
    os.environ.clear()
    os.environ.update(before | _GIVEN)


@pytest.fixture(scope="session")
def stack(_nothing_from_outside: None) -> Iterator[Stack]:
    """The local servers, up in a home of their own until the session ends.

    Of its environment only AWS's variables are set for the process, since boto3 reads them there.
    """
    with ExitStack() as servers:
        home = servers.enter_context(server_folder())
        servers.callback(down, home)
        stack = up(home)
        if CHOSEN is not None:
            url = servers.enter_context(_server(Path(CHOSEN))).reveal()
            variables = ("MEDIATOOL_POSTGRES_URL", "MEDIATOOL_RESTORE_POSTGRES_URL")
            stack = replace(stack, environment=stack.environment | dict.fromkeys(variables, url))
        _GIVEN.update({n: v for n, v in stack.environment.items() if n.startswith("AWS_")})
        os.environ.update(_GIVEN)
        yield stack


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """The settings that the stack's environment makes, with two workers.

    Restores run as the superuser: databases that nobody here wrote have extensions and operator
    classes that only a superuser may make. The command line and Dagster take the stack's own role.
    """
    own = {
        "MEDIATOOL_WORKERS": "2",
        "MEDIATOOL_RESTORE_POSTGRES_URL": superuser(stack).reveal(),
    }
    return Settings.parse(stack.environment | own)


@pytest.fixture(scope="session")
def pool(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Two worker processes for the whole session; they inherit the credentials of the stack.

    They are started at once: by a test's first task they would inherit that test's environment.
    """
    with worker_pool(2) as executor:
        wait([executor.submit(os.getpid) for _ in range(2)])
        yield Workspace(executor, tmp_path_factory.mktemp("scratch"))


@pytest.fixture
def postgres_database(stack: Stack) -> Iterator[Url]:
    """The URL of an empty database, which is dropped after the test."""
    with empty_database(superuser(stack)) as url:
        yield url


def superuser(stack: Stack) -> Url:
    """The local PostgreSQL as its superuser, whom no restore is run as."""
    return Url(stack.environment["MEDIATOOL_POSTGRES_URL"]).to("postgres")


@contextmanager
def empty_database(server: Url) -> Iterator[Url]:
    """The URL of an empty database of a server, which is dropped behind."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server.reveal(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield server.to(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def debian_server(_nothing_from_outside: None) -> Iterator[Callable[[int], Url]]:
    """The superuser's URL of Debian's server of a major version, started when first asked for."""
    running: dict[int, Url] = {}
    with ExitStack() as servers:

        def url(major: int) -> Url:
            if major not in running:
                running[major] = servers.enter_context(_server(debian_programs(major)))
            return running[major]

        yield url


@contextmanager
def _server(programs: Path) -> Iterator[Url]:
    """A server in a folder that goes with it."""
    with server_folder() as home, server(home, programs) as url:
        yield url


@pytest.fixture(params=debian_majors())
def debian_database(
    request: pytest.FixtureRequest, debian_server: Callable[[int], Url]
) -> Iterator[Url]:
    """The URL of an empty database on Debian's server, for each major version that is installed."""
    with empty_database(debian_server(request.param)) as url:
        yield url


@pytest.fixture
def bucket(stack: Stack) -> Iterator[str]:
    """The name of an empty bucket, which is deleted after the test."""
    with empty_bucket(stack) as name:
        yield name


@contextmanager
def empty_bucket(stack: Stack) -> Iterator[str]:
    """The name of an empty bucket, which is deleted behind."""
    client = _s3_client(
        stack.environment["MEDIATOOL_S3_ENDPOINT_URL"],
        stack.environment["AWS_ACCESS_KEY_ID"],
        stack.environment["AWS_SECRET_ACCESS_KEY"],
    )
    while not _is_known(client, name := f"test-{uuid4().hex[:12]}"):
        client.delete_bucket(Bucket=name)
    yield name
    for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            gone = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
            deleted = client.delete_objects(Bucket=name, Delete={"Objects": gone})
            assert "Errors" not in deleted, deleted
    client.delete_bucket(Bucket=name)


def _is_known(client: Any, name: str) -> bool:
    """Make a bucket; whether the server knows it.

    Seen once: SeaweedFS made a bucket, and went on to answer that there is none. It keeps which
    buckets it did not find.
    """
    client.create_bucket(Bucket=name)
    try:
        client.get_bucket_ownership_controls(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return False
        raise
    return True


@cache
def _s3_client(endpoint_url: str, key: str, secret: str) -> Any:
    """One for all buckets of a stack, since it takes 0.1 s to make.

    Not boto3's default session, which keeps the process's first credentials.
    """
    return boto3.session.Session(key, secret).client("s3", endpoint_url=endpoint_url)


@pytest.fixture
def objects(stack: Stack, bucket: str) -> S3Objects:
    """An empty bucket as the flows see it."""
    return objects_of(stack, bucket)


def objects_of(stack: Stack, bucket: str) -> S3Objects:
    """A bucket of the stack as the flows see it."""
    return S3Objects.of(Settings.parse(stack.environment | {"MEDIATOOL_S3_BUCKET": bucket}))


@pytest.fixture(scope="session")
def documents(settings: Settings) -> MongoDocuments:
    """The MongoDB of the stack as the flows see it; each test takes a version of its own."""
    return MongoDocuments.of(settings)
