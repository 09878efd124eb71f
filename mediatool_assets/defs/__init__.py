"""What Dagster sees: partitions, assets, IO managers, jobs and schedules around the flows."""
