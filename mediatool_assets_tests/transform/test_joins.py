"""Joins say what a few lines of Python would say, whatever the rows."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediatool_assets.core.errors import CountMismatch
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import archive_key
from mediatool_assets.transform import documents as gather_shares
from mediatool_assets.transform import flow as collection_shares
from mediatool_assets.transform import join_plan, row_documents
from mediatool_assets.transform.flow import transform
from mediatool_assets.transform.row_documents import Counts
from mediatool_assets.work import RemoteExecutor
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.raw_archives import VERSION, documents, raw_archive, table
from mediatool_assets_tests.twins import DirectoryObjects

PARENTS = table("parents", id="integer", code="text", tags="text[]")
CHILDREN = table("children", id="integer", parent="integer", code="text", rank="integer")

MODEL = """\
tables: {parents: , children: }
collections:
  parents:
    root: parents
    add:
      many: {embed_many: id -> children.parent, order: [rank descending], orphans: alone}
      childCount: {count: id -> children.parent}
      codes: {union: id -> children.parent, take: code}
      firstOfCode: {look_up: code -> children.code, take: id}
      ofTags: {look_up: "tags[] -> children.code", take: id}
"""

NUMBERS = st.integers(0, 5)
CODES = st.none() | st.sampled_from(["", "a", "A", "b'\"", "ü"])
PARENT_ROWS = st.lists(
    st.fixed_dictionaries({"id": NUMBERS, "code": CODES, "tags": st.none() | st.lists(CODES)}),
    unique_by=lambda row: str(row["id"]),
)
CHILD_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 30),
            "parent": st.none() | NUMBERS,
            "code": CODES,
            "rank": st.none() | st.integers(-20, 20),
        }
    ),
    unique_by=lambda row: row["id"],
    max_size=12,
)
Rows = list[dict[str, Any]]


@settings(max_examples=15, deadline=None)  # each example starts a DuckDB
@given(PARENT_ROWS, CHILD_ROWS)
def test_joins_agree_with_a_loop(parents: Rows, children: Rows) -> None:
    """Embedding, counting, uniting and looking up, by null, doubled, empty and missing keys."""
    with transformed(parents, children) as objects:
        found = documents(objects, "parents")
        alone = documents(objects, "alone")
    of_parent = defaultdict(list)
    for child in sorted(children, key=_descending_rank):
        of_parent[child["parent"]].append(child)
    by_code = {child["code"]: child["id"] for child in sorted(children, key=lambda c: -c["id"])}
    by_code[None] = None
    assert [document["_id"] for document in found] == [parent["id"] for parent in parents]
    for parent, document in zip(parents, found, strict=True):
        own = of_parent[parent["id"]]
        assert document["many"] == own
        assert document["childCount"] == len(own)
        assert sorted(document["codes"], key=str) == sorted({c["code"] for c in own}, key=str)
        assert document["firstOfCode"] == by_code.get(parent["code"])
        tags = parent["tags"]
        assert document["ofTags"] == (None if tags is None else [by_code.get(tag) for tag in tags])
    known = {parent["id"] for parent in parents}
    assert [document["_id"] for document in alone] == [
        child["id"] for child in children if child["parent"] not in known
    ]


def _descending_rank(child: dict[str, Any]) -> tuple[bool, int, int]:
    rank = child["rank"]
    return rank is None, -(rank or 0), child["id"]


def test_numeric_keys_count_to_their_last_digit(tmp_path: Path) -> None:
    """What numeric(38) tells apart, references do too."""
    keys = [str(10**37 + n) for n in range(3)]
    numbered = table("parents", id="numeric"), table("children", id="integer", parent="numeric")
    rows = [{"id": key} for key in keys], [{"id": n, "parent": key} for n, key in enumerate(keys)]
    model = """\
tables: {parents: , children: }
collections:
  parents: {root: parents, add: {many: {embed_many: id -> children.parent, orphans: alone}}}
"""
    objects = DirectoryObjects(tmp_path / "bucket")
    raw_archive(objects, dict(zip(numbered, rows, strict=True)))
    (tmp_path / "model.yaml").write_text(model, "utf-8")
    with ThreadPoolExecutor(2) as threads:
        transform(
            objects, Workspace(threads, tmp_path), VERSION, load_model(tmp_path / "model.yaml")
        )
    found = documents(objects, "parents")
    assert [[child["id"] for child in parent["many"]] for parent in found] == [[0], [1], [2]]


def test_texts_are_the_same_where_postgresql_says_so(tmp_path: Path) -> None:
    """citext beside citext whatever its case, beside text by it; char(n) without its blanks."""
    owners = table("owners", id="integer", code="public.citext", place="character")
    things = table("things", id="integer", code="public.citext", said="text", place="text")
    model = """\
tables: {owners: , things: }
collections:
  owners:
    root: owners
    add:
      many: {embed_many: code -> things.code, orphans: alone}
      called: {count: code -> things.said}
      here: {look_up: place -> things.place, take: id}
"""
    rows = [{"id": 1, "code": "Ada", "place": "DE "}, {"id": 2, "code": "ADA", "place": "D  "}]
    more = [
        {"id": 5, "code": "aDA", "said": "Ada", "place": "DE"},
        {"id": 6, "code": "Bo", "said": "ada", "place": "D "},
    ]
    objects = DirectoryObjects(tmp_path / "bucket")
    raw_archive(objects, {owners: rows, things: more})
    (tmp_path / "model.yaml").write_text(model, "utf-8")
    with ThreadPoolExecutor(2) as threads:
        made = transform(
            objects, Workspace(threads, tmp_path), VERSION, load_model(tmp_path / "model.yaml")
        )
    one, two = documents(objects, "owners")
    assert ([d["id"] for d in one["many"]], one["called"], one["here"]) == ([5], 1, 5)
    assert ([d["id"] for d in two["many"]], two["called"], two["here"]) == ([], 0, None)
    assert [d["_id"] for d in documents(objects, "alone")] == [6]
    assert "many" in str(made.manifest.facts["ambiguous"])


SPREAD_MODEL = """\
tables: {parents: , children: , toys: , badges: , notes: }
collections:
  parents:
    root: parents
    add:
      many:
        embed_many: id -> children.parent
        orphans: alone
        add:
          toys: {embed_many: id -> toys.owner, orphans: lost}
          count: {count: id -> toys.owner}
      one: {embed_one: code -> badges.code, orphans: unread}
  notes: {root: notes, add: {parents: {union: code -> parents.code, take: id}}}
"""


def test_spread_over_workers_the_joins_find_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some rows at a time, by workers that share the bucket only, every byte is the same."""
    monkeypatch.setattr(join_plan, "ROWS", 4)
    rows: dict[Table, Rows] = {
        PARENTS: [{"id": n, "code": "ab"[n % 2], "tags": None} for n in range(7)],
        CHILDREN: [{"id": n, "parent": n % 9, "code": None, "rank": n % 3} for n in range(30)],
        table("toys", id="integer", owner="integer"): [
            {"id": n, "owner": n * 5 % 33} for n in range(40)
        ],
        table("badges", (), code="text", text="text"): [
            {"code": "abc"[n % 3], "text": "z"} for n in range(11)
        ],
        table("notes", (), code="text", text="text"): [
            {"code": "abc"[n % 3], "text": "xy"[n % 2]} for n in range(20)
        ],
    }
    (tmp_path / "model.yaml").write_text(SPREAD_MODEL, "utf-8")
    model, made = load_model(tmp_path / "model.yaml"), []
    with ThreadPoolExecutor(2) as threads:
        for name, workers in {"here": threads, "there": RemoteExecutor(threads)}.items():
            objects = DirectoryObjects(tmp_path / name)
            raw_archive(objects, rows)
            transform(objects, Workspace(workers, tmp_path), VERSION, model)
            made.append(objects.get(archive_key("transformed", VERSION))[0])
            assert len(list(objects.list(""))) == 2
    assert made[0] == made[1]


LOOKED_UP: dict[str, tuple[str, list[Any]]] = {
    "number": ("integer", [None, 3, 4, 7]),
    "large": ("bigint", [2**53 + 1, None, 5]),
    "exact": ("numeric", ["1.50", "2", "1.5", None]),
    "paid": ("money", ["1.00", "2.00"]),
    "name": ("text", ["ü", "", None, 'a"\\b', "A"]),
    "code": ("character", ["DE ", "D", "DE"]),
    "id": ("uuid", ["5b0d5f2e-0c0c-4a1e-9d5b-0d6f0c0c4a1e", None]),
    "yes": ("boolean", [True, False, None]),
    "at": ("timestamp with time zone", ["2025-06-12T08:00:00.123456+00:00", None]),
    "share": ("double precision", [0.1, -0.0, 1e22]),
}
"""For each column that is looked up: its type, and the values of rows that look it up."""


@pytest.mark.parametrize("compiled", [True, False])
def test_a_look_up_in_a_small_table_finds_what_the_join_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, compiled: bool
) -> None:
    """By keys of every kind, null, unresolved and of another type, here and by other machines."""
    if not compiled:
        monkeypatch.setattr(gather_shares, "library", lambda: None)
        monkeypatch.setattr(collection_shares, "library", lambda: None)
    rows: dict[Table, Rows] = {}
    owners: Rows = []
    lines = []
    for name, (kind, values) in LOOKED_UP.items():
        known = [value for value in dict.fromkeys(values) if value is not None][:2]
        target = table(f"of_{name}", ("key",), key=kind, label="text", times=kind)
        rows[target] = [{"key": key, "label": f"{key}!", "times": key} for key in known]
        lines.append(f"{name}Label: {{look_up: {name} -> of_{name}.key, take: label}}")
        lines.append(f"{name}Two: {{look_up: {name} -> of_{name}.key, take: [label, times]}}")
    for at in range(30):
        owner = {name: values[at % len(values)] for name, (_, values) in LOOKED_UP.items()}
        owners.append({"n": at} | owner)
    columns = {name: kind for name, (kind, _) in LOOKED_UP.items()}
    rows[table("owners", ("n",), n="integer", **columns)] = owners
    tables = ", ".join(f"{each.name}: " for each in rows)
    added = "".join(f"      {line}\n" for line in lines)
    text = f"tables: {{{tables}}}\ncollections:\n  owners:\n    root: owners\n    add:\n{added}"
    left_out = "".join(f"  of_{name}: looked up\n" for name in LOOKED_UP)
    (tmp_path / "model.yaml").write_text(f"{text}left_out:\n{left_out}", "utf-8")
    model, made = load_model(tmp_path / "model.yaml"), list[bytes]()
    with ThreadPoolExecutor(2) as threads:
        for most in (-1, row_documents.ROWS):
            monkeypatch.setattr(row_documents, "ROWS", most)
            for workers in (threads, RemoteExecutor(threads)):
                objects = DirectoryObjects(tmp_path / str(len(made)))
                raw_archive(objects, rows)
                stored = transform(objects, Workspace(workers, tmp_path), VERSION, model)
                made.append(objects.get(archive_key("transformed", VERSION))[0])
    assert len(set(made)) == 1
    unresolved = stored.manifest.facts["unresolved"]
    assert isinstance(unresolved, dict)
    assert unresolved["owners.numberLabel"] == 7
    found = documents(objects, "owners")
    assert [d["nameLabel"] for d in found[:4]] == ["ü!", "!", None, None]
    assert [d["codeLabel"] for d in found[:3]] == ["DE !", "D!", "DE !"]


@contextmanager
def transformed(parents: Rows, children: Rows) -> Iterator[DirectoryObjects]:
    """A bucket with the transformed archive of these rows, for a while."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        objects = DirectoryObjects(home / "bucket")
        raw_archive(objects, {PARENTS: parents, CHILDREN: children})
        (home / "model.yaml").write_text(MODEL, "utf-8")
        with ThreadPoolExecutor(2) as threads:
            transform(objects, Workspace(threads, home), VERSION, load_model(home / "model.yaml"))
        yield objects


def test_a_row_that_went_nowhere_is_an_error() -> None:
    """The counts are compared table by table before anything is published."""
    counts = Counts()
    counts.homes["documents", "campaigns"] = 2
    counts.homes["orphans", "campaigns"] = 1
    assert counts.rows({"campaigns": 3})["campaigns"]["orphans"] == 1
    with pytest.raises(CountMismatch, match="campaigns: rows that are accounted for: expected 4"):
        counts.rows({"campaigns": 4})
