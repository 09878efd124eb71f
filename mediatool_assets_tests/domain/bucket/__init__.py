"""Tests of domain.bucket."""
