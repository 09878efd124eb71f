"""Tests of sanitizing."""
