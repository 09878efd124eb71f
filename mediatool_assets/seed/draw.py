"""Deterministic random choices: every value is computed from a name and a number."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

EPOCH = datetime(2025, 6, 2, tzinfo=UTC)
"""Midnight before day 0; no clock is read anywhere in the seed."""


class Draw:
    """A stream of small choices for the n-th row of something.

    It takes digits from a 512-bit hash, and hashes again when too few are left. So a row depends
    neither on the rows before it nor on the order in which tables are made.
    """

    __slots__ = ("_state",)

    def __init__(self, what: str, n: int) -> None:
        self._state = int.from_bytes(blake2b(f"{what}/{n}".encode()).digest())

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 to bound - 1; bound is at most 2**60."""
        self._state, choice = divmod(self._state, bound)
        if self._state < 1 << 64:
            self._state = int.from_bytes(blake2b(b"%d,%d" % (self._state, choice)).digest())
        return choice

    def of(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[self.below(len(items))]

    def chance(self, percent: int) -> bool:
        """Return True in ``percent`` of a hundred cases."""
        return self.below(100) < percent


def picked(n: int, count: int, total: int) -> bool:
    """Whether n is one of ``count`` numbers spread evenly over ``range(total)``."""
    return (n + 1) * count // total != n * count // total


def uuid_of(what: str, n: int) -> str:
    """Give the n-th UUID of a table."""
    text = blake2b(f"{what}/{n}".encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


_CRM_KINDS = {"accounts": 1, "campaigns": 2, "users": 3, "reps": 4, "agencies": 5, "gone": 6}


def crm_id(kind: str, n: int) -> str:
    """The n-th 19-digit id of the CRM; no row has an id of the kind ``gone``."""
    return str(4_876_876_000_000_000_001 + _CRM_KINDS[kind] * 100_000_000_000 + n * 977)


def moment(draw: Draw, days: int, until: datetime = EPOCH) -> datetime:
    """Draw a microsecond in the ``days`` before ``until``."""
    return until - timedelta(
        seconds=1 + draw.below(days * 86_400), microseconds=draw.below(1_000_000)
    )


def amount(draw: Draw, bound: int, digits: int = 2) -> str:
    """Draw an amount of money below ``bound``, as text, with ``digits`` decimals."""
    return f"{draw.below(bound)}.{draw.below(10**digits):0{digits}d}"
