"""Figures for display: numbers, sizes and shares."""

from collections.abc import Callable, Sequence
from math import floor, log10

from mediatool_assets.domain.page import Number

_UNITS = ("B", "kB", "MB", "GB", "TB")


def number(value: int | None, *, sign: bool = False) -> str:
    """A number with thousands separators; a dash for None."""
    if value is None:
        return "–"
    return f"{value:+,}" if sign and value else f"{value:,}"


def bytes_text(value: int | None, *, sign: bool = False, digits: int = 1) -> str:
    """Bytes in units of a thousand: ``1.3 MB``."""
    if value is None:
        return "–"
    plus = "+" if sign and value else ""
    if abs(value) < 1000:
        return f"{value:{plus}} B"
    power = min(4, (len(str(abs(value))) - 1) // 3)
    return f"{value / 1000**power:{plus},.{digits}f} {_UNITS[power]}"


def sizes(values: Sequence[int]) -> Callable[[int], str]:
    """A formatter for sizes, with enough decimals to distinguish them."""
    spread = max(values, default=0) - min(values, default=0)
    power = min(4, (len(str(max(values, default=0))) - 1) // 3)
    digits = max(1, 1 - floor(log10(spread / 1000**power))) if spread else 1
    return lambda value: bytes_text(value, digits=digits)


def percent(value: float | None) -> str:
    """A relative change in percent; a dash if it is undefined."""
    return "–" if value is None else f"{value:+.2f} %"


def count_cell(value: int | None, *, sign: bool = False) -> Number:
    """A cell with a count."""
    return Number(value, number(value, sign=sign))


def percent_cell(value: float | None) -> Number:
    """A cell with a change in percent."""
    return Number(value, percent(value))


def byte_cell(value: int | None, *, sign: bool = False) -> Number:
    """A cell with a number of bytes."""
    return Number(value, bytes_text(value, sign=sign))
