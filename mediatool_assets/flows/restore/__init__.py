"""Restore: a version into a new PostgreSQL or MongoDB database, which is read back."""
