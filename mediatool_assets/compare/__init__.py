"""Compares two versions: every row of every table, with bounded memory."""

from mediatool_assets.flows.compare.versions import compare, open_both

__all__ = ["compare", "open_both"]
