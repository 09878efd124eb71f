"""Dagster's concepts: partitions, assets, IO managers, jobs and schedules around the flows."""
