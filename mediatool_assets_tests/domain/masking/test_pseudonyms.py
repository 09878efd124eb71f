"""Pseudonyms look like what they stand for, stay the same, and never meet."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.domain.masking.key import KeyedDigest, MaskingKey
from mediatool_assets.domain.masking.permutation import permute
from mediatool_assets.domain.masking.pseudonyms import FORMATS, LENGTHS, PseudonymKind, Pseudonyms
from mediatool_assets.domain.masking.words import SYLLABLES, text, words

KEY = MaskingKey(bytes(i * 37 % 256 for i in range(32)))
OTHER = MaskingKey(bytes(i * 41 % 256 for i in range(32)))


def pseudonyms(style: str, prefix: str = "", key: MaskingKey = KEY) -> Pseudonyms:
    """Pseudonyms of a kind in that format."""
    return Pseudonyms(key, PseudonymKind(style, style, prefix))


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 90, 100, 257])
def test_a_permutation_reaches_everything_once(size: int) -> None:
    """Every number below the size has a place of its own below the size."""
    assert sorted(permute(KeyedDigest(b"k" * 32), b"", n, size) for n in range(size)) == list(
        range(size)
    )


@given(st.integers(1, 10**60), st.data())
def test_large_sizes_are_permuted_too(size: int, data: st.DataObject) -> None:
    """Places are within the size, and different numbers have different ones."""
    one, other = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    places = [permute(KeyedDigest(b"k" * 32), b"tweak", n, size) for n in (one, other)]
    assert all(0 <= place < size for place in places)
    assert (places[0] == places[1]) == (one == other)


@given(st.sets(st.text(max_size=40), max_size=60), st.sampled_from(sorted(FORMATS)))
def test_different_values_stay_different(values: set[str], style: str) -> None:
    """No two texts of any kind become one, and each becomes the same again."""
    made = {value: pseudonyms(style).text(value) for value in values}
    assert len(set(made.values())) == len(values)
    assert all(pseudonyms(style).text(value) == pseudonym for value, pseudonym in made.items())


NUMBERS = st.one_of(
    st.from_regex(r"CN-[0-9]{1,6}", fullmatch=True),
    st.from_regex(r"[A-Za-z]{2}-[0-9]{1,4}", fullmatch=True),
    st.text(string.ascii_letters + string.digits + "- _", max_size=12),
    st.integers(0, 2**70).map(str),
)


@given(st.sets(NUMBERS, max_size=80), st.sampled_from(["", "CN-"]))
def test_numbers_keep_their_shape_and_never_meet(values: set[str], prefix: str) -> None:
    """Digits stay digits, letters letters of their case, marks and a prefix themselves."""
    made = {value: pseudonyms("number", prefix).text(value) for value in values}
    assert len(set(made.values())) == len(values)
    for value, pseudonym in made.items():
        assert [_shape(c) for c in value] == [_shape(c) for c in pseudonym]
        if prefix:
            assert pseudonym.startswith(prefix) == value.startswith(prefix)


def _shape(character: str) -> str:
    for shape in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
        if character in shape:
            return shape
    return character


def test_every_short_campaign_number_has_its_own() -> None:
    """Small ranges, where a hash would collide at once, are permuted among themselves."""
    kind = pseudonyms("number", "CN-")
    made = {kind.text(f"CN-{n}") for n in range(10_000)}
    assert len(made) == 10_000
    assert all(re.fullmatch(r"CN-(0|[1-9]\d{0,3})", number) for number in made)


@given(st.integers(-(10**30), 10**30) | st.sampled_from([-(2**n) for n in (15, 31, 63)]))
def test_integers_fit_their_columns(value: int) -> None:
    """As many digits, the same sign, within the type; the same as the text of the number."""
    made = pseudonyms("number").integer(value)
    assert len(str(made)) == len(str(value))
    assert (made < 0) == (value < 0)
    for limit in (2**15, 2**31, 2**63):
        assert (-limit <= made < limit) == (-limit <= value < limit)
    assert pseudonyms("number").text(str(value)) == str(made)


@given(st.integers(10**9, 10**30))
def test_long_numbers_do_not_stay(value: int) -> None:
    """Of whatever length."""
    assert pseudonyms("number").integer(value) != value


@pytest.mark.parametrize("prefix", ["", "CN-"])
@pytest.mark.parametrize("seed", range(20))
def test_zero_stays_and_no_number_becomes_it(seed: int, prefix: str) -> None:
    """Under any key: else a number and its negative, or a zero, would become one."""
    kind = pseudonyms("number", prefix, MaskingKey(bytes([seed + 1, *range(31)])))
    made = {value: kind.integer(value) for value in range(-9, 10)}
    assert made[0] == 0
    assert sorted(made.values()) == list(range(-9, 10))
    assert {value: int(kind.text(str(value))) for value in range(10)} == {
        value: made[value] for value in range(10)
    }


@pytest.mark.parametrize(
    ("style", "value", "shape"),
    [
        ("number", "4876123456789012345", r"[1-9]\d{18}"),
        ("number", "0012", r"0\d{3}"),
        ("person", "Ada Ashgrove", r"[A-Z][a-z]+ [A-Z][a-z]+"),
        ("person", "山田太郎", r"[A-Z][a-z]+ [A-Z][a-z]+"),
        ("title", "Cobalt Motors (West)", r"[A-Z][a-z]+ [A-Z][a-z]+ [A-Z][a-z]+"),
        ("email", "Ada.Ashgrove@example.com", r"[a-z]+\.[a-z]+@masked\.example\.com"),
        ("uuid", "x", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("token", "contract.pdf", r"x[a-z2-7]{24}"),
        ("url", "https://ads.example/1", r"https://masked\.example\.com/x[a-z2-7]{24}"),
    ],
)
def test_formats(style: str, value: str, shape: str) -> None:
    """Each format looks as its name says."""
    assert re.fullmatch(shape, pseudonyms(style).text(value))


@pytest.mark.parametrize("style", sorted(FORMATS))
@pytest.mark.parametrize("value", ["", " ", "-", "—", "\n"])
def test_what_says_nothing_stays(style: str, value: str) -> None:
    """An empty text stays empty, and marks stay marks: they are told apart from null and names."""
    assert pseudonyms(style).text(value) == value


@given(st.text(min_size=1), st.sampled_from([f for f, n in LENGTHS.items() if n is not None]))
def test_no_pseudonym_is_longer_than_said(value: str, style: str) -> None:
    """LENGTHS is what a column has to hold."""
    made = pseudonyms(style).text(value)
    assert made == value or len(made) <= (LENGTHS[style] or 0)


def test_keys_and_kinds_have_nothing_in_common() -> None:
    """Another key, or another kind, gives another pseudonym."""
    names = [
        pseudonyms("person").text("Ada"),
        pseudonyms("person", key=OTHER).text("Ada"),
        Pseudonyms(KEY, PseudonymKind("customer", "person")).text("Ada"),
    ]
    assert len(set(names)) == 3


def test_syllables_part_in_one_way() -> None:
    """Different numbers make different words: no syllable begins as another goes on."""
    pairs = {one + other for one in SYLLABLES for other in SYLLABLES}
    assert len(pairs) == len(SYLLABLES) ** 2
    assert len({words(n, (2,))[0] for n in range(128**2)}) == 128**2


@given(st.integers(0, 2**16), st.integers(0, 500))
def test_text_is_as_long_as_asked(start: int, length: int) -> None:
    """Filler has the length of what it fills."""
    assert len(text(start, length)) == length
