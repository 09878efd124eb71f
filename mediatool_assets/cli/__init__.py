"""The ``mediatool`` command line: one module per command; none of them imports Dagster."""

import atexit
import gc
import sys

gc.set_threshold(10_000, 10, 10)  # importing modules makes no garbage: 0.05 s of a short command


@atexit.register
def _leave_at_once() -> None:
    """Spare the interpreter's last collections: 0.2 s. DuckDB would tell of each object left."""
    if "duckdb" not in sys.modules:
        gc.freeze()
