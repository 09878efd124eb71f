"""The codec's own tests, with sanitizers that end the process at the first wrong access."""

import subprocess
from pathlib import Path

from mediatool_assets_tests.native.sanitized import TESTS, child, compiled

EXAMPLES = 10
"""Of each property: the fixed budget of CI. `make fuzz` takes as long as it is told."""


def test_no_access_out_of_bounds_and_no_undefined_behaviour(tmp_path: Path) -> None:
    """Every test of the codec passes with addresses and arithmetic checked."""
    command, environment = child(compiled(tmp_path), EXAMPLES, *TESTS)
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-8000:]
    assert " passed" in ran.stdout


def test_the_sanitizers_are_at_work(tmp_path: Path) -> None:
    """A read behind the end of a block is found: the test above can fail."""
    program = compiled(tmp_path)
    test = tmp_path / "test_wrong.py"
    test.write_text(
        "from mediatool_assets.native.library import library\n"
        "def test_wrong():\n"
        "    library().mt_plan(b'x' * 5_000, 5_100)\n"
    )
    command, environment = child(program, 1, str(test))
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "AddressSanitizer" in ran.stderr
