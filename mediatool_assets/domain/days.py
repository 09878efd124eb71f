"""The possible days of versions: from the first day of the settings to today, in UTC."""

from datetime import date

FIRST_DAY = date(2025, 6, 1)
"""The month of the oldest known exports."""
