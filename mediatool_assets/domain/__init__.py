"""Nouns: pure values and rules, with no driver and no clock of their own."""
