"""The definitions as a whole: loadable anywhere, and every asset described."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mediatool_assets.core.errors import BadModel
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.setting_values import Targets
from mediatool_assets.core.settings import Settings
from mediatool_assets.definitions import definitions
from mediatool_assets.orchestration import name_of

_LOAD_ALONE = """
import sys

def refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise AssertionError(f"{event} {arguments}")

sys.addaudithook(refuse)
import mediatool_assets.definitions
drivers = {"boto3", "psycopg", "psycopg2", "pymongo", "pandas"} & sys.modules.keys()
assert not drivers, drivers
"""

SHIPPED = load_model(Settings().model)
defs = definitions(Settings(targets=Targets(postgres=True)))
"""With every database."""


def _specs() -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def _in_order() -> list[dg.AssetSpec]:
    """The specs, in one order for every process that collects the tests."""
    specs = _specs()
    return [specs[key] for key in sorted(specs, key=lambda key: list(key.path))]


def test_they_load_in_an_empty_environment_without_io(tmp_path: Path) -> None:
    """No variable, no server, no socket, no driver: the model file is all that is read."""
    loaded = subprocess.run(
        [sys.executable, "-c", _LOAD_ALONE], cwd=tmp_path, env={}, capture_output=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr.decode()


_ODD_MODEL = """
tables: {"Größe, in cm": , "a-b": , a_b: , sales.orders: , "50%": }
collections:
  "Größe, in cm": "Größe, in cm"
  a-b: a-b
  a_b2: a_b
  sales orders: sales.orders
  "50%": "50%"
"""


def test_names_may_be_any(tmp_path: Path) -> None:
    """The asset graph is that of the model, whatever its tables and collections are called."""
    path = tmp_path / "model.yaml"
    path.write_text(_ODD_MODEL, "utf-8")
    odd = definitions(Settings(model=path))
    dg.Definitions.validate_loadable(odd)
    names: dict[str | None, set[str]] = {}
    for spec in odd.resolve_all_asset_specs():
        names.setdefault(spec.group_name, set()).add(name_of(spec.key))
    assert names["raw"] == {"Größe, in cm", "a-b", "a_b", "sales.orders", "50%", "raw_archive"}
    collections = {"Größe, in cm", "a-b", "a_b2", "sales orders", "50%"}
    assert names["mongodb"] == {*collections, "mongodb_database"}


def test_dagster_can_load_them() -> None:
    """Every resource, job, schedule and sensor is there that something needs."""
    dg.Definitions.validate_loadable(defs)


def test_every_table_and_collection_has_its_assets() -> None:
    """An external asset and two a table, two a collection, and each layer as a whole."""
    by_group: dict[str | None, set[str]] = {}
    for key, spec in _specs().items():
        by_group.setdefault(spec.group_name, set()).add(key.path[-1])
    assert by_group["source"] == set(SHIPPED.tables)
    assert by_group["postgres"] == {*SHIPPED.tables, "postgres_database"}
    assert by_group["raw"] == {*SHIPPED.tables, "raw_archive"}
    collections = set(SHIPPED.collections) | set(SHIPPED.orphan_collections)
    assert by_group["transformed"] == {*collections, "transformed_archive"}
    assert by_group["mongodb"] == {*collections, "mongodb_database"}
    assert by_group["version"] == {"dump", "metadata", "registry"}  # none needs a key
    assert min(map(len, by_group.values())) > 1


@pytest.mark.parametrize("spec", _in_order(), ids=lambda spec: spec.key.to_user_string())
def test_every_asset_is_described(spec: dg.AssetSpec) -> None:
    """Group, description, kinds and owners; and a code version on all that is made here."""
    assert spec.group_name
    assert spec.description
    assert 1 <= len(spec.kinds) <= 10
    assert spec.owners == ["team:media-planning"]
    assert (spec.code_version is None) == (spec.group_name == "source")


def test_every_schedule_sensor_and_job_is_described() -> None:
    """The UI says of each what it does."""
    repository = defs.get_repository_def()
    ours = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    things: list[Any] = [*repository.schedule_defs, *repository.sensor_defs, *ours]
    assert [thing.name for thing in things if not thing.description] == []


@pytest.mark.parametrize("layer", ["raw", "transformed", "mongodb", "postgres"])
def test_a_table_says_why_it_is_not_made_alone(layer: str) -> None:
    """Its step makes the layer; Dagster refuses a selection of a part, and says nothing of why."""
    says = _specs()[dg.AssetKey([layer, "campaigns"])].description
    assert says is not None
    assert "cannot be materialized alone" in says


def test_a_collection_depends_on_its_tables() -> None:
    """Lineage goes from the tables that the model names to the collection, and on to MongoDB."""
    specs = _specs()
    transformed = specs[dg.AssetKey(["transformed", "campaigns"])]
    assert {dep.asset_key.path[-1] for dep in transformed.deps} >= {"campaigns", "accounts"}
    loaded = specs[dg.AssetKey(["mongodb", "campaigns"])]
    assert [dep.asset_key for dep in loaded.deps] == [transformed.key]


def test_a_collection_s_code_version_is_of_what_the_model_says_of_it(tmp_path: Path) -> None:
    """A change to one collection changes its code version, and no other's."""
    shipped = Settings().model.read_text()
    assert "accountName" in shipped
    changed = tmp_path / "model.yaml"
    changed.write_text("# a line more\n" + shipped.replace("accountName", "account"))
    before = _specs()
    other = definitions(Settings(model=changed, targets=Targets(postgres=True)))
    after = {spec.key: spec for spec in other.resolve_all_asset_specs()}
    differ = {key.path[-1] for key in before if before[key].code_version != after[key].code_version}
    assert differ == {"campaigns"}


@pytest.mark.parametrize(
    ("step", "takes"),
    [
        ("transform", "raw_archive"),
        ("restore", "raw_archive"),
        ("load", "transformed_archive"),
        ("dump", "mongodb_database"),
        ("publish", "dump"),
    ],
)
def test_a_step_takes_what_the_one_before_made(step: str, takes: str) -> None:
    """One input by an IO manager: the whole of the layer before; its tables are dependencies."""
    steps = [each for each in defs.resolve_asset_graph().assets_defs if each.is_executable]
    (made,) = [each for each in steps if each.op.name == step]
    inputs = {i.name for i in made.op.input_defs if not i.dagster_type.is_nothing}
    assert {made.keys_by_input_name[name] for name in inputs} == {dg.AssetKey(takes)}


def test_a_part_of_a_layer_is_refused() -> None:
    """An archive is one object: Dagster itself refuses to make some of its tables."""
    job = defs.resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.DagsterInvalidSubsetError, match="does not support subsetting"):
        job.get_subset(asset_selection={dg.AssetKey(["raw", "campaigns"])})


def test_excluded_tables_have_no_asset(tmp_path: Path) -> None:
    """What the settings exclude is neither promised nor made."""
    settings = Settings(exclude_tables=frozenset({"users_history"}))
    keys = definitions(settings).resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey(["raw", "users_history"]) not in keys
    assert dg.AssetKey(["transformed", "usersHistory"]) not in keys


def test_what_the_model_needs_cannot_be_excluded() -> None:
    """Said at every line that needs it before anything runs, and not after the export."""
    with pytest.raises(BadModel) as caught:
        definitions(Settings(exclude_tables=frozenset({"users", "teams"})))
    assert "owner needs users; do not exclude it" in caught.value.problems[0]
    assert any("exclude both or neither" in problem for problem in caught.value.problems)
    both = definitions(Settings(exclude_tables=frozenset({"teams", "reps_x_teams"})))
    keys = both.resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey(["transformed", "repsXTeamsWithoutTeam"]) not in keys


def test_a_model_with_mistakes_says_all_of_them(tmp_path: Path) -> None:
    """The code location shows every mistake with its line, and not a stack trace alone."""
    model = tmp_path / "model.yaml"
    model.write_text("tables:\n  a:\ncollections:\n  b: nowhere\n")
    with pytest.raises(BadModel, match="nowhere"):
        definitions(Settings(model=model))
