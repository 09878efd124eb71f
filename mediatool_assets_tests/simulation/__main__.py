"""``python -m mediatool_assets_tests.simulation --seconds 600``: new seeds on all cores.

Ends with 1 and a story where a seed fails; then add the seed to ``seeds``.
"""

import argparse
import multiprocessing
import os
from random import SystemRandom

from mediatool_assets_tests.simulation.days import play
from mediatool_assets_tests.simulation.playing import SHRINKING_SECONDS, play_for
from mediatool_assets_tests.simulation.shrinking import shrink, story
from mediatool_assets_tests.simulation.world import History


def main() -> int:
    """Play, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.seed is not None:
        played, error = play(History(given.seed))
        told = story(*shrink(played.history, error, SHRINKING_SECONDS)) if error else "holds"
        print(told)
        return int(error is not None)
    first = SystemRandom().randrange(1 << 30)
    print(f"seeds from {first}, on {given.workers} processes", flush=True)
    with multiprocessing.get_context("spawn").Pool(given.workers) as pool:
        shares = [(first + (n << 30), given.seconds) for n in range(given.workers)]
        results = pool.starmap(play_for, shares)
    stories = [text for result in results for text in result.stories]
    print("\n\n".join(stories))
    print(
        f"{sum(r.seeds for r in results)} histories, {sum(r.days for r in results)} days, "
        f"{len(stories)} failed"
    )
    return int(bool(stories))


if __name__ == "__main__":
    raise SystemExit(main())
