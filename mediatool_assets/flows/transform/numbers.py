"""Converts decimal text into Decimal128, digit by digit: 1.50 stays 1.50."""

from decimal import Decimal

from bson.decimal128 import Decimal128

_DIGITS = 10**34  # a coefficient below this has at most the 34 digits that Decimal128 holds
_BIAS = 6176  # exponents go from -6176 to 6111
_TOP = 6111
_LOW = (1 << 64) - 1
_NAMED = {name: Decimal128(name) for name in ("NaN", "Infinity", "-Infinity")}


def decimal128(text: str) -> Decimal128 | None:
    """The number with every digit and its scale; None if Decimal128 cannot represent it.

    Raises ValueError if the text is not a number. The bits are computed here because the
    constructor from text is ten times slower.
    """
    whole, _, fraction = text.partition(".")
    negative = whole.startswith("-")
    digits = (whole[1:] if negative else whole) + fraction
    if not (digits.isdecimal() and digits.isascii()):
        return _NAMED[text] if text in _NAMED else _scientific(text)
    return _bits(negative, digits, -len(fraction))


def _scientific(text: str) -> Decimal128 | None:
    """A number with an exponent, as JSON allows."""
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except ArithmeticError as error:
        raise ValueError("is no decimal number") from error
    if not isinstance(exponent, int):
        raise ValueError("is no decimal number")  # a value is wrong, not a type
    return _bits(bool(sign), "".join(map(str, digits)), exponent)


def _bits(negative: bool, digits: str, exponent: int) -> Decimal128 | None:
    if len(digits) > 34 and len(digits := digits.lstrip("0")) > 34:
        return None
    coefficient = int(digits or "0")
    if coefficient >= _DIGITS or not -_BIAS <= exponent <= _TOP:
        return None
    high = (negative << 63) | ((exponent + _BIAS) << 49) | (coefficient >> 64)
    return Decimal128((high, coefficient & _LOW))  # type: ignore[arg-type]  # bits, as documented
