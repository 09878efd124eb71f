"""A simulation of days with faults, from a seed: docs/simulation.md says what it plays."""
