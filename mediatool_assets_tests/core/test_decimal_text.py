"""Equal numbers have one text, and no others."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.texts import decimal_text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("100", "100"),
        ("1E+2", "100"),
        ("1.50", "1.5"),
        ("-2.00", "-2"),
        ("-0.00", "0"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ],
)
def test_a_number_is_written_out(number: str, text: str) -> None:
    """All its digits, and no zero that says nothing."""
    assert decimal_text(Decimal(number)) == text


@given(st.decimals(allow_nan=False), st.decimals(allow_nan=False))
def test_texts_are_equal_where_numbers_are(one: Decimal, other: Decimal) -> None:
    """As exactly as Python compares decimals."""
    assert (decimal_text(one) == decimal_text(other)) == (one == other)
    assert Decimal(decimal_text(one)) == one
