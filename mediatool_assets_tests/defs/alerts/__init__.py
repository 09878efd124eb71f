"""Tests of the alert sensor."""
