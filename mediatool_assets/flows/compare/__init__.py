"""Comparison of two versions: every table, every row, out of core."""

from mediatool_assets.flows.compare.versions import compare, opened

__all__ = ["compare", "opened"]
