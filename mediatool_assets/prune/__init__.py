"""Prune: which versions and objects are kept, and what is deleted."""
