"""Compares two versions: every row of every table, with bounded memory."""

from mediatool_assets.flows.compare.versions import both, compare

__all__ = ["both", "compare"]
