"""Midnight, the year's end and a clock change inside a run: ``make drill-midnight``."""
