"""An original is found in every place that is kept, in every disguise that the docs promise."""

import re
from collections.abc import Callable
from math import ceil
from typing import Any

import pytest

from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.version import Version
from mediatool_assets_tests.fixtures.sanitizing_bench import Bench
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.sanitize import scanner
from mediatool_assets_tests.sanitize.disguises import ANY, OF_MAILS, OF_NAMES, OF_TELEPHONES

NAME, MAIL, PHONE = "Ottoline Marchbanks", "o.marchbanks@tern.example.org", "+44 20 7946 0018"
RULES = """
kinds: {person: person, email: email}
tables:
  people: {id: keep, name: pseudonym person, email: pseudonym email, phone: redact, title: redact}
  places:
    id: keep
"""
TITLE = "Zoë Łukasz-Straße Nº 7"
PEOPLE = table("people", id="integer", name="text", email="text", phone="text", title="text")
CASES = {
    **{f"name, {how}": disguise(NAME) for how, disguise in {**ANY, **OF_NAMES}.items()},
    **{f"mail, {how}": disguise(MAIL) for how, disguise in OF_MAILS.items()},
    **{f"phone, {how}": disguise(PHONE) for how, disguise in OF_TELEPHONES.items()},
    **{f"title, {how}": disguise(TITLE) for how, disguise in ANY.items()},
}
PLACES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "a text": ("text", str),
    "an item of an array": ("text[]", lambda text: ["x", text]),
    "a document": ("jsonb", lambda text: {"deep": [{"x": text}]}),
    "a name in a document": ("jsonb", lambda text: {text: 1}),
    "bytes": ("bytea", lambda text: "\\x" + text.encode().hex()),
}
MOST = 20  # findings that a message shows


@pytest.mark.parametrize("place", PLACES)
def test_a_disguised_original_is_found(bench: Bench, place: str) -> None:
    """Each case has a column of its own, and each of these columns is a finding."""
    type_, wrapped = PLACES[place]
    cases = list(CASES.items())
    for batch in range(ceil(len(cases) / MOST)):
        some = cases[batch * MOST : (batch + 1) * MOST]
        version = Version.parse(f"20250621-1430{batch:02}")
        columns = {f"c{n}": case for n, case in enumerate(some)}
        places = table("places", id="integer", **dict.fromkeys(columns, type_))
        row = {"id": 1, **{name: wrapped(text) for name, (_, text) in columns.items()}}
        rules = RULES + "".join(f"    {name}: keep\n" for name in columns)
        with pytest.raises(CheckFailed) as caught:
            bench.run({PEOPLE: [person()], places: [row]}, rules=rules, version=version)
        found = set(re.findall(r"places\.(c\d+) ?\S* (?:still )?holds", str(caught.value)))
        missed = [case for name, (case, _) in columns.items() if name not in found]
        assert missed == []
        assert bench.left == []


def person() -> dict[str, Any]:
    """Whose name, address, number and title are originals."""
    return {"id": 1, "name": NAME, "email": MAIL, "phone": PHONE, "title": TITLE}


PLAIN = {
    "other": "Ottoline of Marchbanks Street",
    "mixed": "Marchbanks, of whom Ottoline told",
    "date": "2025-06-21 20:79:46",
    "phone": "+44 20 7946 0019",
}


def test_what_is_no_original_is_none(bench: Bench) -> None:
    """The words apart, other numbers, and parts are no findings; parts of a name are reported."""
    places = table("places", id="integer", **dict.fromkeys(PLAIN, "text"))
    rules = RULES + "".join(f"    {name}: keep\n" for name in PLAIN)
    proof = bench.run({PEOPLE: [person()], places: [{"id": 1, **PLAIN}]}, rules=rules).report.proof
    assert proof.findings == ()
    assert proof.names == {"places.other": 2, "places.mixed": 2}
    assert proof.phones == {"places.phone": 1}


@pytest.mark.parametrize("how", ANY)
def test_the_tests_own_scanner_finds_them_too(how: str) -> None:
    """What it does not find in a copy would not be there in any of these forms."""
    assert scanner.found({NAME, "Somebody Else"}, iter([ANY[how](NAME)])) == {NAME}
