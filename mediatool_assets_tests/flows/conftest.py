"""What tests of flows share: a version, and a bucket in a directory."""

from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from mediatool_assets.core.version import Version
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.twins import DirectoryObjects


@pytest.fixture
def version(documents: MongoDocuments) -> Iterator[Version]:
    """A version that no other test has; its MongoDB database is gone afterwards."""
    version = fresh_version()
    yield version
    documents.drop(mongodb_database(version))


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """An empty bucket."""
    return DirectoryObjects(tmp_path / "objects")


@pytest.fixture
def processes(pool: Workspace) -> Executor:
    """The worker processes alone."""
    return pool.executor
