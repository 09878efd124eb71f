"""Tests of the transform."""
