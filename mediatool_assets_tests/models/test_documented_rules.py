"""The rules that docs/reference/sanitizing.md shows."""

from pathlib import Path

from mediatool_assets.core.schema import Schema
from mediatool_assets.sanitize import rules as checks
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets_tests.documents import ROOT, blocks
from mediatool_assets_tests.raw_archives import table

USERS = {
    "id": "integer",
    "crm_id": "text",
    "name": "text",
    "email": "text",
    "city": "text",
    "born": "date",
    "salary": "money",
    "remarks": "text",
    "fax": "text",
    "profile": "jsonb",
    "team": "text",
}


def test_the_rules_of_the_page_have_no_mistake(tmp_path: Path) -> None:
    """Who copies them has rules that load, and that fit such a table but for one new column."""
    _, block = blocks("yaml", ROOT / "docs/reference/sanitizing.md")
    path = tmp_path / "rules.yaml"
    path.write_text(block.text, "utf-8")
    rules = load_rules(path)
    schema = Schema("media_tool", (table("users", ("id",), **USERS),))
    assert checks.mistakes(rules, schema) == []
    assert [column.name for _, column in rules.unclassified(schema)] == ["team"]
