"""The originals that are searched for: a filter of their terms, which all workers share.

One of 100 other terms of the output passes the filter by chance. Only terms that pass are written
down, as keyed digests, and the proof compares them with the digests of the originals. No term is
ever written to disk.
"""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy
from xxhash import xxh3_64_intdigest

from mediatool_assets.domain.masking.search_terms import (
    LONGEST,
    SHORTEST_NUMBER,
    SHORTEST_TERM,
    readings,
)
from mediatool_assets.domain.masking.telephones import telephone_terms

_BITS = 1 << 28
"""Size of the filter, 32 MiB, shared by all workers. A million originals set 1 % of its bits."""

_LONGER = 6  # minimum bytes of a term; SHORTEST_NUMBER if it begins with a digit
_FILTER = "originals.filter"
_DIGITS = b"0123456789"


def term_hashes(terms: Iterable[str], seed: int) -> set[int]:
    """The hashes of terms for a filter: of each whole term, and of its beginning."""
    found: set[int] = set()
    for text in terms:
        term = text.encode("utf-8", "surrogatepass")
        found.add(xxh3_64_intdigest(term, seed))
        if not term.startswith(b"tel "):
            is_number = term[0] in _DIGITS and len(term) >= SHORTEST_NUMBER
            found.add(xxh3_64_intdigest(term[:SHORTEST_TERM], seed + 1))
            found.add(
                xxh3_64_intdigest(term[: SHORTEST_NUMBER if is_number else _LONGER], seed + 1)
            )
    return found


def write_term_hashes(folder: Path, share: int | str, found: set[int]) -> None:
    """Write the hashes of a share's originals."""
    numpy.save(folder / f"marks-{share}.npy", numpy.array(list(found), dtype=numpy.uint64))


def write_filter(folder: Path) -> Path:
    """Combine the hashes of all shares to a filter file, and delete their files."""
    bits = numpy.zeros(_BITS // 8, dtype=numpy.uint8)
    for path in folder.glob("marks-*.npy"):
        places = numpy.load(path) & numpy.uint64(_BITS - 1)
        values = (numpy.uint8(1) << (places & numpy.uint64(7)).astype(numpy.uint8)).astype(
            numpy.uint8
        )
        numpy.bitwise_or.at(bits, places >> numpy.uint64(3), values)
        path.unlink()
    bits.tofile(folder / _FILTER)
    return folder / _FILTER


class Filter:
    """Tests whether a term may be an original's: always true for one, else in 1 % of the cases."""

    def __init__(self, path: Path, seed: int) -> None:
        with path.open("rb") as file:
            self._bits = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self._seed = seed
        self.words = 0
        """Number of words examined."""

    def terms(self, text: str) -> Iterator[str]:
        """The terms of a text that may be an original's."""
        for words in readings(text):
            self.words += len(words)
            yield from self._terms(words)
        for term in telephone_terms(text):
            if self._has(term.encode(), self._seed):
                yield term

    def _has(self, text: bytes, seed: int) -> bool:
        place = xxh3_64_intdigest(text, seed) & (_BITS - 1)
        return bool(self._bits[place >> 3] >> (place & 7) & 1)

    def _terms(self, words: list[str]) -> Iterator[str]:
        """Every sequence of consecutive words; few begin like an original."""
        text, starts, ends = _written(words)
        seed, has = self._seed, self._has
        for number, start in enumerate(starts):
            if len(text) - start < SHORTEST_TERM:
                return
            if not has(text[start : start + SHORTEST_TERM], seed + 1):
                continue
            longer = has(text[start : start + _LONGER], seed + 1) or (
                text[start] in _DIGITS and has(text[start : start + SHORTEST_NUMBER], seed + 1)
            )
            for end in ends[number : number + LONGEST]:
                if end - start > SHORTEST_TERM and not longer:
                    break
                if end - start >= SHORTEST_TERM and has(text[start:end], seed):
                    yield text[start:end].decode("utf-8", "surrogatepass")


def _written(words: list[str]) -> tuple[bytes, list[int], list[int]]:
    """The words joined as by ``joined``, with the start and end of each."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at, after_digit = 0, False
    for word in words:
        if after_digit and word[0].isdigit():
            parts.append(" ")
            at += 1
        starts.append(at)
        parts.append(word)
        at += len(word) if word.isascii() else len(word.encode("utf-8", "surrogatepass"))
        ends.append(at)
        after_digit = word[-1].isdigit()
    return "".join(parts).encode("utf-8", "surrogatepass"), starts, ends
