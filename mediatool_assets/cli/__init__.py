"""The ``mediatool`` command line: one module per command; none of them imports Dagster."""
