"""Telephone numbers of any country, however they are written."""

import pytest

from mediatool_assets.sanitize.pseudonyms import telephone_terms, telephones, terms_of_telephone

WRITTEN = [
    "+49 30 901820", "0049 30 901820", "+49 (0)30 901820", "030/901820", "(030) 90 18 20",
    "+49.30.901.820", "+4930901820",
]  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_one_number_has_one_term_in_common(text: str) -> None:
    """Its digits without the country, or all of them."""
    assert terms_of_telephone("+49 30 901820") & set(telephone_terms(f"call {text}!"))


@pytest.mark.parametrize(
    "text",
    ["+33 1 42 68 53 00", "+81 3-3580-3311", "020 7946 0018", "555-010-0199", "+1 212 555 0199"],
)
def test_it_is_detected(text: str) -> None:
    """With a country, or in the national form of those that are known."""
    assert len(list(telephones(f"({text})"))) == 1


@pytest.mark.parametrize(
    "text",
    ["2025-06-21 20:15", "300x250", "10.0.0.12", "4930901820", "1,234,567.89", "12/31/2025"],
)
def test_other_numbers_are_none(text: str) -> None:
    """Dates, sizes, addresses of networks, amounts and ids."""
    assert list(telephones(text)) == []
