"""Ed25519 keys as text, and statements with their signature.

A key has two halves. The secret half signs, and is never in the bucket; the public half verifies.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar

import msgspec

from mediatool_assets.domain.json_documents import JsonDocument

_SECRET, _PUBLIC = "ed25519-secret:", "ed25519:"
_KEY_BYTES = 32


class Signed(msgspec.Struct, JsonDocument, frozen=True):
    """The exact text of a statement, the id of the signing key, and the signature in base64."""

    INDENT: ClassVar = 0

    statement: str
    key: str
    signature: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The key that verifies a signature; ``str`` and ``parse`` are inverse."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read what ``str`` wrote; raises ValueError."""
        return cls(_decoded(text, _PUBLIC))

    @property
    def id(self) -> str:
        """16 hexadecimal digits that identify the key in statements and messages."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def has_signed(self, signed: Signed) -> bool:
        """Whether this key made the signature of the statement."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # 50 ms
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415  # as above

        try:
            signature = base64.b64decode(signed.signature, validate=True)
            key = Ed25519PublicKey.from_public_bytes(self.raw)
            key.verify(signature, signed.statement.encode())
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        return _PUBLIC + base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The secret half: 32 random bytes, which neither ``str`` nor ``repr`` shows."""

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read what ``reveal`` wrote; raises ValueError, which does not contain the text."""
        return cls(_decoded(text, _SECRET))

    def reveal(self) -> str:
        """The key as text, for a file that only its owner can read."""
        return _SECRET + base64.b64encode(self.secret).decode()

    @property
    def public(self) -> PublicKey:
        """The public half."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  # 50 ms

        key = Ed25519PrivateKey.from_private_bytes(self.secret)
        return PublicKey(key.public_key().public_bytes_raw())

    def sign(self, statement: str) -> Signed:
        """The statement with this key's signature; the same each time."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  # 50 ms

        signature = Ed25519PrivateKey.from_private_bytes(self.secret).sign(statement.encode())
        return Signed(statement, self.public.id, base64.b64encode(signature).decode())


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, and the first and last day of the versions that it may sign."""

    key: PublicKey
    first: date | None = None
    last: date | None = None

    @classmethod
    def parse(cls, text: str) -> "TrustedKey":
        """``ed25519:KEY``, or ``ed25519:KEY@FIRST..LAST`` with a date or nothing at each end."""
        key, _, days = text.strip().partition("@")
        first, dots, last = days.partition("..")
        if days and not dots:
            raise ValueError(
                f"needs FIRST..LAST after @, such as 2026-01-01..2026-12-31, not {days!r}"
            )
        return cls(PublicKey.parse(key), _day(first), _day(last))

    def covers(self, day: date) -> bool:
        """Whether the key may sign versions of that day."""
        return (self.first or day) <= day <= (self.last or day)

    def __str__(self) -> str:
        if self.first is None and self.last is None:
            return str(self.key)
        return f"{self.key}@{self.first or ''}..{self.last or ''}"


def trusted_keys(text: str) -> tuple[TrustedKey, ...]:
    """Keys separated by commas or line ends; ``#`` begins a comment. Raises ValueError."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    found = tuple(
        TrustedKey.parse(part) for line in lines for part in line.split(",") if part.strip()
    )
    if not found:
        raise ValueError("contains no key")
    return found


def is_secret(text: str) -> bool:
    """Whether a text is meant as a secret key, valid or not, and not as the path of a file."""
    return text.startswith(_SECRET)


def is_public(text: str) -> bool:
    """Whether a text is meant as public keys, and not as the path of a file."""
    return text.startswith(_PUBLIC)


def _decoded(text: str, prefix: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip().removeprefix(prefix), validate=True)
    except binascii.Error:
        raw = b""
    if not text.strip().startswith(prefix) or len(raw) != _KEY_BYTES:
        raise ValueError(f"is not a key as `mediatool keys new` makes them ({prefix}...)")
    return raw


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
