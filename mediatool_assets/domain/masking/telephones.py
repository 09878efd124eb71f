"""Telephone numbers in texts, in the ways that people write them."""

import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers

REGIONS = ("US", "GB", "DE", "FR")
"""Countries whose national formats are recognized; with ``+`` or ``00``, all countries are."""

_SHORTEST = 8  # digits: shorter numbers can mean anything
_PLAIN = 10  # digits of a number without any separator
_CANDIDATE = re.compile(
    r"(?<![\w.,/-])(?:\+|00)?\(?\d[\d ().\-/\u00a0\u2010-\u2015]{6,20}\d(?![\w,-])"
)
_BEGINNING = re.compile(r"\d[\d ().\-/\u00a0\u2010-\u2015]{6}")
_AMERICAN = re.compile(r"(?:\+?\d{1,3}[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{4}")


def telephones(text: str) -> Iterator[str]:
    """What looks like a telephone number: valid in some country, or grouped like one."""
    for found in _candidates(text):
        if _AMERICAN.fullmatch(found) or _is_valid(found):
            yield found


def terms_of_telephone(text: str) -> frozenset[str]:
    """The terms of a text that is one telephone number: its digits with and without country code.

    Empty for all other texts.
    """
    text = text.strip()
    if _CANDIDATE.fullmatch(text) and (_is_written(text) or len(text) >= _PLAIN):
        return _terms(text)
    return frozenset()


def telephone_terms(text: str) -> Iterator[str]:
    """The terms of all possible telephone numbers in a text."""
    for found in _candidates(text):
        yield from _terms(found)


def _candidates(text: str) -> Iterator[str]:
    if not _BEGINNING.search(text):  # far faster, and most texts have none
        return iter(())
    return (found[0] for found in _CANDIDATE.finditer(text) if not _DATE.match(found[0]))


def _is_written(text: str) -> bool:
    """Whether it is written as a telephone number, and not as a plain number."""
    return not text.isdecimal() or text.startswith("00")


@lru_cache(maxsize=1 << 12)
def _terms(text: str) -> frozenset[str]:
    digits = "".join(str(int(digit)) for digit in text if digit.isdecimal())  # of any script
    forms = {digits.lstrip("0")}
    if text.startswith(("+", "00")) and (number := _parsed(f"+{digits.lstrip('0')}", None)):
        forms |= {f"{number.country_code}{number.national_number}", str(number.national_number)}
    return frozenset(f"tel {form}" for form in forms if len(form) >= _SHORTEST)


@lru_cache(maxsize=1 << 12)
def _is_valid(text: str) -> bool:
    if text.startswith("00"):
        text = f"+{text[2:]}"
    if text.startswith("+"):
        number = _parsed(text, None)
        return number is not None and phonenumbers.is_valid_number(number)
    if not _is_written(text):
        return False  # every plain number is valid in some region
    numbers = (_parsed(text, region) for region in REGIONS)
    return any(number is not None and phonenumbers.is_valid_number(number) for number in numbers)


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
