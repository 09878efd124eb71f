"""Pseudonyms: equal values of a kind become equal values of the same form.

``number`` is a keyed permutation: distinct values have distinct pseudonyms. The other formats
hold 56 or more bits of a keyed digest; every run proves that no two of its values became equal.

A keyed permutation of the numbers below any size: distinct numbers stay distinct.

Telephone numbers in texts, in the ways that people write them.

Texts of one shape, such as ``AB-12``, numbered from 0 to the size of the shape.

Made-up words: names built from syllables, and filler text of any length.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, groupby, islice
from math import isqrt, prod
from types import MappingProxyType
from uuid import UUID

import phonenumbers

from mediatool_assets.core.signing import KeyedDigest, MaskingKey

ROUNDS = 10  # NIST SP 800-38G uses 8 or 10 for a Feistel network; small sizes need more


def permute(
    digest: KeyedDigest,
    tweak: bytes,
    number: int,
    size: int,
    accept: Callable[[int], bool] | None = None,
) -> int:
    """The number's place in a permutation of ``range(size)`` that key and tweak determine.

    A Feistel network over a square of at least ``size`` numbers. A result outside of the range is
    permuted again until it is inside (cycle walking), so it stays a permutation. With ``accept``,
    which must be true for ``number``, it permutes the accepted numbers among themselves.
    """
    side = isqrt(size - 1) + 1
    while True:
        left, right = divmod(number, side)
        for turn in range(ROUNDS):
            left, right = right, (left + _round(digest, tweak, turn, right, side)) % side
        number = left * side + right
        if number < size and (accept is None or accept(number)):
            return number


def _round(digest: KeyedDigest, tweak: bytes, turn: int, half: int, side: int) -> int:
    """A pseudo-random number below ``side``, almost evenly distributed: 64 bits to spare."""
    width = (side.bit_length() + 7) // 8
    message = bytes([turn]) + half.to_bytes(width, "big") + tweak
    made, part = digest(message), 1
    while len(made) < width + 8:
        made += digest(bytes([part]) + made)
        part += 1
    return int.from_bytes(made[: width + 8], "big") % side


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


_ONSETS = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br")
_RIMES = ("a", "e", "i", "o", "u", "an", "el", "or")
SYLLABLES = tuple(onset + rime for onset in _ONSETS for rime in _RIMES)
"""128 syllables. Each begins with a consonant, so a word can be split in one way only: different
syllables make different words.
"""

_TEXT = (
    "the", "plan", "follows", "what", "was", "agreed", "and", "leaves", "room", "for", "whatever",
    "comes", "later", "so", "that", "every", "part", "of", "it", "can", "be", "read", "again", "in",
    "good", "order", "while", "numbers", "are", "kept", "beside", "words", "which", "explain",
    "them", "nothing", "here", "says", "anything", "about", "people", "or", "business", "this",
    "text", "stands", "in", "for", "another", "one", "as", "long", "as", "its", "own", "was",
)  # fmt: skip


def words(number: int, syllables: tuple[int, ...]) -> list[str]:
    """Capitalized words with the given numbers of syllables; each uses 7 bits of the number."""
    made = []
    for count in syllables:
        parts = []
        for _ in range(count):
            number, index = divmod(number, len(SYLLABLES))
            parts.append(SYLLABLES[index])
        made.append("".join(parts).capitalize())
    return made


def text(start: int, length: int) -> str:
    """Plain words, ``length`` characters in total, from a position that ``start`` determines."""
    first = start % len(_TEXT)
    running = islice(cycle(_TEXT), first, first + length // 2 + 1)  # a word has one or more
    cut = " ".join(running)[:length]
    return cut[:-1] + "." if cut.endswith(" ") else cut


MAIL_DOMAIN = "masked.example.com"
"""The domain of all masked e-mail addresses: RFC 2606 reserves example.com."""

_LIMITS = (2**15 - 1, 2**31 - 1, 2**63 - 1)
"""Integers are permuted within their integer type, in texts too, so they fit their columns."""
LONGEST = 200
"""The most characters of a text that is permuted; a longer one becomes a token of its digest."""

_HEX_DIGITS = re.compile(r"-?[1-9][0-9]*")
_CACHED = 1 << 14  # pseudonyms that a kind remembers: about 4 MB


@dataclass(frozen=True, slots=True)
class PseudonymKind:
    """One kind of value, such as e-mail addresses: all values of a kind share their pseudonyms.

    ``prefix`` belongs to the format ``number``: it is kept if a value has it, like ``CN-`` of
    CN-46.
    """

    name: str
    format: str
    prefix: str = ""
    line: int = 0

    @property
    def is_permutation(self) -> bool:
        """Whether a pseudonym can equal another value's original, like the numbers of a range."""
        return self.format == "number"


class Pseudonyms:
    """The pseudonyms of one kind under one key, with a cache. Not for use by two threads."""

    def __init__(self, key: MaskingKey, kind: PseudonymKind) -> None:
        self.kind = kind
        self._digest = KeyedDigest(key.derive(f"kind {kind.name}"))
        self._make = FORMATS[kind.format]
        self._remembered = lru_cache(_CACHED)(self._fresh)

    def text(self, value: str) -> str:
        """The pseudonym of a text; an empty text, or one of nothing but marks and spaces, stays."""
        return self._remembered(value)

    def integer(self, value: int) -> int:
        """The pseudonym of a number of up to LONGEST characters: as many digits, the same sign.

        It equals the pseudonym of the number's text; zero is unchanged.
        """
        return int(self.text(str(value)))

    def _fresh(self, value: str) -> str:
        if not any(map(str.isalnum, value)):
            return value
        return self._make(self._digest, value, self.kind.prefix)


def _number(digest: KeyedDigest, value: str, prefix: str) -> str:
    """Replace digits by digits, and letters by letters of their case; keep a prefix and the rest.

    Zero is unchanged, and no number becomes zero: zero has no sign, so 1 and -1 would become equal.
    """
    if not value.isascii() or len(value) > LONGEST:
        return _token(digest, value, prefix)
    if prefix and value.startswith(prefix):
        return prefix + _permuted(digest, prefix, value[len(prefix) :])
    digits = len(value)
    if digits > 1 and value.isdigit() and _limit("1" * digits) == _limit("9" * digits):
        return _permuted(digest, "", value)  # whatever it can become has its limit
    limit = _limit(value)
    return _permuted(
        digest,
        "",
        value,
        lambda text: _limit(text) == limit and not (prefix and text.startswith(prefix)),
    )


def _limit(text: str) -> int | None:
    """The integer type's limit for a number; None for zero, other texts and larger ones."""
    if not _HEX_DIGITS.fullmatch(text):
        return None
    number = int(text)
    return next((limit for limit in _LIMITS if -limit - 1 <= number <= limit), None)


def _permuted(
    digest: KeyedDigest, tweak: str, value: str, accept: Callable[[str], bool] | None = None
) -> str:
    """Permute a text among all texts with the same kinds of characters in the same places."""
    shape = shape_of(value)
    made = permute(
        digest,
        f"{tweak}\0{shape.tweak}".encode(),
        shape.number(value),
        shape.size,
        None if accept is None else lambda number: accept(shape.text(number)),
    )
    return shape.text(made)


def _of(digest: KeyedDigest, value: str) -> bytes:
    return digest(value.encode("utf-8", "surrogatepass"))


def _person(digest: KeyedDigest, value: str, _: str) -> str:
    return " ".join(words(int.from_bytes(_of(digest, value)), (4, 4)))


def _title(digest: KeyedDigest, value: str, _: str) -> str:
    return " ".join(words(int.from_bytes(_of(digest, value)), (3, 3, 3)))


def _email(digest: KeyedDigest, value: str, _: str) -> str:
    local = ".".join(words(int.from_bytes(_of(digest, value)), (4, 4)))
    return f"{local.lower()}@{MAIL_DOMAIN}"


def _uuid(digest: KeyedDigest, value: str, _: str) -> str:
    """A random-looking UUID: version 4, its variant that of RFC 9562; 122 bits are the value's."""
    return str(UUID(bytes=_of(digest, value)[:16], version=4))


def _token(digest: KeyedDigest, value: str, _: str) -> str:
    return "x" + base64.b32encode(_of(digest, value)[:15]).decode().lower()


def _url(digest: KeyedDigest, value: str, _: str) -> str:
    return f"https://{MAIL_DOMAIN}/{_token(digest, value, '')}"


FORMATS: Mapping[str, Callable[[KeyedDigest, str, str], str]] = MappingProxyType(
    {
        "number": _number,
        "person": _person,
        "title": _title,
        "email": _email,
        "uuid": _uuid,
        "token": _token,
        "url": _url,
    }
)
"""The formats of pseudonyms, by the name that rules use."""

LENGTHS: Mapping[str, int | None] = MappingProxyType(
    {"number": None, "person": 33, "title": 38, "email": 52, "uuid": 36, "token": 25, "url": 52}
)
"""The most characters that a format produces; None: as many as the value has."""
