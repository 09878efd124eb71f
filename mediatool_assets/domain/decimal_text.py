"""A canonical text of decimal numbers: equal numbers have equal texts."""

from decimal import Decimal


def decimal_text(number: Decimal) -> str:
    """The digits without exponent and without trailing zeros; ``0`` for negative zero too.

    No digit is lost: ``Decimal.normalize`` would round to the 28 digits of its context.
    """
    if not number.is_finite():
        return str(number)
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if number else "0"
