"""A rules file is read whole, and all of its mistakes are reported together."""

from pathlib import Path

import pytest

from mediatool_assets.core.errors import BadRules
from mediatool_assets.sanitize.rules import MaskingVerb
from mediatool_assets.sanitize.rules_file import SHIPPED_RULES, load_rules


def written(path: Path, text: str) -> Path:
    """The text as a rules file."""
    file = path / "rules.yaml"
    file.write_text(text, "utf-8")
    return file


def test_every_form_is_read(tmp_path: Path) -> None:
    """Each verb with its argument; tables that stand together have one set of rules."""
    rules = load_rules(
        written(
            tmp_path,
            """
kinds: {person: person, number: {format: number, prefix: CN-}}
tables:
  a, b:
    one: keep
    two: pseudonym person
    three: generalize first 3
    four: noise 20
    five: drop
    six: {json: {"x[].y": redact, otherwise: keep}}
""",
        )
    )
    assert rules.tables["a"] == rules.tables["b"]
    assert [rule.words for rule in rules.tables["a"].values()] == [
        "keep", "pseudonym person", "generalize first 3", "noise 20", "drop", "json",
    ]  # fmt: skip
    document = rules.tables["a"]["six"]
    assert [(path, rule.verb) for path, rule in document.paths] == [("x[].y", MaskingVerb.REDACT)]
    assert document.otherwise is not None
    assert rules.kinds["number"].prefix == "CN-"
    assert rules.tables["a"]["two"].line == 6


MISTAKES = {
    "tables: {t: {c: hide}}": "rules.yaml:1: c: 'hide' is not a rule",
    "tables: {t: {c: pseudonym ghost}}": "there is no kind ghost in kinds:",
    "tables: {t: {c: pseudonym}}": "is not a rule",
    "tables: {t: {c: noise 100}}": "is not a rule",
    "tables: {t: {c: [keep]}}": "c: write keep, redact",
    "tables: {t: {c: {json: {x: {json: {y: keep}}}}}}": "x: write keep, redact",
    "tables: {t: {c: keep, c: drop}}": "c is listed twice",
    "tables: {t: {c: keep}, 's, t': {c: drop}}": "table t is listed twice",
    "kinds: {k: nonsense}": "its format is one of number, person",
    "kinds: {k: {format: person, prefix: X}}": "only the format number has a prefix",
    "kinds: {k: {format: number, prefix: '49'}}": "kind k: its prefix begins integers",
    "kinds: {k: {format: number, prefix: '-'}}": "kind k: its prefix begins integers",
    "kinds: {k: {format: number, suffix: X}}": "unknown name 'suffix'",
    "colums: {}": "unknown name 'colums'",
    "quasi_identifiers: {t: c}": "t: list its columns",
    "quasi_identifiers: {t: {columns: [c], k: few}}": "k is the minimum size of a group",
    "quasi_identifiers: {t: {k: 3}}": "t: list its columns",
    "- keep": "write `name: value` lines",
    "tables: {": "not YAML",
    "tables: !!python/object/apply:os.system ['true']": "is not a plain value",
}


@pytest.mark.parametrize(("text", "says"), MISTAKES.items())
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    """With file and line."""
    with pytest.raises(BadRules) as caught:
        load_rules(written(tmp_path, text))
    assert says in str(caught.value)
    assert "rules.yaml:1: " in str(caught.value)


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    """One run tells all of them, in order of line."""
    with pytest.raises(BadRules) as caught:
        load_rules(written(tmp_path, "kinds:\n  k: x\ntables:\n  t:\n    c: hide\n"))
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "rules.yaml:2",
        "rules.yaml:5",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(BadRules, match=r"none\.yaml: cannot be read"):
        load_rules(tmp_path / "none.yaml")


def test_the_shipped_rules_are_read() -> None:
    """They cover history tables with the rules of their base tables."""
    tables = load_rules(SHIPPED_RULES).tables
    assert len(tables) == 34
    assert all(tables[t] == tables[t.removesuffix("_history")] for t in tables if "_history" in t)
