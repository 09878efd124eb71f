"""The tokenizer of the search for originals, for the originals and for the output alike.

A text is read as words: in Unicode's compatibility form, without case, accents, invisible
characters and punctuation, and split where case changes inside a word (``AdaAshgrove``). A term is
a run of consecutive words written together, so that ``Ada Ashgrove``, ``'ADA-ASHGROVE'``,
``ada_ashgrove's`` and ``AdaAshgrove`` all contain the term ``adaashgrove``. A space between two
digits is kept: 2025-01-02 is not 20250102.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from mediatool_assets.domain.masking.homoglyphs import LOOK_ALIKES

SHORTEST, SHORTEST_NUMBER = 6, 8
"""The least characters of an original that is searched for: shorter ones occur by chance."""

SHORTEST_TERM = 5
"""The least characters of a term: a two-word original of six characters has one of five."""

LONGEST = 64
"""The most words of a term. A longer original is searched for by its first and its last 64 words:
long texts are quoted from one end, and one more term for every word would cost the most memory.
"""

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
_HUMP = re.compile(r"[a-z][A-Z]|[A-Za-z]{4}[0-9]")  # where _CUT splits, and far faster to search
_BARE_UUID = re.compile(
    r"(?<![0-9a-z])([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})(?![0-9a-z])",
    re.IGNORECASE,
)
_SILENT = frozenset({"at", "dot"})
"""The words of a spelt-out address; removed from every text, so that ``at`` equals ``@``."""


def visible(text: str) -> str:
    """A text in Unicode's compatibility form, without invisible characters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(_INVISIBLE)


def readings(text: str) -> Iterator[list[str]]:
    """The words of a text; and again with look-alike letters as Latin ones, if it has any.

    So a Cyrillic name and the Latin name that looks like it are both found, in any case.
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
    """Split where case changes, without case and accents, in composed form."""
    cut = [a + " " if a.islower() and b.isupper() else a for a, b in pairwise(text)]
    humps = _CUT.sub(" ", "".join(cut) + text[-1:]).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", humps).translate(_ACCENTS))


def joined(words: list[str]) -> str:
    """The term of these words together."""
    term = words[0] if words else ""
    for word in words[1:]:
        term += f" {word}" if term[-1].isdigit() and word[0].isdigit() else word
    return term


def is_telling(words: list[str]) -> bool:
    """Whether an original of these words is distinctive enough to be searched for."""
    characters = sum(map(len, words))
    if all(map(str.isdecimal, words)):
        return characters >= SHORTEST_NUMBER
    return characters >= SHORTEST_TERM and characters + len(words) - 1 >= SHORTEST


def terms_of(original: str, *, is_name: bool = False) -> set[str]:
    """The terms by which an original is searched for; none if it is not distinctive enough.

    A person's name (``is_name``) is also searched for with its last word first.
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
            if len(words) > 2:  # without the middle words
                found |= {joined([words[0], words[-1]]), joined([words[-1], words[0]])}
    return found
