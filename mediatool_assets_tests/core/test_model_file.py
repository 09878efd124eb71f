"""The model file: what it says, and every mistake with its line."""

from pathlib import Path

import pytest

from mediatool_assets.core.errors import BadModel
from mediatool_assets.core.model import (
    AdditionVerb,
    Bounds,
    FieldType,
    LeftOut,
    Model,
    Order,
    Step,
    Take,
    TypeChanges,
)
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.shapes import digest

GOOD = """\
tables:
  campaigns: {columns: [id, name, owner_id]}
  users:
  strategies:
  daily: [platform_id, day]
  old:
collections:
  campaigns:
    root: campaigns
    rename: {name: title.text}
    types: {owner_id: long}
    add:
      owner:
        look_up: owner_id -> users.zoho_id
        take: [id, full_name]
      strategy:
        embed_one: id -> strategies.campaign_id
        order: [version descending, id]
        orphans: strategiesAlone
    indexes:
      - [title.text, owner.id]
      - {keys: {ownerId: -1}, unique: true, name: byOwner}
    validator: off
  users: users
one_to_one: ["da*"]
left_out:
  old: replaced by daily
"""


def load(tmp_path: Path, text: str) -> Model:
    """The model that a text says."""
    path = tmp_path / "model.yaml"
    path.write_text(text, "utf-8")
    return load_model(path)


def problems(tmp_path: Path, text: str) -> tuple[str, ...]:
    """The mistakes that a text has."""
    with pytest.raises(BadModel) as caught:
        load(tmp_path, text)
    return caught.value.problems


def test_odd_names_stand_in_quotes(tmp_path: Path) -> None:
    """In arrows and in orders; written again, an arrow is what was read."""
    text = """
tables: {"a b": , 'c.d, "e" f': }
collections:
  c: 'c.d, "e" f'
  a:
    root: a b
    add:
      x:
        look_up: '"of b"[] -> "c.d, ""e"" f"."the ""id"" x"'
        take: id
        """
    [step] = load(tmp_path, text).collections["a"].shape.additions[0].path
    assert (step.columns, step.table, step.keys) == (("of b",), 'c.d, "e" f', ('the "id" x',))
    assert step.each
    assert str(step) == '"of b"[] -> "c.d, ""e"" f"."the ""id"" x"'
    wrong = problems(tmp_path, text.replace('""e""', '"e"'))
    assert any("is not an arrow" in problem for problem in wrong)


def test_columns_may_have_types_and_lines(tmp_path: Path) -> None:
    """The model's own policy holds for its tables, and a table's own before it."""
    text = """
type_changes: flag
tables:
  a: {type_changes: accept, columns: [id]}
  b:
    columns:
      {id: integer,
       tags: "uuid[]"}
one_to_one: [a, b]
"""
    a, b = load(tmp_path, text).sources.values()
    assert (a.type_changes, b.type_changes) == (TypeChanges.ACCEPT, TypeChanges.FLAG)
    assert (a.columns, a.types) == (("id",), {})
    assert (b.columns, b.types) == (("id", "tags"), {"id": "integer", "tags": "uuid[]"})
    assert b.lines == {"id": 7, "tags": 8}
    plain = load(tmp_path, "tables: {a: [], b: }\none_to_one: [a, b]").sources["a"]
    assert plain.type_changes is TypeChanges.STRICT
    wrong = problems(tmp_path, text.replace("accept", "perhaps"))
    assert wrong == ("model.yaml:4: type_changes: 'perhaps' is not one of strict, flag, accept",)


def test_a_model_names_the_tables_whose_rows_are_metrics(tmp_path: Path) -> None:
    """No document depends on them; each is a table, once, and no metric has its name already."""
    text = "tables: {a: , b: , documents: }\none_to_one: [a, b, documents]\nmetrics: [b, a]\n"
    model = load(tmp_path, text)
    assert model.metrics == ("b", "a")
    plain = load(tmp_path, text.replace("metrics: [b, a]", ""))
    assert (plain.metrics, digest(plain)) == ((), digest(model))
    wrong = problems(tmp_path, text.replace("[b, a]", "[nothing, a, a, documents]"))
    assert wrong == (
        "model.yaml:3: metrics: a is listed twice",
        "model.yaml:3: metrics: documents is the name of another metric; leave it out",
        "model.yaml:3: metrics: there is no table nothing in tables:",
    )


def test_a_model_names_the_owners_of_the_assets(tmp_path: Path) -> None:
    """People and teams as Dagster takes them; no document depends on them."""
    text = 'tables: {a: }\none_to_one: [a]\nowners: ["team:data", "x@example.com"]\n'
    model = load(tmp_path, text)
    assert model.owners == ("team:data", "x@example.com")
    plain = load(tmp_path, text.partition("owners")[0])
    assert (plain.owners, digest(plain)) == ((), digest(model))
    wrong = problems(tmp_path, text.replace("team:data", "the data team"))
    assert wrong == (
        "model.yaml:3: owners: the data team is neither an e-mail address nor team:NAME",
    )


def test_a_table_s_bounds_are_percentages(tmp_path: Path) -> None:
    """They reach the checks, and no document: the model's digest is the same with and without."""
    text = "tables: {a: {may_lose: 60%, may_gain: 300%}, b: }\none_to_one: [a, b]\n"
    model = load(tmp_path, text)
    assert model.sources["a"].bounds == Bounds(0.6, 3.0)
    assert model.sources["b"].bounds == Bounds()
    plain = load(tmp_path, text.replace("may_lose: 60%, may_gain: 300%", "columns: []"))
    assert digest(plain) == digest(model)
    wrong = problems(tmp_path, text.replace("60%", "half"))
    assert wrong == ("model.yaml:1: 'half' is not a percentage; write 60%",)


def test_a_model_says_what_its_file_says(tmp_path: Path) -> None:
    """Tables, keys, renames, types, additions, indexes and validators are read with their lines."""
    model = load(tmp_path, GOOD)
    assert model.tables == ("campaigns", "daily", "old", "strategies", "users")
    assert model.sources["daily"].key == ("platform_id", "day")
    assert model.sources["campaigns"].columns == ("id", "name", "owner_id")
    assert set(model.collections) == {"campaigns", "users", "daily"}
    assert model.left_out == {"old": LeftOut("old", "replaced by daily", 27)}
    campaigns = model.collections["campaigns"]
    assert campaigns.tables == ("campaigns", "users", "strategies")
    assert campaigns.validator == {}
    assert [(r.column, r.field, r.line) for r in campaigns.shape.renames] == [
        ("name", "title.text", 10)
    ]
    assert campaigns.shape.retypes[0].type is FieldType.LONG
    owner, strategy = campaigns.shape.additions
    assert owner.verb is AdditionVerb.LOOK_UP
    assert owner.path == (Step(("owner_id",), "users", ("zoho_id",), each=False, line=14),)
    assert owner.take == Take((("id", "id"), ("fullName", "full_name")), bare=False)
    assert strategy.order == (Order("version", descending=True), Order("id", descending=False))
    assert model.orphan_collections == {"strategiesAlone": "strategies"}
    assert [index.keys for index in campaigns.indexes] == [
        (("title.text", 1), ("owner.id", 1)),
        (("ownerId", -1),),
    ]
    assert campaigns.indexes[1].options == {"unique": True, "name": "byOwner"}


def test_an_arrow_names_arrays_composite_keys_and_default_keys(tmp_path: Path) -> None:
    """``a, b -> t.c, d`` matches two columns, ``a[]`` elements, ``-> t`` its own key."""
    text = """\
tables: {a: , t: }
one_to_one: [t]
collections:
  a:
    root: a
    add:
      one: {look_up: "x, y -> t.c, d", take: v}
      two: {look_up: "xs[] -> t", take: v}
"""
    one, two = load(tmp_path, text).collections["a"].shape.additions
    assert str(one.path[0]) == "x, y -> t.c, d"
    assert (one.path[0].columns, one.path[0].keys) == (("x", "y"), ("c", "d"))
    assert (two.path[0].each, two.path[0].keys) == (True, ())


ONE = "tables: {a: }\ncollections:\n  a:\n    root: a\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "model.yaml:1: the model is empty"),
        ("tables: [", "model.yaml:1: not YAML"),
        ("tables: {a: }\none_to_one: [a]\nextra: 1", "model.yaml:3: a model: unknown name 'extra'"),
        ("tables: {a: , b: }\none_to_one: [a]", "model.yaml:1: b is neither used nor left out"),
        ("tables: {a: }\none_to_one: [a, c]", "model.yaml:2: one_to_one: there is no table"),
        ("tables: {a: }\ncollections:\n  a: a\n  b: a", "model.yaml:4: a has 2 homes"),
        (
            "tables: {a: }\ncollections:\n  a: a\n  b: b",
            "model.yaml:4: collection b: unknown table",
        ),
        ("tables: {a: }\ncollections:\n  a: {}", "model.yaml:3: collection a has no root"),
        ("tables:\n  a:\n  a:\none_to_one: [a]", "model.yaml:3: tables: a is listed twice"),
        (
            "tables: {a: {key: x, columns: [y]}}\none_to_one: [a]",
            "model.yaml:1: table a: the key's x is not in columns",
        ),
        (ONE + "    colour: red", "model.yaml:5: collection a: unknown name 'colour'"),
        (ONE + "    types: {x: float}", "model.yaml:5: x: 'float' is not a type"),
        (ONE + "    rename: {x: a..b}", "model.yaml:5: 'a..b' is not a field"),
        (ONE + "    rename: {x: z, y: z}", "model.yaml:5: two fields of a are called z"),
        (ONE + "    add:\n      x: y", "model.yaml:6: x: say how it is made"),
        (ONE + "    add:\n      x: {take: y}", "model.yaml:6: x: write exactly one of"),
        (ONE + "    add:\n      x: {look_up: y, take: z}", "model.yaml:6: 'y' is not an arrow"),
        (
            ONE + '    add:\n      x: {look_up: "y, z -> a.b", take: z}',
            "model.yaml:6: 'y, z -> a.b' needs as many columns",
        ),
        (
            ONE + '    add:\n      x: {look_up: "y, z[] -> a", take: z}',
            "model.yaml:6: 'y, z[] -> a': only one array",
        ),
        (
            ONE + "    add:\n      x: {look_up: y -> b, take: z}",
            "model.yaml:6: x: unknown table b",
        ),
        (ONE + "    add:\n      x: {look_up: y -> a}", "model.yaml:6: x: look_up wants take"),
        (ONE + "    add:\n      x: {look_up: y -> a, take: []}", "model.yaml:6: x: take is empty"),
        (
            "tables: {a: , b: }\ncollections:\n  a:\n    root: a\n    add:\n"
            "      x: {embed_one: id -> b.a_id}",
            "model.yaml:6: x: embed_one wants orphans",
        ),
        (
            "tables: {a: , b: }\ncollections:\n  a:\n    root: a\n    add:\n"
            "      x: {embed_one: id -> b.a_id, orphans: a}",
            "model.yaml:6: x: orphans: a is taken by collection a",
        ),
        (
            "tables: {a: , b: }\ncollections:\n  a:\n    root: a\n    add:\n"
            "      x: {embed_many: [id -> a.id, id -> b.a_id], orphans: c}",
            "model.yaml:6: x: embed_many takes one arrow",
        ),
        (
            ONE + "    add:\n      x: {embed_many: id -> a.b, orphans: c, order: [n up]}",
            "model.yaml:6: order: 'up' is neither ascending nor descending",
        ),
        (
            "tables: {a: , b: }\ncollections:\n"
            "  x: {root: a, add: {y.z: {look_up: k -> b, take: n}}}\n"
            "  x.y: {root: b, add: {z: {look_up: k -> a, take: n}}}",
            "model.yaml:4: x.y.z is an added field of x and of x.y; rename one of them",
        ),
        (ONE + "    indexes: [{unique: true}]", "model.yaml:5: an index needs keys"),
        (ONE + "    validator: strict", "model.yaml:5: validator: write off"),
        ("tables: {a: }\ncollections:\n  system.a: a", "model.yaml:3: MongoDB keeps collection"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, expected: str) -> None:
    """Whoever wrote the model can go to the line and knows what to change."""
    assert any(problem.startswith(expected) for problem in problems(tmp_path, text))


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    """One run of the loader is enough to correct a model."""
    text = GOOD.replace("long", "lung").replace("users.zoho_id", "person.id").replace("off", "on")
    lines = [problem.split(":")[1] for problem in problems(tmp_path, text)]
    assert lines == ["11", "14", "23"]


def test_an_absent_model_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is no traceback."""
    with pytest.raises(BadModel, match=r"absent\.yaml: cannot be read"):
        load_model(tmp_path / "absent.yaml")
