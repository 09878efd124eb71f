"""Fingerprints: equal for equal contents in any order and any division, different otherwise."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.manifest import Fingerprint

ITEMS = st.lists(st.binary(max_size=12), max_size=20)


@given(ITEMS, st.randoms(use_true_random=False))
def test_order_does_not_matter(items: list[bytes], rng: random.Random) -> None:
    """The same items in another order have the same fingerprint."""
    shuffled = rng.sample(items, len(items))
    assert Fingerprint.of(items) == Fingerprint.of(shuffled)


@given(ITEMS, st.integers(0, 20))
def test_parts_add_up(items: list[bytes], cut: int) -> None:
    """Workers' fingerprints of their shares sum up to that of the whole."""
    assert Fingerprint.of(items[:cut]) + Fingerprint.of(items[cut:]) == Fingerprint.of(items)


@given(ITEMS)
def test_str_and_parse_are_inverse(items: list[bytes]) -> None:
    """A fingerprint's text gives the same fingerprint back."""
    fingerprint = Fingerprint.of(items)
    assert Fingerprint.parse(str(fingerprint)) == fingerprint
    assert fingerprint.count == len(items)


@given(ITEMS, ITEMS)
def test_different_items_differ(one: list[bytes], other: list[bytes]) -> None:
    """A lost, a doubled and a changed item each show."""
    assert (Fingerprint.of(one) == Fingerprint.of(other)) == (sorted(one) == sorted(other))


def test_twice_is_not_once_nor_never() -> None:
    """Two equal items do not cancel each other, as they would under exclusive or."""
    never, once, twice, thrice = (Fingerprint.of([b"x"] * n) for n in range(4))
    assert len({never, once, twice, thrice}) == 4
    assert never == Fingerprint()


@pytest.mark.parametrize("text", ["", "1", "1:", ":" + "0" * 32, "1:" + "g" * 32, "1:" + "0" * 33])
def test_other_texts_are_refused(text: str) -> None:
    """What is not a fingerprint is a ValueError."""
    with pytest.raises(ValueError, match=r"fingerprint|invalid literal"):
        Fingerprint.parse(text)


def test_the_text_is_fixed() -> None:
    """Manifests and markers of years ago have it: count, and 128 bits of the sum in hexadecimal."""
    assert str(Fingerprint()) == "0:" + "0" * 32
    assert str(Fingerprint.of([b""])) == "1:99aa06d3014798d86001c324468d497f"
    largest = Fingerprint(1, (1 << 128) - 1)
    assert largest + Fingerprint(1, 2) == Fingerprint(2, 1)
    assert largest + Fingerprint(1, 1) == Fingerprint(2, 0)
