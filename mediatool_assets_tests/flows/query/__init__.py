"""Queries over versions, on archives in a directory."""
