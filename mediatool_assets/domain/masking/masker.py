"""Masks the values of a share of rows, and records what it did for the proof."""

from collections import Counter
from collections.abc import Iterable

from mediatool_assets.domain.masking.key import KeyedDigest, MaskingKey
from mediatool_assets.domain.masking.pseudonyms import PseudonymKind, Pseudonyms
from mediatool_assets.domain.masking.redaction import redacted_text
from mediatool_assets.domain.masking.search_terms import readings
from mediatool_assets.domain.masking.texts import texts

NAME_PART = 5
"""The least letters of a part of a name: shorter ones are too often ordinary words."""

REDACTED = "(redacted)"
"""The kind of every text that was removed."""


class Masker:
    """A key in use. ``pairs`` holds, by kind, each distinct original and its replacement.

    ``counts`` holds the number of masked values, by column and rule. ``begin`` clears both, so
    their size is bounded by the values masked between two calls.
    """

    def __init__(self, key: MaskingKey, kinds: Iterable[PseudonymKind]) -> None:
        self._kinds = {kind.name: Pseudonyms(key, kind) for kind in kinds}
        self._redact = KeyedDigest(key.derive("redact"))
        self.noise = KeyedDigest(key.derive("noise"))
        self.begin()

    def begin(self) -> None:
        """Clear the records."""
        self.pairs: dict[str, dict[str, str]] = {name: {} for name in (*self._kinds, REDACTED)}
        self.counts: Counter[tuple[str, str]] = Counter()

    def name_parts(self) -> set[str]:
        """The words of five or more letters in the names of people that were masked."""
        people = [name for name, made in self._kinds.items() if made.kind.format == "person"]
        values = (value for name in people for value in self.pairs[name])
        words = (word for value in values for reading in readings(value) for word in reading)
        return {word for word in words if len(word) >= NAME_PART and word.isalpha()}

    def kind(self, name: str) -> PseudonymKind:
        """The pseudonym kind of that name."""
        return self._kinds[name].kind

    def pseudonym(self, kind: str, value: str) -> str:
        """The pseudonym of a text."""
        made = self.pairs[kind][value] = self._kinds[kind].text(value)
        return made

    def integer(self, kind: str, value: int) -> int:
        """The pseudonym of a whole number."""
        made = self._kinds[kind].integer(value)
        self.pairs[kind][str(value)] = str(made)
        return made

    def redacted(self, value: str) -> str:
        """Filler words with the length of a text."""
        made = self.pairs[REDACTED][value] = redacted_text(self._redact, value)
        return made

    def taken(self, value: bytes) -> None:
        """Record the texts of a value's JSON that was removed completely."""
        for text in texts(value):
            self.pairs[REDACTED].setdefault(text, "")
