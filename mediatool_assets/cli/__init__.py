"""The ``mediatool`` command line: one module per command; none of them imports Dagster."""

import gc

gc.set_threshold(10_000, 10, 10)  # importing modules makes no garbage: 0.05 s of a short command
