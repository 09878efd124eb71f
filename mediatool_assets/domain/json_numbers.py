"""Finds numbers in a JSON text that a reader of doubles would change."""

import re
from decimal import Decimal

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[0-9]+(?:\.[0-9]+)?')

DOUBLE_DIGITS = 15
"""Digits that every double holds exactly."""


def only_doubles(document: bytes) -> bool:
    """Whether a double holds every number of a jsonb text exactly; jsonb writes no exponents."""
    tokens = (match[0] for match in _TOKENS.finditer(document))
    return all(
        is_double(token)
        for token in tokens
        if len(token) > DOUBLE_DIGITS and not token.startswith(b'"')
    )


def is_double(number: bytes) -> bool:
    """Whether the decimal text of the nearest double equals this unsigned decimal number."""
    text = number.decode()
    if text.count(".") > 1 or text.startswith(".") or text.endswith("."):
        return False  # text that looks like a number; the full check decides
    return Decimal(repr(float(text))) == Decimal(text)
