"""These tests are about the compiled codec, and need it: whether it is switched off or not."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _switched_on(_nothing_from_outside: None) -> Iterator[None]:
    """Take back ``MEDIATOOL_NATIVE=no`` of the caller's environment, before any other fixture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MEDIATOOL_NATIVE", raising=False)
        yield
