"""The days that a version can be of: from the first that anybody keeps to today, in UTC."""

from datetime import date

FIRST_DAY = date(2025, 6, 1)
"""The month of the oldest exports that anybody keeps."""
