"""What is taken away, made coarser or blurred keeps its form."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.signing import KeyedDigest, MaskingKey
from mediatool_assets.demo.values import MONEY, NUMERICS
from mediatool_assets.sanitize.redaction import (
    MONEY_LIMIT,
    generalized_date,
    generalized_number,
    is_amount,
    is_date,
    noisy,
    redacted_text,
)

KEY = KeyedDigest(b"k" * 32)
NOISE = MaskingKey(bytes(i * 37 % 256 for i in range(32))).derive("noise")
QUARTERS = [*enumerate(["01"] * 3 + ["04"] * 3 + ["07"] * 3 + ["10"] * 3, 1)]
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
    most = abs(before) * percent / 100
    assert most / 4 - unit <= abs(after - before) <= most + unit
    assert noisy(KEY, value, percent) == made


@pytest.mark.parametrize("value", MONEY)
def test_noise_stays_within_the_type(value: str) -> None:
    """The greatest amount of money stays one that the type holds."""
    assert abs(Decimal(noisy(KEY, value, 20, MONEY_LIMIT))) <= MONEY_LIMIT


@pytest.mark.parametrize(
    "value",
    ["1e30000000", "1e-30000000", "1e" + "9" * 30, "abc", "1" * 131_073, "-0." + "1" * 16_384],
    ids=["large", "small", "larger", "words", "long", "exact"],
)
def test_what_numeric_cannot_hold_is_no_amount(value: str) -> None:
    """It is told before it is written out, which could take all memory."""
    with pytest.raises(ValueError, match="no amount"):
        noisy(KEY, value, 20)
    with pytest.raises(ValueError, match="no amount"):
        generalized_number(value, Decimal(10))


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("1e131071", True),
        ("-9e131071", True),
        ("1e131072", False),
        ("1e-16383", True),
        ("1e-16384", False),
        ("12.50", True),
        ("NaN", True),
        ("-Infinity", True),
        ("twelve", False),
        ("", False),
    ],
)
def test_an_amount_is_what_numeric_holds(value: str, is_one: bool) -> None:
    """131,072 digits before its point and 16,383 behind it."""
    assert is_amount(value) is is_one


def test_the_greatest_amounts_become_no_greater() -> None:
    """Of numeric's 131,072 digits none is added: this amount falls, where a smaller one rises."""
    great, tenth = "8" + "0" * 131_071, "6" + "0" * 131_070
    assert Decimal(noisy(KEY, great, 20)) < Decimal(great)
    assert Decimal(noisy(KEY, tenth, 20)) > Decimal(tenth)


def test_the_limit_itself_is_reached() -> None:
    """55 with noise becomes 59, where 59 fits; where it does not, it falls by as much."""
    key = KeyedDigest(NOISE)
    assert noisy(key, "55", 10) == "59"
    assert noisy(key, "55", 10, Decimal(59)) == "59"
    assert noisy(key, "55", 10, Decimal(58)) == "51"
    assert noisy(key, "-55", 10, Decimal(58)) in ("-51", "-59")


LAST_YEAR = [
    ("1000.50", 20, None, "860.04"),
    ("-1000.50", 20, None, "-1088.11"),
    ("7", 20, None, "6"),
    ("1", 99, None, "1"),
    ("0.0001", 20, None, "0.0001"),
    ("123456789.123456789", 5, None, "125953579.226689579"),
    ("92233720368547758.07", 20, MONEY_LIMIT, "77100970761168274.83"),
    ("-92233720368547758.07", 20, MONEY_LIMIT, "-79934778032515609.86"),
    ("32767", 20, Decimal(32767), "28356"),
    ("100000", 1, None, "99576"),
    ("987654321987654321", 33, None, "903623121902572731"),
    ("0.5", 50, None, "0.4"),
    ("1e3", 20, None, "865"),
    ("250", 99, None, "87"),
    ("1234567.00", 10, None, "1288595.35"),
    ("56", 10, None, "53"),
]
"""What a copy of the first release has, under NOISE."""


@pytest.mark.parametrize(("value", "percent", "limit", "made"), LAST_YEAR)
def test_amounts_of_two_years_are_equal(
    value: str, percent: int, limit: Decimal | None, made: str
) -> None:
    """As long as the key stays, so that two copies differ where their versions do."""
    assert noisy(KeyedDigest(NOISE), value, percent, limit) == made


def test_texts_of_two_years_are_equal() -> None:
    """The same words stand for a text."""
    key = KeyedDigest(MaskingKey(bytes(i * 37 % 256 for i in range(32))).derive("redact"))
    assert (
        redacted_text(key, "Ada Ashgrove called me on Friday") == "kept beside words which explain."
    )
    assert redacted_text(key, "山田") == "th"


@pytest.mark.parametrize("value", ["1" * 99, "1" * 100, "1" * 101, "1e99", "-1e101"])
def test_a_number_is_one_however_it_is_written(value: str) -> None:
    """Long, or with an exponent: the same amount has the same noise."""
    assert noisy(KEY, value, 20) == noisy(KEY, f"{Decimal(value):f}", 20)
    assert noisy(KEY, value, 20) == noisy(KEY, f"0{value}" if value[0] == "1" else value, 20)


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
        ("20", "10", "20"),
        ("-20", "10", "-20"),
        ("9.5", "1", "9.0"),
        ("1e2", "30", "90"),
        ("-0.0", "10", "0.0"),
        ("7", "3", "6"),
        ("9" * 131_072, "1e-16383", "9" * 131_072),
        ("-" + "9" * 131_070 + "5", "10", "-1" + "0" * 131_071),
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
        *((f"2024-{month:02}-31", "quarter", f"2024-{first}-01") for month, first in QUARTERS),
        ("2024-05-17T10:11:12+05:30:15", "day", "2024-05-17T00:00:00+05:30:15"),
        ("2024-05-17T10:11:12-08", "year", "2024-01-01T00:00:00-08"),
        ("infinity", "year", "infinity"),
    ],
)
def test_dates_are_cut(value: str, step: str, made: str) -> None:
    """To the first of the year, quarter or month, and times to midnight."""
    assert generalized_date(value, step) == made


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("2024-05-17", True), ("0044-03-15T01:02:03 BC", True), ("infinity", True),
        ("-infinity", True), ("Ada", False), ("2024-05", False), ("2024-05-17 Ada", False),
        ("2024-05-17T10:11:12Z", True), ("2024-05-17T10:11:12.5+05:30:15", True),
        ("2024-05-17TAda", False), ("2024-05-17T10:11:12Ada", False), ("٢٠٢٤-٠٥-١٧", False),
    ],
)  # fmt: skip
def test_dates_are_known(value: str, is_one: bool) -> None:
    """As PostgreSQL writes them."""
    assert is_date(value) is is_one


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
