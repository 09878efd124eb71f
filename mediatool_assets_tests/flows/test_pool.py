"""The worker pool: fresh processes that carry nothing of the program that started them."""

import subprocess
import sys
from pathlib import Path

from mediatool_assets.flows.workers.pool import worker_pool

PROGRAM = """
import imported_by_the_program
from mediatool_assets.flows.workers.pool import worker_pool

if __name__ == "__main__":
    with worker_pool(1) as pool:
        print(pool.submit(eval, "'imported_by_the_program' in __import__('sys').modules").result())
"""


def test_a_worker_does_not_import_the_program_that_started_it(tmp_path: Path) -> None:
    """What the main module imports is not loaded again in each worker."""
    (tmp_path / "imported_by_the_program.py").touch()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_work_that_fails_raises_where_its_result_is_asked_for() -> None:
    """An error of a worker reaches the coordinator as itself."""
    with worker_pool(1) as pool:
        error = pool.submit(int, "x").exception()
    assert isinstance(error, ValueError)


def test_a_worker_is_spared_pandas() -> None:
    """Arrow looks for it whenever it is given a list, and does without."""
    with worker_pool(1) as pool:
        made = pool.submit(eval, "__import__('pyarrow').array([1, None]).null_count")
        loaded = pool.submit(eval, "'pandas' in __import__('sys').modules")
    assert made.result() == 1
    assert loaded.result() is False
