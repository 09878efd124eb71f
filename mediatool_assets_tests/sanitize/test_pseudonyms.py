"""Pseudonyms look like what they stand for, stay the same, and never meet."""

import hmac
import re
import string
from typing import cast
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.signing import KeyedDigest, MaskingKey
from mediatool_assets.sanitize.pseudonyms import (
    FORMATS,
    LENGTHS,
    SYLLABLES,
    PseudonymKind,
    Pseudonyms,
    permute,
    text,
    words,
)

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


LAST_YEAR = [
    ("number", "", "5", "9"),
    ("number", "", "46", "88"),
    ("number", "", "4612", "3013"),
    ("number", "", "32767", "29226"),
    ("number", "", "-32768", "-22161"),
    ("number", "", "32768", "37705"),
    ("number", "", "65535", "88163"),
    ("number", "", "2147483647", "1434475819"),
    ("number", "", "2147483648", "3615889503"),
    ("number", "", "9223372036854775807", "8460605112379358553"),
    ("number", "", "9223372036854775808", "9784848529182084670"),
    ("number", "", "0012", "0104"),
    ("number", "", "AB-12 x", "QT-89 z"),
    ("number", "CN-", "CN-4612", "CN-3821"),
    ("number", "CN-", "CN-0", "CN-2"),
    ("number", "CN-", "BN-4612", "ZS-8549"),
    ("number", "", "é12", "xmieeqlirjneto7ozienbe47w"),
    ("person", "", "Ada Ashgrove", "Zedabrorta Belhikesi"),
    ("title", "", "Ada Ashgrove", "Bubomor Zelhika Malorhu"),
    ("email", "", "Ada Ashgrove", "momilanri.rubobuge@masked.example.com"),
    ("uuid", "", "Ada Ashgrove", "0b72512b-cbbe-4ce7-acc5-1d3285b99964"),
    ("token", "", "Ada Ashgrove", "xyylan24humegg2dl65ifp7q7"),
    ("url", "", "Ada Ashgrove", "https://masked.example.com/xs4x4khkuuhwfqk5so3yj5hxm"),
    ("person", "", "\ud800", "\ud800"),
    ("email", "", "山田太郎", "vifefegi.zokangodan@masked.example.com"),
    (
        "number",
        "",
        "7" * 118,
        "38556677708363214586883636341736989428264200599264557234680563946109495549872948"
        "49578196667357404421625852142437385620",
    ),
    (
        "number",
        "",
        "8" * 200,
        "49210442353049443322708041894761408700245234300479489994805985267785041579168040"
        "64984306216119419943008913401363504649634719537588676550856020719489741189641594"
        "8296592602139399056396591130802458297935",
    ),
    ("number", "", "8" * 201, "xm34le2cxsxlbqzeljqno5y43"),
    (
        "number",
        "",
        "q" * 200,
        "vtplntudaoafzhxlhsglmofdndcocbrpljbytjufkpizjtebzvxzbytzugtwaznzhtlnfaajoclxobtd"
        "oqjfokwucsjumcdkuvruxyrcebohcarayvbwnvaqpcwrbxntmqiuvbmoxhnthrhtygldgcdgjhqxykjt"
        "acrtrhxabjaiolpzdjrhfwkgercevovhkuhucghx",
    ),
]
"""What a copy of the first release has, under KEY."""


@pytest.mark.parametrize(("style", "prefix", "value", "made"), LAST_YEAR)
def test_copies_of_two_years_are_joined(style: str, prefix: str, value: str, made: str) -> None:
    """As long as the key and the name of the kind stay, so does the pseudonym: for ever."""
    assert pseudonyms(style, prefix).text(value) == made


PLACES = {
    16: 21523,
    17: 15317,
    48: 70684056400190,
    100: 221372962745103307153485647304,
    129: 616604131334574068273428323896566893201,
    384: int(
        "36422132135055989044116881119620322018049331139383141249958465092399130977271790"
        "436435886349465124566888986589238904"
    ),
    385: int(
        "20244744931653884553153984251300347557290113282739065356361313319064398089441620"
        "686812873789562604194140853299127183"
    ),
    392: int(
        "24691371525215022294301670516092289975731370399050779925784222309628749735664300"
        "87584913872609728624086547606818351995"
    ),
    400: int(
        "18112362966048164978096498380378182662084931701442395849687968203985663144795674"
        "79453233555976894799579105325004589504449"
    ),
    664: int(
        "94991324232553905125617432793636256216006413738822156765749238392493716957366597"
        "65286357091673162951264901988303070252863034694791099395513960114431937054999909"
        "745513254411721293038117286331654270677"
    ),
    940: int(
        "51452710518256418215126242555369355883214060596011333943740684596130968614234014"
        "41888131956956889886105438942066058848952852538863443823989020369220270076528145"
        "56896987744733312549588422249065630140985941732338388208514066615638772389326262"
        "222150124597271061724274643474391673516553"
    ),
}
"""Where a third of so many bits went in the first release."""


@pytest.mark.parametrize("bits", PLACES)
def test_a_permutation_stays_what_it_was(bits: int) -> None:
    """At every size, also where a half takes one byte more, or more than one digest."""
    digest = KeyedDigest(b"k" * 32)
    assert permute(digest, b"tweak", 2**bits // 3, 2**bits) == PLACES[bits]


def test_small_permutations_stay_what_they_were() -> None:
    """Squares and other sizes."""
    digest = KeyedDigest(b"k" * 32)
    assert [permute(digest, b"tweak", n, 10) for n in range(10)] == [9, 7, 6, 4, 1, 8, 5, 0, 3, 2]
    assert [permute(digest, b"tweak", n, 9) for n in range(9)] == [3, 4, 7, 2, 0, 8, 6, 1, 5]


def test_a_uuid_is_the_digest_s() -> None:
    """122 bits of it, version 4: as the standard library makes one of 16 bytes."""
    digest = KeyedDigest(KEY.derive("kind uuid"))
    made = UUID(pseudonyms("uuid").text("Ada"))
    assert (made.version, made.variant) == (4, RFC_4122)
    assert made == UUID(
        bytes=hmac.digest(KEY.derive("kind uuid"), b"Ada", "sha256")[:16], version=4
    )
    assert digest(b"Ada")[:6] == made.bytes[:6]


@pytest.mark.parametrize("style", sorted(LENGTHS))
def test_a_format_is_as_long_as_said(style: str) -> None:
    """LENGTHS is the longest pseudonym that there can be: of the longest syllables."""
    longest = SYLLABLES.index("bran")
    number = sum(longest << 7 * n for n in range(36))

    def digest(_: bytes) -> bytes:
        return number.to_bytes(32)

    made = FORMATS[style](cast(KeyedDigest, digest), "Ada", "")
    assert len(made) == (LENGTHS[style] or len("Ada"))


@pytest.mark.parametrize(
    "value", [n + step for n in (2**15, 2**31, 2**63) for step in (-2, -1, 0, 1)]
)
def test_integers_at_the_bounds_of_their_types(value: int) -> None:
    """Under twenty keys each stays within the types that hold it, and beyond those that do not."""
    for seed in range(20):
        kind = pseudonyms("number", "", MaskingKey(bytes([seed + 1, *range(31)])))
        for number in (value, -value):
            made = kind.integer(number)
            for limit in (2**15, 2**31, 2**63):
                assert (-limit <= made < limit) == (-limit <= number < limit)


def test_a_permutation_is_told_from_a_digest() -> None:
    """Only of numbers may a pseudonym be another value's original."""
    kinds = {style: PseudonymKind(style, style).is_permutation for style in FORMATS}
    assert [style for style, is_permutation in kinds.items() if is_permutation] == ["number"]
    assert PseudonymKind("a", "uuid").line == 0


def test_letters_and_a_prefix_never_meet() -> None:
    """What has no prefix never becomes what has one, however small the range is."""
    kind = pseudonyms("number", "C")
    values = [*string.ascii_uppercase, *(f"C{letter}" for letter in string.ascii_uppercase)]
    made = {value: kind.text(value) for value in values}
    assert sorted(made.values()) == sorted(values)
    assert all(made[value].startswith("C") == value.startswith("C") for value in values)
