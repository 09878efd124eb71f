"""Tests of seed."""
