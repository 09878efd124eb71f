"""Tests of the integrity report."""
