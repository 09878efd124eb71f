"""Pseudonyms: one value of a kind always becomes the same other value that looks like it.

``number`` is a keyed permutation, in which different values cannot become one; the other formats
hold 56 bits or more of a keyed digest, and every run proves that none met another.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.masking.permutation import permute
from mediatool_assets.domain.masking.words import words

MAIL_DOMAIN = "masked.example.com"
"""Where every masked e-mail address lives: RFC 2606 reserves example.com."""

_LIMITS = (2**15 - 1, 2**31 - 1, 2**63 - 1)
"""Integers of each size stay among those of their size, in text too: they fit their columns."""
LONGEST = 200
"""Characters that are permuted one by one; a longer number is nobody's number."""

_DIGITS = re.compile(r"-?[1-9][0-9]*")
_CACHED = 1 << 14  # pseudonyms that a kind remembers: about 4 MB


@dataclass(frozen=True, slots=True)
class PseudonymKind:
    """One kind of value, as e-mail addresses: values of a kind have their pseudonyms in common.

    ``prefix`` belongs to the format ``number``: it stays where a value has it, as ``CN-`` of CN-46.
    """

    name: str
    format: str
    prefix: str = ""
    line: int = 0

    @property
    def is_permutation(self) -> bool:
        """Whether a pseudonym may well be another value's original, as the numbers of a range."""
        return self.format == "number"


class Pseudonyms:
    """The pseudonyms of one kind under one key. A cache and no other state; not for two threads."""

    def __init__(self, key: MaskingKey, kind: PseudonymKind) -> None:
        self.kind = kind
        self._key = key.derive(f"kind {kind.name}")
        self._make = FORMATS[kind.format]
        self._known: dict[str, str] = {}

    def text(self, value: str) -> str:
        """The pseudonym of a text; an empty text, or one of nothing but marks and spaces, stays."""
        found = self._known.get(value)
        if found is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            found = self._known[value] = self._fresh(value)
        return found

    def integer(self, value: int) -> int:
        """The pseudonym of a number of up to LONGEST digits: of as many, and the same sign.

        It is that of the number's text; zero stays.
        """
        return int(self.text(str(value)))

    def _fresh(self, value: str) -> str:
        if not any(map(str.isalnum, value)):
            return value
        return self._make(self._key, value, self.kind.prefix)


def _number(key: bytes, value: str, prefix: str) -> str:
    """Digits become digits, letters letters of their case; all else, and a prefix, stays.

    Zero stays and nothing becomes it: as a number it has no sign, and 1 and -1 would be one.
    """
    if not value.isascii() or len(value) > LONGEST:
        return _token(key, value, prefix)
    if prefix and value.startswith(prefix):
        return prefix + _permuted(key, prefix, value[len(prefix) :], lambda _: True)
    if value == "0":
        return value
    limit = _limit(value)
    return _permuted(
        key,
        "",
        value,
        lambda text: _limit(text) == limit and not (prefix and text.startswith(prefix)),
    )


def _limit(text: str) -> int | None:
    """The size of integer that a number fits, 0 for zero; None for other texts, and beyond."""
    if not _DIGITS.fullmatch(text):
        return 0 if text == "0" else None
    number = int(text)
    return next((limit for limit in _LIMITS if -limit - 1 <= number <= limit), None)


def _permuted(key: bytes, tweak: str, value: str, accept: Callable[[str], bool]) -> str:
    """Permute a text among all that have the same kinds of characters in the same places."""
    alphabets = _alphabets(value)
    size = 1
    for alphabet in alphabets:
        size *= len(alphabet)
    if size == 1:
        return value
    number = 0
    for alphabet, character in zip(alphabets, value, strict=True):
        number = number * len(alphabet) + alphabet.index(character)
    shape = "\0".join((tweak, *alphabets)).encode()
    made = permute(key, shape, number, size, lambda found: accept(_spelt(alphabets, found)))
    return _spelt(alphabets, made)


def _alphabets(value: str) -> list[str]:
    """What each character may become. A number's first digit is not zero, or is zero and stays."""
    found: list[str] = []
    for is_digits, run in groupby(value, str.isdigit):
        text = "".join(run)
        if is_digits and len(text) > 1:
            found.append("0" if text[0] == "0" else "123456789")
            text = text[1:]
        found.extend(next((a for a in _ALPHABETS if c in a), c) for c in text)
    return found


_ALPHABETS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _spelt(alphabets: list[str], number: int) -> str:
    characters = []
    for alphabet in reversed(alphabets):
        number, index = divmod(number, len(alphabet))
        characters.append(alphabet[index])
    return "".join(reversed(characters))


def _digest(key: bytes, value: str) -> bytes:
    return hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256")


def _person(key: bytes, value: str, _: str) -> str:
    return " ".join(words(int.from_bytes(_digest(key, value)), (4, 4)))


def _title(key: bytes, value: str, _: str) -> str:
    return " ".join(words(int.from_bytes(_digest(key, value)), (3, 3, 3)))


def _email(key: bytes, value: str, _: str) -> str:
    local = ".".join(words(int.from_bytes(_digest(key, value)), (4, 4)))
    return f"{local.lower()}@{MAIL_DOMAIN}"


def _uuid(key: bytes, value: str, _: str) -> str:
    """A random-looking UUID: version 4, its variant that of RFC 9562; 122 bits are the value's."""
    text = _digest(key, value).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) % 4]}" + (
        f"{text[17:20]}-{text[20:32]}"
    )


def _token(key: bytes, value: str, _: str) -> str:
    return "x" + base64.b32encode(_digest(key, value)[:15]).decode().lower()


def _url(key: bytes, value: str, _: str) -> str:
    return f"https://{MAIL_DOMAIN}/{_token(key, value, '')}"


FORMATS: Mapping[str, Callable[[bytes, str, str], str]] = MappingProxyType(
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
"""How the pseudonyms of a kind look, by the name that rules give it."""

LENGTHS: Mapping[str, int | None] = MappingProxyType(
    {"number": None, "person": 33, "title": 38, "email": 52, "uuid": 36, "token": 25, "url": 52}
)
"""The most characters that a format needs; None: as many as the value has."""
