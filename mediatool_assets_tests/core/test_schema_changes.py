"""Each change of a schema is found, once, with its severity."""

import msgspec
import pytest

from mediatool_assets.core.comparison import is_wider, schema_changes
from mediatool_assets.core.schema import Column, Enum, ForeignKey, Index, Schema, Table

ID = Column("id", "integer", "integer", category="N", nullable=False)
NAME = Column("name", "character varying(30)", "character varying", category="S")
INDEX = Index("by_name", False, ("name",), "CREATE INDEX by_name ON t (name)")
KEY = ForeignKey("of_owner", ("id",), "owners", ("id",))
TABLE = Table(
    "t", (ID, NAME), primary_key=("id",), unique_keys=(("name",),), foreign_keys=(KEY,),
    indexes=(INDEX,), comment="made for tests",
)  # fmt: skip
SCHEMA = Schema("media_tool", (TABLE,), enums=(Enum("stage", ("new", "won")),), views=("v",))


def _with(**changes: object) -> Schema:
    return msgspec.structs.replace(SCHEMA, **changes)


def _table(**changes: object) -> Schema:
    return _with(tables=(msgspec.structs.replace(TABLE, **changes),))


def _column(**changes: object) -> Schema:
    return _table(columns=(ID, msgspec.structs.replace(NAME, **changes)))


@pytest.mark.parametrize(
    ("after", "severity", "what", "name"),
    [
        (_with(tables=()), "breaking", "table", "t"),
        (_with(tables=(TABLE, Table("u", (ID,)))), "warning", "table", "u"),
        (_table(columns=(ID,)), "breaking", "column", "name"),
        (_table(columns=(ID, NAME, Column("x", "text", "text"))), "warning", "column", "x"),
        (_table(columns=(NAME, ID)), "information", "column order", ""),
        (_column(type="integer", base="integer"), "breaking", "type", "name"),
        (_column(type="text", base="text"), "warning", "type", "name"),
        (_column(type="character varying(40)"), "warning", "type", "name"),
        (_column(type="text[]", base="text[]", element="text"), "breaking", "type", "name"),
        (_column(nullable=False), "information", "nullability", "name"),
        (_column(default="'x'"), "information", "default", "name"),
        (_column(comment="a name"), "information", "comment", "name"),
        (_column(generated=True), "warning", "generation", "name"),
        (_table(primary_key=()), "breaking", "primary key", ""),
        (_table(unique_keys=()), "warning", "unique key", "name"),
        (_table(indexes=()), "warning", "index", "by_name"),
        (_table(foreign_keys=()), "warning", "foreign key", "of_owner"),
        (_table(partitions=("t_2025",)), "information", "partitions", ""),
        (_table(comment=None), "information", "comment", ""),
        (_with(enums=()), "breaking", "enum", "stage"),
        (_with(enums=(Enum("stage", ("new",)),)), "breaking", "enum", "stage"),
        (_with(enums=(Enum("stage", ("new", "won", "lost")),)), "warning", "enum", "stage"),
        (_with(views=()), "warning", "view", "v"),
        (_with(views=("v", "w")), "information", "view", "w"),
    ],
)
def test_one_change_is_one_finding(after: Schema, severity: str, what: str, name: str) -> None:
    """What changed, named, and how grave it is; its sentence names it too."""
    (change,) = schema_changes(SCHEMA, after)
    assert (change.severity, change.what, change.name) == (severity, what, name)
    assert what in str(change)


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        ("integer", "bigint", True),
        ("bigint", "integer", False),
        ("integer", "double precision", True),
        ("bigint", "double precision", False),
        ("integer", "real", False),
        ("character", "character varying", True),
        ("integer[]", "bigint[]", True),
        ("character varying[]", "text[]", True),
        ("text[]", "text", False),
        ("text", "text[]", False),
    ],
)
def test_a_wider_type_holds_all_values_of_the_other(before: str, after: str, wider: bool) -> None:
    """Element by element of arrays; an array is no wider than its element."""
    assert is_wider(after, before) is wider


def test_a_type_of_that_name_in_another_schema_is_another_type() -> None:
    """Its labels need not be the same."""
    state = {"type": "sales.state", "base": "sales.state", "kind": "e"}
    moved = {"type": "stock.state", "base": "stock.state", "kind": "e"}
    (change,) = schema_changes(_column(**state), _column(**moved))
    assert (change.severity, change.what) == ("breaking", "type")


def test_equal_schemas_have_no_change() -> None:
    """Where sequences stand, and what the schema is called, is not its structure."""
    assert schema_changes(SCHEMA, _with(name="copy")) == ()


def test_the_gravest_comes_first() -> None:
    """Breaking, then warnings, then information."""
    after = _table(columns=(ID,), indexes=(), comment=None)
    found = [change.severity for change in schema_changes(SCHEMA, after)]
    assert found == ["breaking", "warning", "information"]
