"""The ``mediatool`` command line: one module a command, none of which imports Dagster."""
