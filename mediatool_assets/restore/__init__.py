"""Restore: writes a version to a new PostgreSQL or MongoDB database, and reads it back."""
