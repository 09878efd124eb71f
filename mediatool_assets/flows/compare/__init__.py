"""Comparison of two versions: every table, every row, out of core."""

from mediatool_assets.flows.compare.versions import both, compare

__all__ = ["both", "compare"]
