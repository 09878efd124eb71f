"""The schema: what it finds by name, and what makes two schemas one."""

import msgspec
import pytest

from mediatool_assets.core.schema import Column, Enum, ForeignKey, Index, Schema, Sequence, Table

TABLE = Table(
    "line_items",
    (
        Column("id", "uuid", "uuid", nullable=False),
        Column("price", "media_tool.currency", "numeric", category="N", comment="per unit"),
        Column("media_trader_user_ids", "uuid[]", "uuid[]", category="A", element="uuid"),
    ),
    primary_key=("id",),
    foreign_keys=(ForeignKey("fk", ("strategy_id",), "strategies", ("id",)),),
    indexes=(Index("line_items_pkey", True, ("id",), "CREATE UNIQUE INDEX …"),),
)
SCHEMA = Schema(
    "media_tool", (TABLE,), (Enum("stage", ("won", "lost")),), (Sequence("s", 41),), ("a_view",)
)


def test_decode_and_encode_are_inverse() -> None:
    """schema.json is read as it was written."""
    assert Schema.from_json(SCHEMA.to_json()) == SCHEMA


def test_lookups() -> None:
    """Tables and columns are found by name; others are a KeyError."""
    assert SCHEMA.table("line_items").column("price").base == "numeric"
    for lookup in (SCHEMA.table, TABLE.column):
        with pytest.raises(KeyError, match="gone"):
            lookup("gone")


def test_data_does_not_change_the_fingerprint() -> None:
    """Where a sequence stands is data: a day of inserts leaves the schema's fingerprint."""
    later = msgspec.structs.replace(SCHEMA, sequences=(Sequence("s", 99),))
    assert later.fingerprint() == SCHEMA.fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"primary_key": ()},
        {"columns": TABLE.columns[:2]},
        {"columns": TABLE.columns[::-1]},
        {"comment": "said"},
        {"partitions": ("p1",)},
    ],
)
def test_structure_changes_the_fingerprint(change: dict[str, object]) -> None:
    """Any change of the structure shows in the fingerprint."""
    changed = msgspec.structs.replace(SCHEMA, tables=(msgspec.structs.replace(TABLE, **change),))
    assert changed.fingerprint() != SCHEMA.fingerprint()
