"""The codec's own tests, with sanitizers that end the process at the first wrong access."""

import subprocess
from pathlib import Path

import pytest

from mediatool_assets_tests.native.sanitized import TESTS, child, compiled

pytestmark = pytest.mark.usefixtures("compiled_codec")

EXAMPLES = 10
"""Of each property: the fixed budget of CI. `make fuzz` takes as long as it is told."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The codec with sanitizers."""
    return compiled(tmp_path_factory.mktemp("program"))


def test_no_access_out_of_bounds_and_no_undefined_behaviour(program: Path) -> None:
    """Every test of the codec passes with addresses and arithmetic checked."""
    command, environment = child(program, EXAMPLES, *TESTS)
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-8000:]
    assert " passed" in ran.stdout


def test_the_sanitizers_are_at_work(program: Path, tmp_path: Path) -> None:
    """A read behind the end of a block is found: the test above can fail."""
    test = tmp_path / "test_wrong.py"
    test.write_text(
        "from mediatool_assets.native import library\n"
        "def test_wrong():\n"
        "    library().mt_plan(b'x' * 5_000, 5_100)\n"
    )
    command, environment = child(program, 1, str(test))
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "AddressSanitizer" in ran.stderr
