"""A keyed permutation of the numbers below any size: distinct numbers stay distinct."""

from collections.abc import Callable
from math import isqrt

from mediatool_assets.domain.masking.key import KeyedDigest

ROUNDS = 10  # NIST SP 800-38G uses 8 or 10 for a Feistel network; small sizes need more


def permute(
    digest: KeyedDigest,
    tweak: bytes,
    number: int,
    size: int,
    accept: Callable[[int], bool] | None = None,
) -> int:
    """The number's place in a permutation of ``range(size)`` that key and tweak determine.

    A Feistel network over a square of at least ``size`` numbers. A result outside of the range is
    permuted again until it is inside (cycle walking), so it stays a permutation. With ``accept``,
    which must be true for ``number``, it permutes the accepted numbers among themselves.
    """
    side = isqrt(size - 1) + 1
    while True:
        left, right = divmod(number, side)
        for turn in range(ROUNDS):
            left, right = right, (left + _round(digest, tweak, turn, right, side)) % side
        number = left * side + right
        if number < size and (accept is None or accept(number)):
            return number


def _round(digest: KeyedDigest, tweak: bytes, turn: int, half: int, side: int) -> int:
    """A pseudo-random number below ``side``, almost evenly distributed: 64 bits to spare."""
    width = (side.bit_length() + 7) // 8
    message = bytes([turn]) + half.to_bytes(width, "big") + tweak
    made, part = digest(message), 1
    while len(made) < width + 8:
        made += digest(bytes([part]) + made)
        part += 1
    return int.from_bytes(made[: width + 8], "big") % side
