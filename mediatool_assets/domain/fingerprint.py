"""A content fingerprint that does not depend on order, so that any two stores can be compared."""

from collections.abc import Iterable
from dataclasses import dataclass

from xxhash import xxh3_128_intdigest

_MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The number of items, and the sum of their XXH3-128 digests modulo 2**128.

    Equal multisets of byte strings have equal fingerprints in any order. A lost, duplicated or
    changed item changes the fingerprint. It protects against accidents; the SHA-256 of archives
    protects against tampering. ``str`` and ``parse`` are inverse: ``"<count>:<32 hex digits>"``.
    """

    count: int = 0
    digest: int = 0

    @classmethod
    def of(cls, items: Iterable[bytes]) -> "Fingerprint":
        """Fingerprint every item: one NDJSON line without its newline, or one BSON document."""
        count, digest = 0, 0
        for item in items:
            count += 1
            digest += xxh3_128_intdigest(item)
        return cls(count, digest % _MODULUS)

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """Read what ``str`` wrote; raises ValueError on anything else."""
        count, _, digest = text.partition(":")
        if len(digest) != 32:
            raise ValueError(f"{text!r} is not a fingerprint")
        return cls(int(count), int(digest, 16))

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(self.count + other.count, (self.digest + other.digest) % _MODULUS)

    def __str__(self) -> str:
        return f"{self.count}:{self.digest:032x}"
