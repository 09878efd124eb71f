"""Tests of restoring."""
