"""The one tokenizer of the search for originals: for the originals, and for what comes out.

A text is read as words: Unicode's compatibility form, without case, accents, invisible characters
and punctuation, cut where case changes inside a word (``AdaAshgrove``). A term is some consecutive
words written together, so that ``Ada Ashgrove``, ``'ADA-ASHGROVE'``, ``ada_ashgrove's`` and
``AdaAshgrove`` all hold the term ``adaashgrove``. Between two digits a space stays: 2025-01-02 is
not 20250102.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from mediatool_assets.domain.masking.homoglyphs import LOOK_ALIKES

SHORTEST, SHORTEST_NUMBER = 6, 8
"""Characters of an original that is searched for: shorter ones are anywhere by chance."""

SHORTEST_TERM = 5
"""Characters of a term: an original of six has one of five where it is two words."""

LONGEST = 64
"""Words of a term. A longer original is searched for by its first and by its last 64: texts that
long are quoted from one end, and one term more for every word would be the largest part of all."""

_INVISIBLE = dict.fromkeys(
    [
        0x00AD, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180E, 0x2800,
        0x3164, 0xFEFF, 0xFFA0, *range(0x200B, 0x2010), *range(0x202A, 0x202F),
        *range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0),
    ]
)  # fmt: skip
_ACCENTS = dict.fromkeys(
    [
        *range(0x0300, 0x0370), *range(0x1AB0, 0x1B00), *range(0x1DC0, 0x1E00),
        *range(0x20D0, 0x2100), *range(0xFE20, 0xFE30),
    ]
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_CUT = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z]{4})(?=[0-9])")
_HUMP = re.compile(r"[a-z][A-Z]|[A-Za-z]{4}[0-9]")  # where _CUT cuts, and far quicker to look for
_BARE_UUID = re.compile(
    r"(?<![0-9a-z])([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})(?![0-9a-z])",
    re.IGNORECASE,
)
_SILENT = frozenset({"at", "dot"})
"""How an address is spelt out; left out of every text, so that ``at`` is as good as ``@``."""


def visible(text: str) -> str:
    """A text without the characters that nobody sees, in Unicode's compatibility form."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(_INVISIBLE)


def readings(text: str) -> Iterator[list[str]]:
    """The words of a text; once more with its look-alike letters as Latin ones, where it has any.

    A Cyrillic name and the Latin one that it looks like are both found, each in any case.
    """
    if len(text) >= 32:
        text = _BARE_UUID.sub(r"\1-\2-\3-\4-\5", text)
    if text.isascii():
        cut = _CUT.sub(" ", text) if _HUMP.search(text) else text
        yield [word for word in _ASCII_WORD.findall(cut.lower()) if word not in _SILENT]
        return
    plain = visible(text)
    first = _bare(plain)
    yield [word for word in _WORD.findall(first) if word not in _SILENT]
    apart = unicodedata.normalize("NFKD", plain).translate(_ACCENTS)
    second = _bare(apart.translate(LOOK_ALIKES))
    if second != first:
        yield [word for word in _WORD.findall(second) if word not in _SILENT]


def _bare(text: str) -> str:
    """Cut where case changes, and without case and accents; else composed as it was."""
    cut = [a + " " if a.islower() and b.isupper() else a for a, b in pairwise(text)]
    humps = _CUT.sub(" ", "".join(cut) + text[-1:]).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", humps).translate(_ACCENTS))


def joined(words: list[str]) -> str:
    """The term that the words are together."""
    term = words[0] if words else ""
    for word in words[1:]:
        term += f" {word}" if term[-1].isdigit() and word[0].isdigit() else word
    return term


def is_telling(words: list[str]) -> bool:
    """Whether an original of these words says enough to be searched for."""
    characters = sum(map(len, words))
    if all(map(str.isdecimal, words)):
        return characters >= SHORTEST_NUMBER
    return characters >= SHORTEST_TERM and characters + len(words) - 1 >= SHORTEST


def terms_of(original: str, *, is_name: bool = False) -> set[str]:
    """The terms by which an original is searched for; none where it says too little.

    A person's ``is_name`` is searched for with its last word first too.
    """
    found: set[str] = set()
    for words in readings(original):
        if not is_telling(words):
            continue
        if len(words) <= LONGEST:
            found.add(joined(words))
        else:
            found |= {joined(words[:LONGEST]), joined(words[-LONGEST:])}
        if is_name and 1 < len(words) <= LONGEST:
            found |= {joined([words[-1], *words[:-1]]), joined([*words[1:], words[0]])}
            if len(words) > 2:  # without what is in the middle
                found |= {joined([words[0], words[-1]]), joined([words[-1], words[0]])}
    return found
