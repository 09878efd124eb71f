"""A simulation that finds nothing proves nothing: bugs that are planted are found.

``planted`` has one for each invariant.
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
    "the_registry_is_overwritten": 1,
    "damage_is_not_seen": 1,
    "pins_are_not_looked_at": 4,
    "the_day_is_not_looked_at": 6,
    "rows_are_not_counted": 10,
    "the_database_is_not_compared": 368,
}
"""The first seed that finds each bug, counted from 0."""


@pytest.mark.parametrize(("name", "seed"), _FOUND.items(), ids=_FOUND)
def test_a_planted_bug_is_found(name: str, seed: int) -> None:
    """The seed holds without the bug, and not with it."""
    _, error = play(History(seed))
    assert error is None
    with planted(name):
        _, error = play(History(seed))
    assert isinstance(error, Violation)
