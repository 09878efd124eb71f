"""Days with faults keep every invariant: the seeds that failed once, and some more."""

from pathlib import Path

import pytest

from mediatool_assets_tests.simulation.days import play
from mediatool_assets_tests.simulation.invariants import Watch
from mediatool_assets_tests.simulation.shrinking import shrink, story
from mediatool_assets_tests.simulation.world import History, Violation

_SEEDS = [
    int(line.split()[0])
    for line in Path(__file__).with_name("seeds").read_text("utf-8").splitlines()
    if line.strip()
]
_SHRINKING_SECONDS = 60


def _require(seed: int) -> None:
    history = History(seed)
    _, error = play(history)
    if error is not None:
        days, found, short = shrink(history, error, _SHRINKING_SECONDS)
        pytest.fail(f"add {seed} to `seeds` when it is corrected\n{story(days, found, short)}")


@pytest.mark.parametrize("seed", _SEEDS)
def test_seeds_that_failed_once(seed: int) -> None:
    """What was found once is not there any more."""
    _require(seed)


def test_some_seeds() -> None:
    """A fixed number of days of all weathers; `make simulate` plays new ones."""
    for seed in range(8):
        _require(seed)


def test_a_seed_plays_the_same_days_again() -> None:
    """The story is the same, line by line."""
    (one, error), (other, _) = play(History(7)), play(History(7))
    assert error is None
    assert one.world.story == other.world.story
    assert one.world.faults == other.world.faults


def test_a_failure_is_shrunk_to_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every run fails, the last one alone is left, and the story tells of it."""

    def planted(_: object) -> None:
        raise Violation("planted")

    monkeypatch.setattr(Watch, "require_agreement", planted)
    history = History(11)
    _, error = play(history)
    assert error is not None
    days, found, short = shrink(history, error, 20)
    assert len(days.world.started) == 1
    assert not days.world.faults
    assert "run#" in story(days, found, short)
    assert story(days, found, short).endswith("Violation: planted")
