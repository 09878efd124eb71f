"""Marks and the registry: what is promoted, what a rollback goes back to, and what is protected."""

from datetime import UTC, datetime

import msgspec
import pytest

from mediatool_assets.core import metadata
from mediatool_assets.core.errors import Refused
from mediatool_assets.core.metadata import Marks, Pin, RegistryEntry
from mediatool_assets.core.version import Version
from mediatool_assets_tests.metadata_examples import example

AT = datetime(2025, 6, 23, 8, tzinfo=UTC)
A, B, C = (Version.parse(f"2025062{day}-143000") for day in (1, 2, 3))


def promoted(*versions: Version) -> Marks:
    """Marks after these promotions."""
    marks = Marks()
    for version in versions:
        marks = marks.promoting(version, AT, "ann")
    return marks


@pytest.mark.parametrize(
    ("steps", "current", "fallback"),
    [
        ("", None, None),
        ("a", A, None),
        ("aa", A, None),
        ("ab", B, A),
        ("abc", C, B),
        ("ab<", A, None),
        ("abc<", B, A),
        ("abc<<", A, None),
        ("ab<c", C, A),
        ("aba", A, B),
    ],
)
def test_promotions_and_rollbacks(
    steps: str, current: Version | None, fallback: Version | None
) -> None:
    """``<`` is a rollback: the last promotion that counts is withdrawn, and none is forgotten."""
    marks = Marks()
    for step in steps:
        known = {"a": A, "b": B, "c": C}
        marks = marks.rolled_back(AT) if step == "<" else marks.promoting(known[step], AT, "ann")
    assert marks.promoted == (current and str(current))
    assert marks.fallback == (fallback and str(fallback))
    assert len(marks.promotions) == len(steps.replace("<", "").replace("aa", "a"))
    assert sum(p.withdrawn == "2025-06-23T08:00:00Z" for p in marks.promotions) == steps.count("<")


@pytest.mark.parametrize("marks", [Marks(), promoted(A), promoted(A, B).rolled_back(AT)])
def test_nothing_to_go_back_to(marks: Marks) -> None:
    """It is refused, and the message says what to do."""
    with pytest.raises(Refused, match="there is no earlier promotion to return to; `mediatool"):
        marks.rolled_back(AT)


def test_protection() -> None:
    """What is promoted, pinned or the fallback is protected, each with its own reason."""
    marks = promoted(A, B).keeping(C, AT, "bob")
    assert marks.protection(B) == "promoted: applications use it"
    assert marks.protection(A) == "promoted before: rollback returns to it"
    assert marks.protection(C) == "pinned by bob"
    assert marks.letting_go(C).protection(C) is None
    assert marks.letting_go(A).protection(C) == "pinned by bob"


def test_a_second_pin_changes_nothing() -> None:
    """Who pinned it first, and when, stays."""
    marks = Marks().keeping(A, AT, "ann").keeping(A, datetime(2026, 1, 1, tzinfo=UTC), "bob")
    assert marks.pinned == {str(A): Pin("2025-06-23T08:00:00Z", "ann")}


def test_a_promotion_is_withdrawn() -> None:
    """The one of that version and time, unless it is withdrawn already; the others stay."""
    later = datetime(2025, 6, 24, 8, tzinfo=UTC)
    marks = promoted(A, B).promoting(A, later, "ann")
    withdrawn = marks.withdrawing(A, AT, later)
    assert [each.withdrawn for each in withdrawn.promotions] == ["2025-06-24T08:00:00Z", None, None]
    assert withdrawn.withdrawing(A, AT, AT) == withdrawn
    assert marks.withdrawing(C, AT, later) == marks.withdrawing(B, later, later) == marks


def test_the_documents_bytes() -> None:
    """Sorted and indented for people, a newline at the end; read back the same."""
    marks = promoted(A).annotated(B, "b").annotated(A, "a")
    data = marks.to_json()
    assert data.startswith(b'{\n    "notes": {\n        "20250621-143000": "a",\n')
    assert data.endswith(b"}\n")
    assert Marks.from_json(data) == marks
    assert b"withdrawn" not in data
    assert Marks().to_json() == b"{}\n"


@pytest.mark.parametrize("data", [b"[]", b"null", b'"marks"'])
def test_other_documents_are_refused(data: bytes) -> None:
    """Only an object is a document of marks."""
    with pytest.raises(msgspec.ValidationError):
        Marks.from_json(data)


def test_registry_entries() -> None:
    """An entry has what metadata and marks say; marks that it does not have are left out."""
    entry = RegistryEntry.of(example())
    assert entry.marked(Marks()) == entry
    marks = promoted(A).keeping(A, AT, "ann").annotated(A, "said later")
    marked = entry.marked(marks)
    assert (marked.pinned, marked.promoted, marked.notes) == (True, True, "said later")
    assert b"pinned" not in metadata.registry_to_json([entry])
    assert b"promoted" not in metadata.registry_to_json([entry])
    data = metadata.registry_to_json([entry, marked])
    assert data.startswith(b'[\n    {\n        "version": "20250621-143000",\n')
    assert metadata.registry_from_json(data) == (entry, marked)
