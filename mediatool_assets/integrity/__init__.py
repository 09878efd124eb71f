"""Integrity: every value is compared again, by a second path through the stores."""
