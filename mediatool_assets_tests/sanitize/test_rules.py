"""Rules by themselves: what a set of them covers, which limits its types have, paths by name."""

import re
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.sanitize.detection import ColumnValues
from mediatool_assets.sanitize.rules import (
    REDACT,
    MaskingRule,
    MaskingVerb,
    Rules,
    document_mask,
    path_tree,
)
from mediatool_assets_tests.raw_archives import column

KEEP = MaskingRule(MaskingVerb.KEEP)
PERSON = MaskingRule(MaskingVerb.PSEUDONYM, "person")
NUMBER = MaskingRule(MaskingVerb.PSEUDONYM, "number")
DOCUMENT = MaskingRule(MaskingVerb.JSON, paths=(("name", PERSON), ("kept", KEEP)), otherwise=NUMBER)


def test_the_kinds_of_pseudonyms_that_a_rule_makes() -> None:
    """Its own, or those of its document: of each path, and of what no path covers."""
    assert PERSON.kinds == {"person"}
    assert KEEP.kinds == frozenset()
    assert DOCUMENT.kinds == {"person", "number"}
    assert list(DOCUMENT.every_path()) == [PERSON, KEEP, NUMBER]
    assert list(KEEP.every_path()) == []


def test_what_no_rule_covers_is_redacted() -> None:
    """A column without a rule, and each value of a document that no path covers."""
    people = Table("people", (column("id", "bigint"), column("data", "jsonb")))
    schema = Schema("app", (people, Table("extra", (column("x", "text"),))))
    bare = replace(DOCUMENT, otherwise=None)
    rules = Rules("r.yaml", "", {}, {"people": {"data": bare, "gone": KEEP}, "lost": {"a": KEEP}})
    unclassified = [(table.name, each.name) for table, each in rules.unclassified(schema)]
    assert unclassified == [("people", "id"), ("extra", "x")]
    assert list(rules.unused(schema)) == ["people.gone", "lost"]
    assert rules.redacting(schema).tables == {
        "people": {"id": REDACT, "data": replace(bare, otherwise=REDACT)},
        "extra": {"x": REDACT},
        "lost": {"a": KEEP},
    }
    assert DOCUMENT.redacting() is DOCUMENT
    assert KEEP.redacting() is KEEP


@pytest.mark.parametrize(
    ("type_", "limit", "constant"),
    [
        ("numeric(5,2)", Decimal("999.99"), b'"0.00"'),
        ("numeric(3)", Decimal(999), b'"0"'),
        ("numeric(2,-3)", Decimal(99000), b'"0"'),
        ("numeric", None, b'"0"'),
    ],
)
def test_the_greatest_value_of_a_number(type_: str, limit: Decimal | None, constant: bytes) -> None:
    """By its precision and scale, also where a scale is negative."""
    found = ColumnValues.of(msgspec.structs.replace(column("c", "numeric"), type=type_))
    assert (found.limit, found.constant) == (limit, constant)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (("a", "a.b"), "a.b is within a path that has a rule of its own"),
        (("a", "a"), "a has a rule already"),
        (("a.b", "a"), "a has a rule already, or paths within it have one"),
        (("a[]", "a"), "a has a rule already, or paths within it have one"),
    ],
)
def test_a_value_has_one_rule(paths: tuple[str, ...], says: str) -> None:
    """Neither two rules for a path, nor one for what is within another."""
    rule = MaskingRule(MaskingVerb.JSON, paths=tuple((path, KEEP) for path in paths))
    with pytest.raises(ValueError, match=re.escape(says)):
        path_tree(rule)


def test_every_name_has_its_own_label() -> None:
    """Of ``*``: names stay, values are masked by its rule."""
    tree = path_tree(MaskingRule(MaskingVerb.JSON, paths=(("*", REDACT),)))
    mask = document_mask(tree, lambda _: lambda _: b"0", None, lambda mask: mask)
    assert mask is not None
    assert mask(b'{"a": 1, "b": 2}') == b'{"a": 0, "b": 0}'


def test_the_path_of_a_name() -> None:
    """At the top it is the name; below it has all names before it."""
    tree = path_tree(DOCUMENT)
    assert tree.below("name") == "name"
    inner = path_tree(MaskingRule(MaskingVerb.JSON, paths=(("weeks[].spend", KEEP),)))
    items = inner.names["weeks"].items
    assert items is not None
    assert items.below("spend") == "weeks[].spend"
