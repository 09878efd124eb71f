"""Rules are held against the schema before a row is read."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from mediatool_assets.core.schema import Column, ForeignKey, Index, Schema, Table
from mediatool_assets.sanitize import rules as checks
from mediatool_assets.sanitize.pseudonyms import PseudonymKind
from mediatool_assets.sanitize.rules import MaskingRule, MaskingVerb, Rules

KINDS = {
    name: PseudonymKind(name, style)
    for name, style in {"person": "person", "number": "number", "uuid": "uuid"}.items()
}


def column(
    type_: str, *, base: str | None = None, kind: str = "b", nullable: bool = True
) -> Column:
    """A column of that type; ``text[]`` is an array."""
    element = type_.removesuffix("[]") if type_.endswith("[]") else None
    return Column(
        "c", type_, base or type_.partition("(")[0], kind, nullable=nullable, element=element,
        element_kind="b" if element else None,
    )  # fmt: skip


def rules_of(**columns: MaskingRule) -> Rules:
    """Rules for a table t."""
    return Rules("rules.yaml", "", KINDS, {"t": columns})


def problems(
    of: Column, verb: MaskingVerb, argument: str = "", keys: dict[str, Any] | None = None
) -> list[str]:
    """What is wrong with one rule for one column."""
    table = Table("t", (of,), **(keys or {}))
    return checks.mistakes(rules_of(c=MaskingRule(verb, argument, 7)), Schema("s", (table,)))


def test_an_unclassified_column_comes_with_the_line_to_add() -> None:
    """The message names the column, its type and where to write what."""
    schema = Schema("s", (Table("t", (column("text"), Column("new", "text", "text"))),))
    (line,) = checks.unclassified(rules_of(c=MaskingRule(MaskingVerb.KEEP)), schema)
    assert line == (
        "rules.yaml: t.new (text) is not classified; under `tables:`, `t:` write `new: keep`, "
        "or redact, pseudonym KIND, drop"
    )


@pytest.mark.parametrize(
    ("of", "verb", "argument"),
    [
        (column("text"), MaskingVerb.PSEUDONYM, "person"),
        (column("text[]"), MaskingVerb.PSEUDONYM, "number"),
        (
            column("character varying(40)", base="character varying"),
            MaskingVerb.PSEUDONYM,
            "person",
        ),
        (column("character(4)", base="character"), MaskingVerb.PSEUDONYM, "number"),
        (column("bigint"), MaskingVerb.PSEUDONYM, "number"),
        (column("uuid"), MaskingVerb.PSEUDONYM, "uuid"),
        (column("currency", base="numeric"), MaskingVerb.NOISE, "20"),
        (column("numeric(5,4)", base="numeric"), MaskingVerb.GENERALIZE, "0.05"),
        (column("date"), MaskingVerb.GENERALIZE, "month"),
        (column("text"), MaskingVerb.GENERALIZE, "first 3"),
        (column("inet"), MaskingVerb.DROP, ""),
        (column("stage", kind="e"), MaskingVerb.REDACT, ""),
        (column("bytea", nullable=False), MaskingVerb.REDACT, ""),
        (column("jsonb"), MaskingVerb.JSON, ""),
        (column("text", nullable=False), MaskingVerb.REDACT, ""),
        (column("inet[]", nullable=False), MaskingVerb.REDACT, ""),
        (column("inet", nullable=False), MaskingVerb.KEEP, ""),
        (column("stage", kind="e"), MaskingVerb.PSEUDONYM, "person"),
        (
            column("character varying(33)", base="character varying"),
            MaskingVerb.PSEUDONYM,
            "person",
        ),
        (column("integer"), MaskingVerb.GENERALIZE, "1"),
        (column("integer"), MaskingVerb.GENERALIZE, "10.0"),
        (column("numeric"), MaskingVerb.GENERALIZE, "1e-16383"),
        (column("integer"), MaskingVerb.NOISE, "20"),
    ],
)
def test_rules_that_hold(of: Column, verb: MaskingVerb, argument: str) -> None:
    """What can be done with a type is not complained of."""
    assert problems(of, verb, argument) == []


@pytest.mark.parametrize(
    ("of", "verb", "argument", "says"),
    [
        (column("text", nullable=False), MaskingVerb.DROP, "", "NOT NULL"),
        (column("stage", kind="e", nullable=False), MaskingVerb.REDACT, "", "NOT NULL"),
        (column("uuid"), MaskingVerb.PSEUDONYM, "person", "wants uuid"),
        (column("integer"), MaskingVerb.PSEUDONYM, "uuid", "wants number"),
        (column("date"), MaskingVerb.PSEUDONYM, "person", "no pseudonym has this type"),
        (column("jsonb"), MaskingVerb.PSEUDONYM, "person", "no pseudonym has this type"),
        (
            column("character varying(8)", base="character varying"),
            MaskingVerb.PSEUDONYM,
            "person",
            "up to 33 characters",
        ),
        (
            column("character varying(32)", base="character varying"),
            MaskingVerb.PSEUDONYM,
            "person",
            "up to 33 characters",
        ),
        (column("inet", nullable=False), MaskingVerb.REDACT, "", "NOT NULL"),
        (column("jsonb[]"), MaskingVerb.JSON, "", "paths are for json"),
        (column("character(9)", base="character"), MaskingVerb.GENERALIZE, "first 3", "generalize"),
        (column("integer"), MaskingVerb.GENERALIZE, "0", "generalize with one of"),
        (column("integer"), MaskingVerb.GENERALIZE, "-5", "generalize with one of"),
        (column("numeric"), MaskingVerb.GENERALIZE, "-0.5", "generalize with one of"),
        (column("numeric"), MaskingVerb.GENERALIZE, "Infinity", "generalize with one of"),
        (column("numeric"), MaskingVerb.GENERALIZE, "NaN", "generalize with one of"),
        (column("numeric"), MaskingVerb.GENERALIZE, "1e-16384", "generalize with one of"),
        (column("boolean"), MaskingVerb.GENERALIZE, "year", "generalize with one of"),
        (column("text"), MaskingVerb.NOISE, "20", "noise is for"),
        (column("double precision"), MaskingVerb.NOISE, "20", "noise is for"),
        (column("date"), MaskingVerb.GENERALIZE, "0.05", "generalize with one of"),
        (column("integer"), MaskingVerb.GENERALIZE, "0.05", "generalize with one of"),
        (column("numeric"), MaskingVerb.GENERALIZE, "month", "generalize with one of"),
        (column("text"), MaskingVerb.JSON, "", "paths are for json"),
    ],
)
def test_rules_that_cannot_hold(of: Column, verb: MaskingVerb, argument: str, says: str) -> None:
    """Each is named with its file, line, column and reason."""
    (problem,) = problems(of, verb, argument)
    assert problem.startswith("rules.yaml:7: t.c (")
    assert says in problem


@pytest.mark.parametrize("verb", [MaskingVerb.REDACT, MaskingVerb.DROP])
@pytest.mark.parametrize("keys", [{"primary_key": ("c",)}, {"unique_keys": (("a", "c"),)}])
def test_keys_stay_unique(verb: MaskingVerb, keys: dict[str, Any]) -> None:
    """What makes values equal is not for a key."""
    assert any(
        "has to stay unique" in problem for problem in problems(column("text"), verb, keys=keys)
    )


def test_both_ends_of_a_foreign_key_have_one_rule() -> None:
    """The database would refuse a copy whose references lead nowhere."""
    child = Table(
        "t", (column("text"),), foreign_keys=(ForeignKey("fk", ("c",), "parent", ("id",)),)
    )
    parent = Table("parent", (Column("id", "text", "text"),))
    tables = {
        "t": {"c": MaskingRule(MaskingVerb.KEEP, line=3)},
        "parent": {"id": MaskingRule(MaskingVerb.PSEUDONYM, "number", 5)},
    }
    rules = Rules("rules.yaml", "", KINDS, tables)
    assert checks.mistakes(rules, Schema("s", (child, parent))) == [
        "rules.yaml:3: t.c: keep: it refers to parent.id, which has the rule pseudonym number; "
        "give both the same"
    ]


def test_a_computed_column_is_kept_or_dropped() -> None:
    """PostgreSQL would compute it anew, and find another value."""
    of = Column("c", "integer", "integer", generated=True)
    assert "PostgreSQL computes" in problems(of, MaskingVerb.NOISE, "20")[0]
    assert problems(of, MaskingVerb.KEEP) == problems(of, MaskingVerb.DROP) == []


@pytest.mark.parametrize("expression", ["c", "lower(c)", "lower((c)::text)", '"c" || d'])
def test_what_a_unique_index_is_made_of_stays_unique(expression: str) -> None:
    """A column by itself, or within an expression; a longer name is another one."""
    indexes = (Index("i", True, (expression, "cc"), "CREATE UNIQUE INDEX"),)
    assert problems(column("text"), MaskingVerb.REDACT, keys={"indexes": indexes})
    others = (Index("i", True, ("lower(cc)", "c_", "a.ccc"), "CREATE UNIQUE INDEX"),)
    assert problems(column("text"), MaskingVerb.REDACT, keys={"indexes": others}) == []


def test_labels_in_arrays_have_no_pseudonym() -> None:
    """The type of an array's elements stays, and with it its labels."""
    many = msgspec.structs.replace(column("stage[]"), element_kind="e")
    (problem,) = problems(many, MaskingVerb.PSEUDONYM, "person")
    assert "no pseudonym has this type" in problem


def test_paths_that_cannot_be_are_named() -> None:
    """With the column that has them."""
    paths = (("a", MaskingRule(MaskingVerb.KEEP)), ("a.b", MaskingRule(MaskingVerb.KEEP)))
    rule = MaskingRule(MaskingVerb.JSON, "", 7, paths)
    (problem,) = checks.mistakes(rules_of(c=rule), Schema("s", (Table("t", (column("jsonb"),)),)))
    assert "a.b is within a path that has a rule of its own" in problem


@pytest.mark.parametrize(("verb", "is_fit"), [(MaskingVerb.NOISE, False), (MaskingVerb.DROP, True)])
def test_a_rule_fits_a_type(verb: MaskingVerb, is_fit: bool) -> None:
    """Whether it can be carried out on its values at all; keys and null are another question."""
    of = column("text", nullable=False)
    assert checks.fits(rules_of(), of, MaskingRule(verb, "20")) is is_fit


def test_columns_without_a_rule_are_no_mistake() -> None:
    """They are unclassified, of which another list tells; no mistake is told twice."""
    table = Table("t", (Column("new", "text", "text"), column("text")))
    assert checks.mistakes(rules_of(c=MaskingRule(MaskingVerb.KEEP)), Schema("s", (table,))) == []


def test_quasi_identifiers_are_columns() -> None:
    """One that the table does not have is named."""
    schema = Schema("s", (Table("t", (column("text"),)), Table("other", (column("text"),))))
    rules = replace(
        rules_of(c=MaskingRule(MaskingVerb.KEEP)),
        quasi_identifiers={"t": ("c", "ghost"), "other": ("c",)},
    )
    assert checks.mistakes(rules, schema) == [
        "rules.yaml:1: quasi_identifiers: t has no column ghost"
    ]


def test_an_end_without_a_rule_is_not_torn() -> None:
    """It is unclassified; with equal rules, too, there is nothing to say."""
    keys = (ForeignKey("fk", ("c", "d"), "parent", ("id", "other")),)
    child = Table("t", (column("text"), Column("d", "text", "text")), foreign_keys=keys)
    parent = Table("parent", (Column("id", "text", "text"), Column("other", "text", "text")))
    keep, drop = MaskingRule(MaskingVerb.KEEP, line=3), MaskingRule(MaskingVerb.DROP, line=4)
    schema = Schema("s", (child, parent))

    def found(own: dict[str, MaskingRule], other: dict[str, MaskingRule]) -> list[str]:
        return checks.mistakes(Rules("r", "", KINDS, {"t": own, "parent": other}), schema)

    assert found({"c": keep}, {"other": drop}) == []
    assert found({"d": keep}, {"id": drop}) == []
    assert found({"c": keep, "d": drop}, {"id": keep, "other": drop}) == []
    (torn,) = found({"c": keep, "d": drop}, {"id": keep, "other": keep})
    assert torn.startswith("r:4: t.d: drop: it refers to parent.other, which has the rule keep")


@pytest.mark.parametrize("unique", [True, False])
def test_only_what_is_unique_is_a_key(unique: bool) -> None:
    """Columns of unique indexes, and those that their expressions name as a whole word."""
    names = ("a", "b", "cc", "d.e")
    columns = tuple(Column(name, "text", "text") for name in names)
    table = Table(
        "t", columns, primary_key=("a",),
        indexes=(Index("i", unique, ("lower(cc)", "dxe || a_b"), ""),),
    )  # fmt: skip
    assert checks.key_columns(table) == ({"a", "cc"} if unique else {"a"})
    assert checks.key_columns(Table("t", columns)) == set()
