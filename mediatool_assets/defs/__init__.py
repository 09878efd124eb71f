"""Dagster's concepts: partitions, assets, IO managers, jobs and schedules around the flows."""

import gc

gc.set_threshold(20_000, 20, 20)  # importing modules makes no garbage: a quarter of a start
