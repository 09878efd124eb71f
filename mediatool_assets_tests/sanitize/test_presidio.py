"""Presidio's recognizers look too, where they are asked for."""

from pathlib import Path

import pytest

from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.version import archive_key
from mediatool_assets.sanitize import rules_file
from mediatool_assets.sanitize.rules_file import detector, suggest
from mediatool_assets_tests.fixtures.sanitizing_bench import Bench
from mediatool_assets_tests.raw_archives import VERSION, raw_archive, table

CARD, IBAN = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"
NOTES = table("notes", id="integer", name="text", title="text", size="text")
ROWS = [
    {"id": n, "name": f"Part {n}", "title": f"paid {CARD}, {IBAN}", "size": f"{n}x250"}
    for n in range(10)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a language that knows one person."""
    import spacy  # noqa: PLC0415  # a second, for this test alone

    made = spacy.blank("en")
    ruler = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Perdita Larkspur"}])  # type: ignore[attr-defined]
    path = tmp_path_factory.mktemp("model")
    made.to_disk(path)
    return path


def test_numbers_are_found_without_a_model() -> None:
    """By form and check digits: one digit off is none."""
    detect = detector("presidio")
    assert {"CREDIT_CARD", "IBAN_CODE"} <= set(detect(f"paid {CARD}, {IBAN}"))
    assert "CREDIT_CARD" not in set(detect(CARD.replace("4111", "4112")))
    assert list(detect("Perdita Larkspur has no number")) == []


def test_names_are_found_with_a_model(model: Path) -> None:
    """Of whoever names one."""
    assert list(detector(f"presidio:{model}")("so Perdita Larkspur said")) == ["PERSON"]


def test_suggest_redacts_what_holds_one(bench: Bench) -> None:
    """With the count as evidence, where the name of the column says something else."""
    raw_archive(bench.objects, {NOTES: ROWS})
    source = bench.objects.open(archive_key("raw", VERSION))
    assert "hold CREDIT_CARD" not in suggest(source).text
    text = suggest(source, detector("presidio")).text
    assert "title: redact # texts that hold CREDIT_CARD, IBAN_CODE" in text
    assert "10 hold CREDIT_CARD" in text


def test_what_is_kept_is_looked_at(bench: Bench) -> None:
    """And reported by place; it stops nothing."""
    rules = "kinds: {}\ntables: {notes: {id: keep, name: keep, title: keep, size: keep}}\n"
    published = bench.run({NOTES: ROWS}, rules=rules, detect="presidio")
    assert published.report.proof.detected == {
        "notes.title: CREDIT_CARD": 1,
        "notes.title: IBAN_CODE": 1,
    }
    assert "notes.title: CREDIT_CARD" in (bench.folder / "out-report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("magic", "is not known; write presidio"),
        ("presidio:no_such_model", "spacy download no_such"),
    ],
)
def test_what_is_not_there_is_named(name: str, says: str) -> None:
    """With the next step."""
    with pytest.raises(Misuse, match=says):
        detector(name)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it is in the message."""
    monkeypatch.setattr(rules_file, "find_spec", lambda _: None)
    with pytest.raises(Misuse, match=r"pip install 'mediatool_assets\[presidio\]'"):
        detector("presidio:")
