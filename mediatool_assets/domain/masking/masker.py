"""What masks the values of a share of rows, and remembers what it did for the proof."""

from collections import Counter
from collections.abc import Iterable

from mediatool_assets.domain.masking.key import KeyedDigest, MaskingKey
from mediatool_assets.domain.masking.pseudonyms import PseudonymKind, Pseudonyms
from mediatool_assets.domain.masking.redaction import redacted_text
from mediatool_assets.domain.masking.search_terms import readings
from mediatool_assets.domain.masking.texts import texts

NAME_PART = 5
"""Letters of a part of a name: shorter ones are words of the language too often."""

REDACTED = "(redacted)"
"""The kind of every text that was taken away."""


class Masker:
    """The key at work. ``pairs`` holds, by kind, each different original and what it became.

    ``counts`` holds how many values were masked, by column and rule. Both start anew with
    ``begin``: what is held is bounded by what is masked between two calls of it.
    """

    def __init__(self, key: MaskingKey, kinds: Iterable[PseudonymKind]) -> None:
        self._kinds = {kind.name: Pseudonyms(key, kind) for kind in kinds}
        self._redact = KeyedDigest(key.derive("redact"))
        self.noise = KeyedDigest(key.derive("noise"))
        self.begin()

    def begin(self) -> None:
        """Forget what was done."""
        self.pairs: dict[str, dict[str, str]] = {name: {} for name in (*self._kinds, REDACTED)}
        self.counts: Counter[tuple[str, str]] = Counter()

    def name_parts(self) -> set[str]:
        """The words of the names of people that were masked, those of five letters and more."""
        people = [name for name, made in self._kinds.items() if made.kind.format == "person"]
        values = (value for name in people for value in self.pairs[name])
        words = (word for value in values for reading in readings(value) for word in reading)
        return {word for word in words if len(word) >= NAME_PART and word.isalpha()}

    def kind(self, name: str) -> PseudonymKind:
        """The kind of that name."""
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
        """Words of the length of a text."""
        made = self.pairs[REDACTED][value] = redacted_text(self._redact, value)
        return made

    def taken(self, value: bytes) -> None:
        """Remember the texts of a value's JSON, of which nothing is left."""
        for text in texts(value):
            self.pairs[REDACTED].setdefault(text, "")
