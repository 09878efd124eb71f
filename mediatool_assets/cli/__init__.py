"""The ``mediatool`` command line: one module per command; none of them imports Dagster."""

import atexit
import gc

gc.set_threshold(10_000, 10, 10)  # importing modules makes no garbage: 0.05 s of a short command
atexit.register(gc.freeze)  # else the interpreter's last collections take 0.2 s
