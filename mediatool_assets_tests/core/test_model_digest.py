"""The digest of a model is that of what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.shapes import digest

MODEL = """\
tables: {users: {key: id, columns: [id, name]}, daily: , gone: }
collections:
  users:
    root: users
    rename: {name: fullName}
    indexes: [{keys: name, partialFilterExpression: {a: 1, b: 2}}]
    add:
      days: {embed_many: id -> daily.user_id, orphans: alone, order: [day descending]}
left_out: {gone: replaced}
"""


def _digest(directory: Path, text: str) -> str:
    path = directory / "model.yaml"
    path.write_text(text, "utf-8")
    return digest(load_model(path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tables:", "# why\n\ntables:"),
        ("root: users", "root: 'users'  # a comment"),
        ("replaced", "replaced by another"),
        ("columns: [id, name]", "columns: {id: uuid, name: text}"),
        ("daily: ,", "daily: {may_lose: 60%, type_changes: accept},"),
        ("{gone: replaced}", "\n  gone: replaced"),
        ("daily: , gone: ", "gone: , daily: "),
    ],
)  # fmt: skip
def test_what_no_document_depends_on_does_not_matter(tmp_path: Path, old: str, new: str) -> None:
    """Comments, lines, quotes, the order of tables, reasons, and what only checks ask for."""
    assert old in MODEL
    assert _digest(tmp_path, MODEL.replace(old, new)) == _digest(tmp_path, MODEL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("key: id,", "key: name,"),
        ("fullName", "wholeName"),
        (" descending", ""),
        ("embed_many", "embed_one"),
        ("orphans: alone", "orphans: lonely"),
        ("{a: 1, b: 2}", "{a: 1, b: 2.0}"),
        ("{a: 1, b: 2}", "{a: 1, b: '2'}"),
        ("{a: 1, b: 2}", "{b: 2, a: 1}"),
        ("    root: users", "    validator: off\n    root: users"),
        ("left_out: {gone: replaced}", "one_to_one: [gone]"),
    ],
)
def test_what_documents_depend_on_does(tmp_path: Path, old: str, new: str) -> None:
    """Each word of it; of MongoDB's own options the types and the order too."""
    assert old in MODEL
    assert _digest(tmp_path, MODEL.replace(old, new)) != _digest(tmp_path, MODEL)


def test_a_date_is_not_its_text(tmp_path: Path) -> None:
    """YAML tells them apart, and so does MongoDB."""
    dated = MODEL.replace("b: 2", "b: 2025-01-01")
    assert _digest(tmp_path, dated) != _digest(
        tmp_path, dated.replace("2025-01-01", "'2025-01-01'")
    )


def test_a_field_that_models_learn_changes_no_digest() -> None:
    """One that stands at its default is not there."""

    @dataclass(frozen=True)
    class Part:
        name: str
        known: tuple[str, ...] = ()

    @dataclass(frozen=True)
    class Later(Part):
        learnt: Mapping[str, int] = field(default_factory=dict)

    assert digest(Later("a")) == digest(Part("a"))
    assert digest(Later("a", learnt={"b": 1})) != digest(Part("a"))


def test_the_digest_is_one_for_ever(tmp_path: Path) -> None:
    """It stands in archives that later releases hold against their model."""
    assert _digest(tmp_path, MODEL) == (
        "72998232a890fb0e8a6d3d2bfd11e56a396ce0c09b244d4d0c5a92bc542783fe"
    )
