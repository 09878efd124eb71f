"""Texts of one shape, such as ``AB-12``, numbered from 0 to the size of the shape."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import prod

_DIGITS = "0123456789"
_ALPHABETS = (_DIGITS, "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class Shape:
    """The alphabet of each character of a text: what it may become."""

    alphabets: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of texts with this shape."""
        return prod(map(len, self.alphabets))

    @property
    def tweak(self) -> str:
        """A text that is different for every shape."""
        return "\0".join(self.alphabets)

    def number(self, text: str) -> int:
        """The index of a text among all texts of its shape."""
        number = 0
        for alphabet, character in zip(self.alphabets, text, strict=True):
            number = number * len(alphabet) + alphabet.index(character)
        return number

    def text(self, number: int) -> str:
        """The text with this index."""
        characters = []
        for alphabet in reversed(self.alphabets):
            number, index = divmod(number, len(alphabet))
            characters.append(alphabet[index])
        return "".join(reversed(characters))


class WholeNumbers:
    """The same for whole numbers of two or more digits, whose index is their value."""

    __slots__ = ("_least", "size", "tweak")

    def __init__(self, digits: int) -> None:
        self._least: int = 10 ** (digits - 1)
        self.size = 9 * self._least
        self.tweak = Shape(("123456789", *[_DIGITS] * (digits - 1))).tweak

    def number(self, text: str) -> int:
        """The index of a number among all numbers with as many digits."""
        return int(text) - self._least

    def text(self, number: int) -> str:
        """The number with this index."""
        return str(number + self._least)


def shape_of(text: str) -> Shape | WholeNumbers:
    """The shape of an ASCII text. The first digit of a number is never zero, or stays zero."""
    if len(text) > 1 and text.isdigit() and text[0] != "0":
        return _whole_numbers(len(text))
    found: list[str] = []
    for is_digits, run in groupby(text, str.isdigit):
        part = "".join(run)
        if is_digits and len(part) > 1:
            found.append("0" if part[0] == "0" else "123456789")
            part = part[1:]
        found.extend(next((a for a in _ALPHABETS if c in a), c) for c in part)
    return Shape(tuple(found))


_whole_numbers = lru_cache(WholeNumbers)
