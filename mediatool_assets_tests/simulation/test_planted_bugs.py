"""A simulation that finds nothing proves nothing: bugs that are planted are found.

``planted`` has one for each invariant; the quickest of them are looked for here.
"""

import pytest

from mediatool_assets_tests.simulation.days import play
from mediatool_assets_tests.simulation.planted import planted
from mediatool_assets_tests.simulation.world import History, Violation

_FOUND = {
    "everything_is_a_recovery": 0,
    "the_window_is_forgotten": 0,
    "metadata_first": 0,
    "metadata_is_written_again": 0,
    "the_last_may_go": 1,
    "the_registry_is_overwritten": 2,
    "pins_are_not_looked_at": 3,
}


@pytest.mark.parametrize(("name", "seed"), _FOUND.items(), ids=_FOUND)
def test_a_planted_bug_is_found(name: str, seed: int) -> None:
    """The seed holds without the bug, and not with it."""
    _, error = play(History(seed))
    assert error is None
    with planted(name):
        _, error = play(History(seed))
    assert isinstance(error, Violation)
