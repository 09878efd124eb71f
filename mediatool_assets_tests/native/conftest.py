"""These tests are about the compiled codec, and need it: whether it is switched off or not."""

import pytest


@pytest.fixture(autouse=True)
def _switched_on(_environment_as_it_was: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back ``MEDIATOOL_NATIVE=no`` of the caller's environment."""
    monkeypatch.delenv("MEDIATOOL_NATIVE", raising=False)
