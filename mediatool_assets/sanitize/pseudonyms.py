"""Pseudonyms: equal values of a kind become equal values of the same form.

``number`` is a keyed permutation: distinct values have distinct pseudonyms. The other formats
hold 56 or more bits of a keyed digest; every run proves that no two of its values became equal.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from uuid import UUID

from mediatool_assets.domain.masking.key import KeyedDigest, MaskingKey
from mediatool_assets.domain.masking.permutation import permute
from mediatool_assets.domain.masking.text_shapes import shape_of
from mediatool_assets.domain.masking.words import words

MAIL_DOMAIN = "masked.example.com"
"""The domain of all masked e-mail addresses: RFC 2606 reserves example.com."""

_LIMITS = (2**15 - 1, 2**31 - 1, 2**63 - 1)
"""Integers are permuted within their integer type, in texts too, so they fit their columns."""
LONGEST = 200
"""The most characters of a text that is permuted; a longer one becomes a token of its digest."""

_DIGITS = re.compile(r"-?[1-9][0-9]*")
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
    if not _DIGITS.fullmatch(text):
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
