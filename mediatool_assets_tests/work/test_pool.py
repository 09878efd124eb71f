"""The worker pool: fresh processes that carry nothing of the program that started them."""

import subprocess
import sys
from pathlib import Path

from mediatool_assets.work import worker_pool

PROGRAM = """
import imported_by_the_program
import mediatool_assets.query.handles
from mediatool_assets.work import worker_pool

if __name__ == "__main__":
    with worker_pool(1) as pool:
        print(pool.submit(eval, "__import__('pyarrow').array([1, None]).null_count").result())
        for name in ("imported_by_the_program", "pandas"):
            print(pool.submit(eval, f"'{name}' in __import__('sys').modules").result())
"""


def test_a_worker_imports_only_what_it_needs(tmp_path: Path) -> None:
    """Neither what the main module imports nor pandas, which Arrow looks for to convert a list."""
    (tmp_path / "imported_by_the_program.py").touch()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "False", "False"]


def test_work_that_fails_raises_where_its_result_is_asked_for() -> None:
    """An error of a worker reaches the coordinator as itself."""
    with worker_pool(1) as pool:
        error = pool.submit(int, "x").exception()
    assert isinstance(error, ValueError)
