"""The twins keep the contracts of the stores that they stand for."""

from pathlib import Path

import pytest

from mediatool_assets_tests.stores.object_store_contract import ObjectStoreContract
from mediatool_assets_tests.twins import DirectoryObjects


class TestDirectoryObjects(ObjectStoreContract):
    """The directory twin of the bucket."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> DirectoryObjects:
        """An empty one."""
        return DirectoryObjects(tmp_path)
