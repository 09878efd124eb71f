"""A model held against a schema: fields, lineage, drift, and mistakes by line."""

from dataclasses import replace

import msgspec
import pytest

from mediatool_assets.core.errors import BadModel
from mediatool_assets.core.model import (
    AdditionVerb,
    Collection,
    CollectionIndex,
    FieldAddition,
    LeftOut,
    Model,
    RenamedField,
    Retype,
    RowShape,
    SourceTable,
    Step,
    Take,
    TypeChanges,
)
from mediatool_assets.core.model import FieldType as Type
from mediatool_assets.core.resolution import Resolution, resolve
from mediatool_assets.core.schema import Schema, Table
from mediatool_assets_tests.raw_archives import column, table

USERS = table("users", id="uuid", zoho_id="text", full_name="text")
BUYS = table("media_buys", id="integer", owner_id="text", on_date="date", tags="text[]")
DAILY = table("daily", ("buy_id", "on_date"), buy_id="integer", on_date="date", clicks="bigint")


def schema(*tables: Table) -> Schema:
    """A schema of these tables."""
    return Schema("media_tool", tables)


def model(*collections: Collection, **sources: SourceTable) -> Model:
    """A model of these collections, that knows their tables and more."""
    roots = {c.root: SourceTable(c.root, (), 1) for c in collections}
    return Model("m.yaml", roots | sources, {c.name: c for c in collections})


def collection(name: str, root: str, *additions: FieldAddition, **parts: object) -> Collection:
    """A collection on line 10 whose shape has these parts."""
    return Collection(name, RowShape(root, 10, additions=additions, **parts), 10)  # type: ignore[arg-type]  # tests pass what Shape takes


def look_up(field: str, step: Step, *columns: str) -> FieldAddition:
    """A look_up on line 20."""
    take = Take(tuple((column, column) for column in columns), bare=False)
    return FieldAddition(field, AdditionVerb.LOOK_UP, (step,), 20, take)


def step(column: str, target: str, *keys: str, each: bool = False) -> Step:
    """An arrow on line 21."""
    return Step((column,), target, keys, each, 21)


def fields(resolution: Resolution, name: str) -> list[str]:
    """The fields of a collection's columns."""
    found = next(c for c in resolution.collections if c.name == name)
    return [column.field for column in found.shape.columns]


ALONE = FieldAddition(
    "days",
    AdditionVerb.EMBED_MANY,
    (step("id", "daily", "buy_id"),),
    20,
    orphans="daysAlone",
    shape=RowShape("daily", 20, renames=(RenamedField("on_date", "date", 22),)),
)
"""Embeds the days of a buy; those of no buy are documents of their own."""


def test_columns_become_camel_case_and_the_key_becomes_the_id() -> None:
    """A single key is ``_id``; a composite one is a document of the key's fields."""
    resolution = resolve(
        model(
            collection("buys", "media_buys"),
            collection("days", "daily", renames=(RenamedField("on_date", "date", 11),)),
        ),
        schema(BUYS, DAILY),
    )
    assert fields(resolution, "buys") == ["_id", "ownerId", "onDate", "tags"]
    assert fields(resolution, "days") == ["_id.buyId", "_id.date", "clicks"]
    assert resolution.warnings == ()


def test_a_key_that_mongodb_refuses_as_an_id_goes_a_level_below() -> None:
    """Arrays and JSON documents cannot be ``_id``, and can be within it."""
    odd = table("odd", ("tags",), tags="text[]", n="integer")
    assert fields(resolve(model(collection("odd", "odd")), schema(odd)), "odd")[0] == "_id.tags"


def test_lineage_names_the_columns_behind_every_field() -> None:
    """A looked-up field comes from what is taken and from what was matched."""
    owner = look_up("owner", step("owner_id", "users", "zoho_id"), "full_name")
    resolution = resolve(
        model(collection("buys", "media_buys", owner), users=SourceTable("users", (), 2)),
        schema(BUYS, USERS),
    )
    found = resolution.collections[0]
    assert found.lineage()["owner.full_name"] == (
        ("users", "full_name"),
        ("media_buys", "owner_id"),
        ("users", "zoho_id"),
    )
    assert found.lineage()["_id"] == (("media_buys", "id"),)
    assert found.tables == ("media_buys", "users")


def test_a_new_table_gets_a_collection_and_a_warning() -> None:
    """What the model does not know is not left behind."""
    resolution = resolve(model(collection("buys", "media_buys")), schema(BUYS, DAILY))
    assert [c.name for c in resolution.collections] == ["buys", "daily"]
    assert resolution.warnings == (
        "new table daily, unknown to the model: it became the collection daily",
    )


def test_columns_that_came_or_went_are_warned_of() -> None:
    """Where the model lists the columns, the others are drift; they become fields all the same."""
    known = SourceTable("users", (), 2, ("id", "zoho_id", "nick_name"))
    resolution = resolve(model(collection("users", "users"), users=known), schema(USERS))
    assert fields(resolution, "users") == ["_id", "zohoId", "fullName"]
    assert resolution.warnings == (
        "new column users.full_name, unknown to the model: it became the field fullName",
        "column users.nick_name is gone from the source, and so is its field",
    )


def test_new_names_that_clash_take_numbers_and_move_no_known_one() -> None:
    """Columns beside known ones, tables beside known collections and beside each other."""
    known = SourceTable("users", (), 2, ("id", "full_name"))
    grown = table("users", id="uuid", full_name="text", fullName="text", _id="text", owner="text")
    owner = look_up("owner.name", step("id", "users", "id"), "full_name")
    new = table(
        "media$buys", ("a_b", "aB"), a_b="integer", aB="integer", c_="text", **{"$c_": "text"}
    )
    resolution = resolve(
        replace(model(collection("mediaBuys", "users", owner), users=known), line=3),
        schema(grown, BUYS, new, msgspec.structs.replace(new, name="media.buys")),
    )
    assert fields(resolution, "mediaBuys") == ["_id", "fullName", "fullName2", "_id2", "owner2"]
    assert fields(resolution, "media_buys") == ["_id.aB", "_id.aB2", "c_", "c_2"]
    assert [(r.line, r.text, r.fix) for r in resolution.remarks if "another" in r.text] == [
        (
            2,
            f"new column users.{name}, unknown to the model: it became the field {field}2, "
            f"as there is another {field}",
            f"add it to columns: and rename: it to {field}2",
        )
        for name, field in (("_id", "_id"), ("fullName", "fullName"), ("owner", "owner"))
    ] + [
        (
            3,
            f"new table {name}, unknown to the model: it became the collection mediaBuys{n}, "
            "as there is another mediaBuys",
            "add it to tables: and give it a home, or leave it out with a reason",
        )
        for name, n in (("media_buys", 2), ("media.buys", 3))
    ]


def test_two_unique_keys_that_take_nulls_are_no_choice() -> None:
    """Neither knows a row from every other: it is known by its content."""
    loose = Table("loose", (column("a"), column("b")), unique_keys=(("a",), ("b",)))
    found = resolve(model(collection("x", "loose")), schema(loose))
    assert found.collections[0].shape.key == ()


@pytest.mark.parametrize(
    ("known", "policy", "told"),
    [
        ("text", TypeChanges.STRICT, None),
        ("character varying", TypeChanges.STRICT, "which holds every value of character varying"),
        ("integer", TypeChanges.FLAG, "and was integer; its field has the new type"),
        ("integer", TypeChanges.ACCEPT, None),
    ],
)
def test_a_type_that_changed_is_decided_by_the_model(
    known: str, policy: TypeChanges, told: str | None
) -> None:
    """Widened it is taken; of another kind it is what the policy says."""
    users = SourceTable("users", (), 2, ("id", "zoho_id", "full_name"))
    users = replace(users, types={"zoho_id": known}, type_changes=policy, lines={"zoho_id": 3})
    resolution = resolve(model(collection("users", "users"), users=users), schema(USERS))
    texts = [f"column users.zoho_id is text now, {told}"] if told else []
    assert list(resolution.warnings) == texts
    assert [(r.line, r.drift, r.fix) for r in resolution.remarks] == [
        (3, True, "write text for it in columns:") for _ in texts
    ]


@pytest.mark.parametrize(
    ("known", "fits"), [("state", True), ("sales.state", True), ("stock.state", False)]
)
def test_a_types_schema_need_not_be_said(known: str, fits: bool) -> None:
    """Where it is, the type is that of this schema."""
    sold = table("sold", id="integer", state="sales.state")
    source = SourceTable("sold", (), 2, ("id", "state"), types={"state": known})
    source = replace(source, type_changes=TypeChanges.FLAG)
    found = resolve(model(collection("sold", "sold"), sold=source), schema(sold))
    assert (found.warnings == ()) is fits


def test_a_strict_model_stops_at_a_type_of_another_kind() -> None:
    """At the line of the column, with what to write."""
    users = SourceTable("users", (), 2, ("id", "zoho_id", "full_name"))
    users = replace(users, types={"zoho_id": "integer"}, lines={"zoho_id": 3})
    with pytest.raises(BadModel) as caught:
        resolve(model(collection("users", "users"), users=users), schema(USERS))
    assert caught.value.problems == (
        "m.yaml:3: column users.zoho_id is text now, and was integer; check its readers, then "
        "write text for it in columns:, or allow it with type_changes: flag",
    )


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (
            ("id", "zoho_id", "full_name"),
            "m.yaml:4: the source has no table people, and users is new and has its columns: if it "
            "was renamed, write users here and on lines 10, 21, else take it out of the model",
        ),
        (
            ("id", "zoho_id", "name"),
            "m.yaml:4: the source has no table people, and users is new and has most of its "
            "columns: if it was renamed, write users here and on lines 10, 21, else take it out "
            "of the model",
        ),
        (
            (),
            "m.yaml:4: the source has no table people; take it out of the model, or give it the "
            "table's new name (new are users), here and on lines 10, 21; "
            "MEDIATOOL_EXCLUDE_TABLES=people goes on without it",
        ),
    ],
)
def test_a_renamed_table_is_told_with_its_new_name_and_every_line(
    known: tuple[str, ...], said: str
) -> None:
    """A new table with its columns is what it may be called now."""
    people = SourceTable("people", (), 4, known)
    added = look_up("owner", step("owner_id", "people", "zoho_id"), "full_name")
    wanted = model(collection("people", "people"), collection("buys", "media_buys", added))
    wanted = replace(wanted, sources={**wanted.sources, "people": people})
    with pytest.raises(BadModel) as caught:
        resolve(wanted, schema(USERS, BUYS))
    assert said in caught.value.problems


def test_a_renamed_column_is_told_with_those_that_are_new() -> None:
    """Where a model takes a column that is not there."""
    users = SourceTable("users", ("id",), 3, ("id", "zoho_id", "name"))
    added = look_up("owner", step("owner_id", "users", "zoho_id"), "name")
    wanted = model(collection("buys", "media_buys", added), users=users)
    with pytest.raises(BadModel, match=r"no column name; .* new name \(new are full_name\)"):
        resolve(wanted, schema(USERS, BUYS))


def test_a_left_out_table_may_go() -> None:
    """Nothing of it was used; any other is a mistake."""
    gone = SourceTable("gone", (), 4)
    wanted = model(collection("users", "users"), gone=gone)
    with pytest.raises(BadModel, match=r"m\.yaml:4: the source has no table gone"):
        resolve(wanted, schema(USERS))
    wanted = replace(wanted, left_out={"gone": LeftOut("gone", "no use", 5)})
    [remark] = resolve(wanted, schema(USERS)).remarks
    assert remark.text == "table gone is gone from the source; it was left out anyway"


def test_an_excluded_table_takes_its_collection_along() -> None:
    """A table that the export was told to leave out is no mistake of the model."""
    resolution = resolve(
        model(collection("buys", "media_buys"), collection("users", "users")),
        schema(BUYS, USERS),
        excluded={"users"},
    )
    assert [c.name for c in resolution.collections] == ["buys"]
    assert resolution.warnings == ("users was excluded from the export: it has no rows here",)


@pytest.mark.parametrize(
    ("excluded", "problems"),
    [
        ({"users"}, ["m.yaml:21: owner needs users; do not exclude it"]),
        ({"daily"}, ["m.yaml:21: days needs daily; do not exclude it"]),
        (
            {"media_buys"},
            ["m.yaml:22: daily lives in buys, which goes with media_buys: exclude both or neither"],
        ),
    ],
)
def test_what_others_need_cannot_be_excluded(excluded: set[str], problems: list[str]) -> None:
    """Neither a table that is read elsewhere nor the home of one that stays; both together can."""
    owner = look_up("owner", step("owner_id", "users", "zoho_id"), "full_name")
    days = replace(ALONE, line=22)
    wanted = model(
        collection("buys", "media_buys", owner, days),
        collection("users", "users"),
        daily=SourceTable("daily", (), 2),
    )
    with pytest.raises(BadModel) as caught:
        resolve(wanted, schema(BUYS, USERS, DAILY), excluded)
    assert list(caught.value.problems) == problems
    resolution = resolve(wanted, schema(BUYS, USERS, DAILY), {"media_buys", "daily"})
    assert [c.name for c in resolution.collections] == ["users"]


def test_orphans_become_documents_of_their_own_collection() -> None:
    """What is embedded where it can be has a collection for where it cannot, keyed as a root."""
    resolution = resolve(
        model(collection("buys", "media_buys", ALONE), daily=SourceTable("daily", (), 2)),
        schema(BUYS, DAILY),
    )
    alone = next(c for c in resolution.collections if c.name == "daysAlone")
    assert alone.orphans_of == "buys.days"
    assert fields(resolution, "daysAlone") == ["_id.buyId", "_id.date", "clicks"]
    inner = resolution.collections[0].shape.additions[0].shape
    assert inner is not None
    assert [column.field for column in inner.columns] == ["buyId", "date", "clicks"]


def test_left_out_tables_keep_their_reason() -> None:
    """A table left out has no collection, and no warning."""
    wanted = Model(
        "m.yaml",
        {"users": SourceTable("users", (), 2)},
        {},
        {"users": LeftOut("users", "personal", 3)},
    )
    resolution = resolve(wanted, schema(USERS))
    assert (resolution.collections, resolution.left_out) == ((), {"users": "personal"})


NO_KEY = Table(
    "keyless",
    (column("id", nullable=False), column("code", nullable=False), column("note")),
    unique_keys=(("id",), ("code",), ("note",)),
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((model(collection("x", "gone")),), "m.yaml:1: the source has no table gone"),
        (
            (
                model(collection("x", "users", renames=(RenamedField("nick", "n", 12),))),
                USERS,
            ),
            "m.yaml:12: the source's users has no column nick",
        ),
        (
            (
                model(collection("x", "users", retypes=(Retype("nick", Type.LONG, 13),))),
                USERS,
            ),
            "m.yaml:13: the source's users has no column nick",
        ),
        (
            (
                model(collection("x", "users", renames=(RenamedField("id", "uid", 12),))),
                USERS,
            ),
            "m.yaml:12: users.id is the key: it is _id; take it out of rename:",
        ),
        (
            (
                model(
                    collection("x", "users", look_up("y", step("zoho_id", "users", "nick"), "id"))
                ),
                USERS,
            ),
            "m.yaml:21: the source's users has no column nick",
        ),
        (
            (
                model(collection("x", "users", look_up("y", step("zoho_id", "users"), "nick"))),
                USERS,
            ),
            "m.yaml:20: the source's users has no column nick",
        ),
        (
            (
                model(
                    collection("x", "users", look_up("y", step("id", "daily"), "clicks")),
                    daily=SourceTable("daily", (), 3),
                ),
                USERS,
                DAILY,
            ),
            "m.yaml:21: y: the key of daily is [buy_id, on_date]; name the columns",
        ),
        (
            (
                model(
                    collection("x", "media_buys", look_up("y", step("tags", "media_buys"), "id"))
                ),
                BUYS,
            ),
            "m.yaml:21: media_buys.tags is an array: write tags[] ->",
        ),
        (
            (
                model(
                    collection(
                        "x", "media_buys", look_up("y", step("id", "media_buys", each=True), "id")
                    )
                ),
                BUYS,
            ),
            "m.yaml:21: media_buys.id is no array: write id ->",
        ),
        (
            (model(collection("x", "keyless")), NO_KEY),
            "m.yaml:10: keyless has an ambiguous key: in tables: name one, [id] or [code]",
        ),
        (
            (
                model(
                    collection("x", "users"),
                    users=SourceTable("users", ("uid",), 4),
                ),
                USERS,
            ),
            "m.yaml:4: users has no column uid, part of its key",
        ),
        (
            (
                model(collection("x", "users", look_up("fullName", step("id", "users"), "id"))),
                USERS,
            ),
            "m.yaml:10: x: fullName (column full_name) and fullName (add:) cannot both be fields; "
            "give one another name, a column with rename:",
        ),
        (
            (
                model(
                    collection("x", "users", renames=(RenamedField("zoho_id", "fullName.z", 12),))
                ),
                USERS,
            ),
            "m.yaml:10: x: fullName (column full_name) and fullName.z (column zoho_id) cannot",
        ),
        (
            (
                model(
                    Collection(
                        "x", RowShape("users", 10), 10, (CollectionIndex((("nick", 1),), {}, 30),)
                    )
                ),
                USERS,
            ),
            "m.yaml:30: index: x has no field nick",
        ),
    ],
)
def test_what_does_not_fit_the_schema_is_named_with_its_line(
    given: tuple[Model, *tuple[Table, ...]], expected: str
) -> None:
    """Unknown tables and columns, ambiguous keys and two fields with one name are refused."""
    wanted, *tables = given
    with pytest.raises(BadModel) as caught:
        resolve(wanted, schema(*tables))
    assert any(problem.startswith(expected) for problem in caught.value.problems), caught.value
