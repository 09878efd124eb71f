"""Dagster's concepts: partitions, assets, IO managers, jobs and schedules around the flows."""

import atexit
import gc

gc.set_threshold(20_000, 20, 20)  # importing modules makes no garbage: a quarter of a start
atexit.register(gc.freeze)  # else the interpreter's last collections take a second
