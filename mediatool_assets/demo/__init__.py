"""Demonstration: generated data, local servers, and days with history."""
