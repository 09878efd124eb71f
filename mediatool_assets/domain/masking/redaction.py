"""Values that are removed, made coarser or given noise; the form of the value is kept."""

import re
from decimal import Context, Decimal, InvalidOperation, localcontext

from mediatool_assets.domain.masking.key import KeyedDigest
from mediatool_assets.domain.masking.words import text

_WHOLE, _FRACTION = 131_072, 16_383  # digits of PostgreSQL's numeric before and after its point
_EXACT = Context(prec=_WHOLE + _FRACTION)
_MOST = Decimal(f"1e{_WHOLE - 1}")  # with noise on what is beyond, it could get too long
MONEY_LIMIT = Decimal("92233720368547758.07")

_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_SHORT = 100  # characters; a shorter text cannot exceed numeric's range
_DATE = re.compile(
    r"(\d{4,})-(\d\d)-(\d\d)(?:T\d\d:\d\d:\d\d(?:\.\d+)?((?:[+-]\d\d(?::\d\d){0,2}|Z)?))?( BC)?",
    re.ASCII,
)
_FOREVER = ("infinity", "-infinity")
STEPS = ("year", "quarter", "month", "day")


def redacted_text(digest: KeyedDigest, value: str) -> str:
    """Plain words of the same length; an empty text stays empty."""
    if not value:
        return value
    made = digest(value.encode("utf-8", "surrogatepass"))
    return text(int.from_bytes(made[:2]), len(value))


def is_date(value: str) -> bool:
    """Whether a text is a date or time as PostgreSQL writes it, including infinity."""
    return value in _FOREVER or _DATE.fullmatch(value) is not None


def is_amount(value: str) -> bool:
    """Whether numeric can hold a number; expanding a larger one could exhaust the memory."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return False
    if not number.is_finite():
        return True
    return number.adjusted() < _WHOLE and int(number.as_tuple().exponent) >= -_FRACTION


def generalized_date(value: str, step: str) -> str:
    """The first day of its year, quarter or month, or the day; infinity is unchanged.

    Raises ValueError if it is not a date.
    """
    found = _DATE.fullmatch(value)
    if found is None:
        if value in _FOREVER:
            return value
        raise ValueError("no date")
    year, month, day, zone, era = found.groups()
    match step:
        case "year":
            month, day = "01", "01"
        case "quarter":
            month, day = f"{(int(month) - 1) // 3 * 3 + 1:02}", "01"
        case "month":
            day = "01"
    midnight = "" if zone is None else f"T00:00:00{zone}"
    return f"{year}-{month}-{day}{midnight}{era or ''}"


def generalized_number(value: str, step: Decimal) -> str:
    """The multiple of ``step`` at or below it, at the value's own scale; NaN and infinity stay.

    Raises ValueError if it is not an amount.
    """
    number = _amount(value)
    if not number.is_finite():
        return value
    with localcontext(_EXACT):
        return plain_number((number // step - (number % step < 0)) * step, number)


def noisy(digest: KeyedDigest, value: str, percent: int, limit: Decimal | None = None) -> str:
    """The number changed by some percent below 100; equal numbers give equal results.

    Equal amounts at different scales do too. The sign and the number of decimals are kept. Zero
    stays zero, and no other number becomes zero. The change is at least a quarter of ``percent``;
    the result does not exceed ``limit``, if given. Raises ValueError if it is not an amount.
    """
    if len(value) > _SHORT or not _PLAIN.fullmatch(value):
        amount = _amount(value)
        if not amount.is_finite():
            return value
        value = f"{amount:f}"
    sign = "-" if value.startswith("-") else ""
    whole, _, fraction = value.removeprefix("-").partition(".")
    units = int(Decimal(whole + fraction))  # of the last digit: as many as the scale says
    if not units:
        return value
    number = f"{sign}{whole.lstrip('0')}.{fraction.rstrip('0')}"
    made = digest(number.encode())
    share = int.from_bytes(made[:8]) % 750_001 + 250_000  # of a million
    change = units * share * percent // 100_000_000
    if made[8] % 2 and not _is_beyond(units + change, len(fraction), limit):
        change = -change
    digits = f"{Decimal(units - change):f}".zfill(len(fraction) + 1)
    cut = len(digits) - len(fraction)
    return f"{sign}{digits[:cut]}{'.' if fraction else ''}{digits[cut:]}"


def _is_beyond(units: int, scale: int, limit: Decimal | None) -> bool:
    """Whether this many units of the last digit exceed the type's limit."""
    return Decimal(units) > (_MOST if limit is None else limit).scaleb(scale, _EXACT)


def _amount(value: str) -> Decimal:
    if not is_amount(value):
        raise ValueError("no amount")
    return Decimal(value)


def plain_number(made: Decimal, like: Decimal) -> str:
    """A number without an exponent, at the scale of ``like``."""
    scale = max(0, -int(like.as_tuple().exponent))
    text = f"{made:.{scale}f}"
    return text.removeprefix("-") if not made else text
