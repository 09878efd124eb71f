"""Versions in the bucket: their archives, metadata, marks, registry and names."""
