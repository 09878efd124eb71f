"""Whole circles on real servers."""
