"""Compares two versions: every row of every table, with bounded memory."""

from mediatool_assets.compare.flow import compare, open_both
