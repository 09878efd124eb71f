"""What is taken away, made coarser or blurred keeps its form."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.domain.masking.key import KeyedDigest
from mediatool_assets.domain.masking.redaction import (
    MONEY_LIMIT,
    generalized_date,
    generalized_number,
    noisy,
    redacted_text,
)
from mediatool_assets.seed.awkward import MONEY, NUMERICS

KEY = KeyedDigest(b"k" * 32)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4).map(
    lambda d: f"{d:f}"
) | st.sampled_from([n for n in NUMERICS if n[-1].isdigit()])


@given(DECIMALS, st.integers(1, 99))
def test_noise_keeps_sign_zero_and_scale(value: str, percent: int) -> None:
    """An amount stays an amount: within its percent, as exact, and never zero for something."""
    made = noisy(KEY, value, percent)
    before, after = Decimal(value), Decimal(made)
    assert after.as_tuple().exponent == before.as_tuple().exponent
    assert after.is_zero() == before.is_zero()
    assert after.is_zero() or (after < 0) == (before < 0)
    unit = Decimal(1).scaleb(int(before.as_tuple().exponent))
    assert abs(after - before) <= abs(before) * percent / 100 + unit
    assert noisy(KEY, value, percent) == made


@pytest.mark.parametrize("value", MONEY)
def test_noise_stays_within_the_type(value: str) -> None:
    """The greatest amount of money stays one that the type holds."""
    assert abs(Decimal(noisy(KEY, value, 20, MONEY_LIMIT))) <= MONEY_LIMIT


@pytest.mark.parametrize("value", ["1e30000000", "1e-30000000", "1e" + "9" * 30, "abc"])
def test_what_numeric_cannot_hold_is_no_amount(value: str) -> None:
    """It is told before it is written out, which could take all memory."""
    with pytest.raises(ValueError, match="no amount"):
        noisy(KEY, value, 20)
    with pytest.raises(ValueError, match="no amount"):
        generalized_number(value, Decimal(10))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "0", "0.00"])
def test_what_is_no_amount_stays(value: str) -> None:
    """Nothing, and what is no number, has no noise."""
    assert noisy(KEY, value, 20) == value


def test_equal_amounts_stay_equal_at_any_scale() -> None:
    """1.50 and 1.500000 are one amount."""
    assert Decimal(noisy(KEY, "1000.50", 20)) == pytest.approx(
        Decimal(noisy(KEY, "1000.500000", 20)), abs=Decimal("0.01")
    )


@pytest.mark.parametrize(
    ("value", "step", "made"),
    [
        ("0.3712", "0.05", "0.3500"),
        ("0.05", "0.05", "0.05"),
        ("-0.01", "0.05", "-0.05"),
        ("0.0312", "0.05", "0.0000"),
        ("17", "10", "10"),
        ("-17", "10", "-20"),
        ("NaN", "10", "NaN"),
    ],
)
def test_numbers_are_rounded_down_to_a_step(value: str, step: str, made: str) -> None:
    """The multiple at or below, with the value's own digits after the point."""
    assert generalized_number(value, Decimal(step)) == made


@pytest.mark.parametrize(
    ("value", "step", "made"),
    [
        ("2024-05-17", "month", "2024-05-01"),
        ("2024-05-17", "quarter", "2024-04-01"),
        ("2024-05-17", "year", "2024-01-01"),
        ("2024-05-17T10:11:12.131415+00:00", "day", "2024-05-17T00:00:00+00:00"),
        ("2024-05-17T10:11:12", "month", "2024-05-01T00:00:00"),
        ("0044-03-15T01:02:03 BC", "year", "0044-01-01T00:00:00 BC"),
        ("10000-12-31", "quarter", "10000-10-01"),
        ("infinity", "year", "infinity"),
    ],
)
def test_dates_are_cut(value: str, step: str, made: str) -> None:
    """To the first of the year, quarter or month, and times to midnight."""
    assert generalized_date(value, step) == made


def test_other_texts_are_no_dates() -> None:
    """Nothing is passed on because it could not be cut."""
    with pytest.raises(ValueError, match="no date"):
        generalized_date("Ada", "year")


@given(st.text())
def test_redacted_text_has_the_length(value: str) -> None:
    """As long as it was, plain, and the same each time."""
    made = redacted_text(KEY, value)
    assert len(made) == len(value)
    assert made.isascii()
    assert redacted_text(KEY, value) == made
