"""Ed25519 keys as text, and statements with their signature.

A key has two halves. The secret half signs, and is never in the bucket; the public half verifies.

The secret key of pseudonyms; each kind of value uses a key derived from it.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, NoReturn

import msgspec

from mediatool_assets.core.texts import JsonDocument

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


_BYTES = 32  # as long as the digest of HMAC-SHA256; less would be the weakest part
_DISTINCT = 20  # 32 random bytes hold about 30 different ones; fewer than 20 once in 10**10 keys
_BLOCK = 64  # bytes of SHA-256's blocks; a longer key would have to be hashed first
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


@dataclass(frozen=True, slots=True)
class MaskingKey:
    """At least 32 random bytes. It is never printed, and derived keys do not reveal it."""

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "MaskingKey":
        """Read hexadecimal or base64; raises ValueError, which does not show the text.

        Refused as weak: fewer than 32 bytes, fewer than 20 different ones, or a repeated half.
        """
        secret = _decoded_key(text.strip())
        if len(secret) < _BYTES:
            raise ValueError(f"holds {len(secret)} bytes and needs {_BYTES}; {_ADVICE}")
        second_half = secret[(len(secret) + 1) // 2 :]
        if len(set(secret)) < _DISTINCT or secret.startswith(second_half):
            raise ValueError(f"is not random enough; {_ADVICE}")
        return cls(secret)

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle with the key may be kept or logged."""
        raise TypeError(
            "a masking key is secret, so it cannot be pickled, except for a pool of workers"
        )

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, which do not reveal the bytes of another purpose."""
        return hmac.digest(self.secret, b"mediatool masking 1\0" + purpose.encode(), "sha256")

    @property
    def id(self) -> str:
        """16 hex digits that distinguish two keys and reveal neither."""
        return self.derive("key id")[:8].hex()


class KeyedDigest:
    """HMAC-SHA256 (RFC 2104) with one key of at most 64 bytes, which is set up once.

    ``hmac.digest`` sets it up for every message, and takes three times as long for short ones.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, message: bytes) -> bytes:
        """The 32 bytes of a message's digest."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


_ADVICE = "make one with `openssl rand -hex 32`"


def _decoded_key(text: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is neither hexadecimal nor base64; {_ADVICE}") from None
