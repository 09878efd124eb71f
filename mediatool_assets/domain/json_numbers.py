"""Finds numbers of a JSON text that a reader of doubles would change."""

import re
from decimal import Decimal

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[0-9]+(?:\.[0-9]+)?')

DOUBLE_DIGITS = 15
"""Digits that every double holds."""


def only_doubles(document: bytes) -> bool:
    """Whether every number of a jsonb text, which has no exponents, is a double's own."""
    tokens = (match[0] for match in _TOKENS.finditer(document))
    return all(
        is_double(token)
        for token in tokens
        if len(token) > DOUBLE_DIGITS and not token.startswith(b'"')
    )


def is_double(number: bytes) -> bool:
    """Whether a double's own decimal text equals this unsigned decimal number."""
    text = number.decode()
    if text.count(".") > 1 or text.startswith(".") or text.endswith("."):
        return False  # text that looks like a number; the closer look will tell
    return Decimal(repr(float(text))) == Decimal(text)
