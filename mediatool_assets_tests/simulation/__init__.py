"""A simulation of days with faults, from a seed (docs/explanation/simulation.md)."""
