"""Tests of the sanitized schema."""
