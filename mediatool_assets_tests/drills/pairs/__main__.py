"""Two of each command at once, in every pair: ``make drill-pairs``."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from mediatool_assets.stores.local_stack import down, up
from mediatool_assets_tests.drills.pairs.commands import BY_NAME, COMMANDS, UNFINISHED, VERSIONS
from mediatool_assets_tests.drills.pairs.drill import Drill, pairs, table
from mediatool_assets_tests.drills.pairs.home import home
from mediatool_assets_tests.drills.pairs.starter import starter


def main() -> int:
    """Run the pairs; 1 if one has a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", help="only pairs with one of these, separated by commas")
    parser.add_argument(
        "--only", help="pairs: two names with a plus sign, and a comma between pairs"
    )
    parser.add_argument("--part", default="1/1", help="K/N: the K-th of N parts of the pairs")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between the two starts")
    parser.add_argument("--skip", type=int, default=0, help="how many pairs to leave out")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    wanted = list(pairs())
    if options.commands:
        names = set(options.commands.split(","))
        wanted = [pair for pair in wanted if names & {one.name for one in pair}]
    if options.only:
        named = (pair.split("+") for pair in options.only.split(","))
        wanted = [(BY_NAME[one], BY_NAME[two]) for one, two in named]
    wanted.sort(key=lambda pair: (any(c.slow for c in pair), sum(not c.changes for c in pair)))
    part, parts = map(int, options.part.split("/"))
    wanted = wanted[options.skip :][part - 1 :: parts] * options.rounds
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are stopped
    folder = Path(tempfile.mkdtemp(prefix="mediatool-pairs-"))
    outcomes = []
    try:
        stack = up(folder, new_keys=True)
        with home(stack, folder, "pairs", {**VERSIONS, UNFINISHED: ""}) as own, starter() as start:
            drill = Drill(own, start, folder / "pairs", versions=None)
            for number, pair in enumerate(wanted, 1):
                outcomes.append(drill.run(pair, (0.0, options.delay)))
                print(f"{number}/{len(wanted)} {outcomes[-1]}", flush=True)  # noqa: T201
    finally:
        down(folder)
        shutil.rmtree(folder, ignore_errors=True)
    print(table(outcomes))  # noqa: T201
    print(f"{len(COMMANDS)} commands")  # noqa: T201
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
