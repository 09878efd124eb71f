"""One tokenizer for originals and output: what is one term, and what stays apart."""

import pytest

from mediatool_assets.sanitize.redaction import LONGEST, joined, readings, terms_of

SAME = {
    "Ada Ashgrove": [
        "ada ashgrove",
        "ADA-ASHGROVE",
        "AdaAshgrove",
        "'Ada_Ashgrove'",
        "Аda Аshgrоve",
    ],
    "Čapek Órla": ["capek orla", "C\u030capek O\u0301rla", "ČAPEK·ÓRLA", "ＣapekＯrla"],
    "Вера Суханова": ["ВЕРА СУХАНОВА", "вера-суханова"],
    "山田太郎花子君様": ["山田 太郎花子君様", "「山田太郎花子君様」"],
    "o.b@tern.example": ["o.b at tern dot example", "O.B [AT] TERN (DOT) EXAMPLE"],
    "5bf32b6b-8449-4d0c-8556-00000000abcd": ["{5BF32B6B84494D0C855600000000ABCD}"],
    "12,345,678.90": ["12 345 678 90"],
}


@pytest.mark.parametrize("original", SAME)
def test_case_accents_marks_and_alphabets_do_not_matter(original: str) -> None:
    """Whatever they are, the term is one of the original's."""
    for text in SAME[original]:
        assert {joined(words) for words in readings(text)} & terms_of(original), text


APART = [
    ("20250621", "2025-06-21"),
    ("Ada Ashgrove", "Ada Ash"),
    ("Ada Ashgrove 1", "Ada Ashgrove 11"),
    ("12345678", "1234 5678"),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_is_different_stays_apart(one: str, other: str) -> None:
    """Numbers are not put together across a mark, and words are whole."""
    assert not {joined(words) for words in readings(other)} & terms_of(one)


@pytest.mark.parametrize(
    "text", ["", "- - - - - -", "abcd", "a-b-c", "1234567", "12.345", "at dot"]
)
def test_what_says_too_little_has_no_term(text: str) -> None:
    """Fewer than six characters, or eight digits, are anywhere by chance."""
    assert terms_of(text) == set()


def test_a_name_is_searched_for_from_both_ends() -> None:
    """With its last word first, and without what is in the middle."""
    assert terms_of("Ada Maria Ashgrove", is_name=True) == {
        "adamariaashgrove", "ashgroveadamaria", "mariaashgroveada", "adaashgrove", "ashgroveada",
    }  # fmt: skip


def test_a_long_text_is_searched_for_by_both_ends() -> None:
    """Of so many words the first and the last are its terms, and the middle is not."""
    words = [f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(LONGEST + 10)]
    terms = terms_of(" ".join(words))
    assert terms == {joined(words[:LONGEST]), joined(words[-LONGEST:])}
