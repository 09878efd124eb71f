"""Comparison of two versions: every table, every row, out of core."""

from mediatool_assets.flows.compare.versions import compare, is_file, opened

__all__ = ["compare", "is_file", "opened"]
