"""The secret key of pseudonyms; each kind of value uses a key derived from it."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import NoReturn

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
        secret = _decoded(text.strip())
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


def _decoded(text: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is neither hexadecimal nor base64; {_ADVICE}") from None
