"""Examples and masking rules: what these change is shown changed under a key, else hidden."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.compare.report import render
from mediatool_assets.compare.row_digests import Masking
from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets_tests.compared import compared, of_archives, plain
from mediatool_assets_tests.raw_archives import table

KEY = MaskingKey.parse("00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210")

RULES = """
kinds:
  mail: email
  user: number
tables:
  users:
    id: pseudonym user
    email: pseudonym mail
    born: generalize year
    city: keep
    story: redact
    extra: keep
"""

USERS = table(
    "users", id="integer", email="text", born="date", city="text", story="text", extra="jsonb",
    unknown="text",
)  # fmt: skip
ONE = {
    "id": 7, "email": "ann@example.com", "born": "1980-05-17", "city": "Bonn", "story": "long ago",
    "extra": {"a": 1}, "unknown": "free text",
}  # fmt: skip
TWO = {
    "id": 7, "email": "bob@example.com", "born": "1990-06-18", "city": "Köln", "story": "lately",
    "extra": {"a": 2}, "unknown": "other text",
}  # fmt: skip

HIDDEN = {"hidden": True, "length": 1}


@pytest.fixture
def masking(tmp_path: Path) -> Masking:
    """A key, and rules for most of the table."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return Masking(KEY, load_rules(path))


def _examples(found: Comparison) -> dict[str, tuple[object, object]]:
    changed = found.details["users"].examples.changed
    return {one.column: (plain(one.before), plain(one.after)) for one in changed}


def test_what_the_rules_know_is_shown_as_they_have_it(tmp_path: Path, masking: Masking) -> None:
    """Pseudonyms, steps and kept values; what is taken away, or is unknown, stays hidden."""
    found = compared(tmp_path, of_archives(tmp_path, {USERS: [ONE]}, {USERS: [TWO]}), None, masking)
    shown = _examples(found)
    before, after = map(str, shown["email"])
    assert before != after
    assert before.endswith("@masked.example.com") and after.endswith("@masked.example.com")
    assert shown["born"] == ("1980-01-01", "1990-01-01")
    assert shown["city"] == ("Bonn", "Köln")
    for name, lengths in {"story": (8, 6), "unknown": (9, 10), "extra": (7, 7)}.items():
        assert shown[name] == tuple({"hidden": True, "length": n} for n in lengths)
    [key, *_] = {msgspec.json.encode(e.key) for e in found.details["users"].examples.changed}
    assert key != b'{"id":7}'
    report = render(found, "html") + render(found, "markdown") + render(found, "json")
    for secret in ("ann@", "bob@", "05-17", "long ago", "free text"):
        assert secret.encode() not in report


def test_without_a_key_what_the_rules_change_is_hidden(tmp_path: Path, masking: Masking) -> None:
    """A date too, which would be shown where no rule knows it; texts are hidden in any case."""
    archives = of_archives(tmp_path, {USERS: [ONE]}, {USERS: [TWO]})
    found = compared(tmp_path, archives, None, replace(masking, key=None))
    shown = _examples(found)
    lengths = {"born": 10, "email": 15, "city": 4}
    assert {n: shown[n] for n in lengths} == {
        name: ({"hidden": True, "length": length},) * 2 for name, length in lengths.items()
    }
    assert _examples(compared(tmp_path, archives))["born"] == ("1980-05-17", "1990-06-18")


@pytest.mark.parametrize(
    ("rule", "name"),
    [("pseudonym user", 7), ("pseudonym mail", HIDDEN), ("redact", HIDDEN), ("keep", 7)],
)
def test_without_a_key_rows_are_found_by_ids(tmp_path: Path, rule: str, name: object) -> None:
    """By what only numbers them; not by what tells of a person."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("id: pseudonym user", f"id: {rule}"))
    archives = of_archives(tmp_path, {USERS: [ONE]}, {USERS: [TWO]})
    found = compared(tmp_path, archives, None, Masking(None, load_rules(path)))
    [changed, *_] = found.details["users"].examples.changed
    assert plain(changed.key["id"]) == name


@pytest.mark.parametrize("key", [None, KEY])
def test_the_settings_name_the_rules(tmp_path: Path, key: MaskingKey | None) -> None:
    """Those that they name, with a key and without; else the shipped ones."""
    assert Masking.of(Settings(masking_key=key)).rules.rule("users", "email") is not None
    path = tmp_path / "rules.yaml"
    path.write_text("tables: {ledger: {sum: redact}}")
    found = Masking.of(Settings(masking_key=key, masking_rules=path))
    assert (found.key, set(found.rules.tables)) == (key, {"ledger"})
