"""Two commands at once: a few of the pairs that ``make drill-pairs`` runs, all of them."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.drills.pairs.commands import BY_NAME, VERSIONS
from mediatool_assets_tests.drills.pairs.drill import Drill
from mediatool_assets_tests.drills.pairs.home import home
from mediatool_assets_tests.drills.pairs.starter import starter

SAMPLE = [
    ("prune", "keep"),
    ("keep", "unkeep"),
    ("annotate", "rollback"),
    ("first load", "verify the first load"),
]


@pytest.fixture(scope="module")
def drill(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A home with versions that pairs of commands act on."""
    folder = tmp_path_factory.mktemp("pairs")
    with (
        home(stack, folder, f"pairs-{uuid4().hex[:12]}", VERSIONS) as environment,
        starter() as start,
    ):
        drill = Drill(environment, start, folder / "pairs", frozenset(VERSIONS))
        yield drill
        drill.clients.close()


@pytest.mark.parametrize("pair", SAMPLE, ids=" and ".join)
def test_two_at_once_leave_everything_whole(drill: Drill, pair: tuple[str, str]) -> None:
    """Each ends as documented, and what they leave is sound to readers without our tools."""
    outcome = drill.run((BY_NAME[pair[0]], BY_NAME[pair[1]]))
    assert outcome.problems == (), str(outcome)
