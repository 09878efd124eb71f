"""The servers that assets work with, found when a step runs: loading definitions asks nobody."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.pool import worker_pool
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, Source

_SERVERS = ("POSTGRES_URL", "MONGODB_URL", "S3_ENDPOINT_URL", "S3_BUCKET")


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]  # it is its own value
    """PostgreSQL, the bucket and MongoDB as the environment names them, or the local servers."""

    def settings(self) -> Settings:
        """The settings of this process; raises BadSettings with every problem together."""
        _adopt_local_servers()
        return Settings.parse(os.environ)

    def source(self) -> Source:
        """The database that is exported; raises BadSettings where none is named."""
        from mediatool_assets.stores.postgres import PostgresSource  # noqa: PLC0415  # slow

        settings = self.settings()
        settings.require("postgres_url")
        return PostgresSource.of(settings)

    def objects(self) -> ObjectStore:
        """The bucket."""
        from mediatool_assets.stores.s3 import S3Objects  # noqa: PLC0415  # slow

        return S3Objects.of(self.settings())

    def documents(self) -> DocumentStore:
        """The MongoDB server; raises BadSettings where none is named."""
        from mediatool_assets.stores.mongodb import MongoDocuments  # noqa: PLC0415  # slow

        settings = self.settings()
        settings.require("mongodb_url")
        return MongoDocuments.of(settings)

    @contextmanager
    def workers(self) -> Iterator[tuple[Executor, Path]]:
        """Worker processes, and a directory for what they spool; both end with the context."""
        with (
            tempfile.TemporaryDirectory(prefix="mediatool-") as scratch,
            worker_pool(self.settings().workers) as executor,
        ):
            yield executor, Path(scratch)


def _adopt_local_servers() -> None:
    """Make the local servers' environment this process's own, where no server is set.

    Raises BadSettings where they are not up.
    """
    if any(os.environ.get(f"MEDIATOOL_{name}", "").strip() for name in _SERVERS):
        return
    from mediatool_assets.stores.local import local_environment  # noqa: PLC0415  # slow

    home = Path(os.environ.get("MEDIATOOL_HOME", "").strip() or ".mediatool").absolute()
    local = local_environment(home)
    if local is None:
        raise BadSettings(
            [
                f"no server is set, and the local ones of {home} are not up",
                "start them with `mediatool up`, or start Dagster with MEDIATOOL_POSTGRES_URL, "
                "MEDIATOOL_MONGODB_URL and MEDIATOOL_S3_BUCKET set",
            ]
        )
    os.environ.update(local)
