"""Verbs: what the platform does, in terms of the small interfaces in ``ports``."""
