"""Compares two versions: every row of every table, with bounded memory."""
