"""Damaged rows and documents through the codec, under sanitizers, until the time is over.

    make fuzz SECONDS=3600

A row or document that the two understand differently is printed, with the seed; it then belongs
into ``rows_of_types.WORDS``, ``report_digests.BORDERS`` or a test of its own.
"""

import argparse
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from mediatool_assets_tests.native.sanitized import TESTS, child, compiled

PROPERTIES = "damaged_rows or any_json or no_description or documents_of"
EXAMPLES = 300
"""Of each property and seed: half a minute or so."""


def main() -> int:
    """One seed after another; the first that finds something ends it."""
    parser = argparse.ArgumentParser(description="fuzz the compiled codec")
    parser.add_argument("--seconds", type=int, default=3600)
    end = monotonic() + parser.parse_args().seconds
    rounds = 0
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder))
        while monotonic() < end:
            seed = str(secrets.randbits(64))
            command, environment = child(
                program, EXAMPLES, *TESTS, "-k", PROPERTIES, f"--hypothesis-seed={seed}"
            )
            ran = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if ran.returncode != 0:
                sys.stdout.write(f"seed {seed}:\n{ran.stdout}\n{ran.stderr}\n")
                return 1
            rounds += 1
    sys.stdout.write(f"{rounds} seeds with {EXAMPLES} examples of each property: no difference\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
