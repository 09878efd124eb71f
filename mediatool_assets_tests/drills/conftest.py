"""The source of the drills."""

from collections.abc import Iterator

import pytest

from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.defs.conftest import a_small_source


@pytest.fixture(scope="module")
def small_source(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One for the drills of a module."""
    with a_small_source(stack, tmp_path_factory):
        yield
