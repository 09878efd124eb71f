"""PostgreSQL's text of floats and arrays, written and read as its output functions do."""

import math
import re
import struct
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

Elements = Sequence["Elements | str | None"]

_TOKEN = re.compile(r'[{},]|"(?:[^"\\]|\\.)*"|[^{},"]+', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def double_text(value: float) -> str:
    """PostgreSQL's text of a double precision: the shortest text that is read back unchanged."""
    if not math.isfinite(value) or value == 0:
        return _special(value)
    neighbours = [math.nextafter(abs(value), to) for to in (0.0, math.inf)]
    least = len(repr(value).lstrip("-").split("e")[0].replace(".", "").strip("0"))
    return _decimal(value, _shortest(abs(value), neighbours, least), 15)


def real_text(value: float) -> str:
    """The same for a real, given as the double with the same value."""
    if not math.isfinite(value) or value == 0:
        return _special(value)
    (bits,) = struct.unpack("I", struct.pack("f", abs(value)))
    neighbours = [struct.unpack("f", struct.pack("I", bits + step))[0] for step in (-1, 1)]
    return _decimal(value, _shortest(abs(value), neighbours, 1), 6)


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    return "Infinity" if value > 0 else "-Infinity"


def _shortest(value: float, neighbours: Sequence[float], least: int) -> Decimal:
    """The decimal with the fewest digits that is closer to ``value`` than to the floats beside it.

    Of two equally close ones, the one that ends in an even digit, as in PostgreSQL's Ryu.
    """
    middle = Fraction(value)
    below = (middle + Fraction(neighbours[0])) / 2
    above = (
        (middle + Fraction(neighbours[1])) / 2 if neighbours[1] < math.inf else 2 * middle - below
    )
    exact = Decimal(value)
    for digits in range(least, 18):
        unit = Decimal((0, (1,), exact.adjusted() - digits + 1))
        near = [exact.quantize(unit, rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING)]
        found = [d for d in near if below < Fraction(d) < above]
        if found:
            return min(
                found, key=lambda d: (abs(Fraction(d) - middle), d.as_tuple().digits[-1] % 2)
            )
    return exact


def _decimal(value: float, shortest: Decimal, digits: int) -> str:
    """``150``, ``0.015`` or ``1.5e+20``: an exponent unless it is from -4 to below ``digits``."""
    sign = "-" if value < 0 else ""
    figures = "".join(map(str, shortest.as_tuple().digits)).rstrip("0")
    exponent = shortest.adjusted()
    if not -4 <= exponent < digits:
        fraction = f".{figures[1:]}" if len(figures) > 1 else ""
        return f"{sign}{figures[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{figures}"
    whole = figures[: exponent + 1].ljust(exponent + 1, "0")
    fraction = figures[exponent + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def array_elements(text: str) -> Elements:
    """The elements of an array's text, nested by dimension; raises ValueError on other text.

    Lower bounds in front (``[0:1]={a,b}``) are ignored.
    """
    stack: list[list[Elements | str | None]] = [[]]
    for match in _TOKEN.finditer(text):
        word = match[0]
        if word == "{":
            stack.append([])
        elif word == "}" and len(stack) > 1:
            done = stack.pop()
            stack[-1].append(done)
        elif word.startswith('"'):
            stack[-1].append(_ESCAPE.sub(r"\1", word[1:-1]))
        elif word != ",":
            stack[-1].append(None if word == "NULL" else _ESCAPE.sub(r"\1", word))
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise ValueError(f"{text[:80]!r} is not an array")
    return stack[0][0]
