"""Made-up words: names built from syllables, and filler text of any length."""

from itertools import cycle, islice

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
