"""Files that users wrote with d856f49, before the folders by capability, work unchanged."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

import mediatool_assets

HERE = Path(__file__).parent / "written_before"
MODEL = "tables:\n  accounts:\ncollections:\n  accounts: accounts\n"


def _classes(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if "module" in node and "class" in node:
            yield node["module"], node["class"]
        for value in node.values():
            yield from _classes(value)


def test_an_instance_loads_from_dagster_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its three classes are where they were, and Dagster makes an instance of them."""
    text = (HERE / "dagster.yaml").read_text("utf-8")
    assert len(list(_classes(yaml.safe_load(text)))) == 3
    for name in ("DAGSTER_PG_HOST", "MEDIATOOL_S3_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MEDIATOOL_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(text, "utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.get_run_records() == []


def test_the_code_location_of_workspace_yaml_exists() -> None:
    """So do the modules that services start with ``python -m``."""
    [entry] = yaml.safe_load((HERE / "workspace.yaml").read_text("utf-8"))["load_from"]
    assert entry["python_module"]["module_name"] == "mediatool_assets.definitions"
    assert isinstance(import_module("mediatool_assets.definitions").defs, dg.Definitions)
    for name in ("mediatool_assets.defs.launch", "mediatool_assets.native.build"):
        assert find_spec(name) is not None


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # Dagster's own, of its links
def test_components_load_by_both_names_of_their_types() -> None:
    """``dg scaffold`` writes the name with the module."""
    documents = (HERE / "defs.yaml").read_text("utf-8").split("---\n")
    with create_defs_folder_sandbox() as sandbox:
        for number, document in enumerate(documents):
            folder = sandbox.defs_folder_path / f"source{number}"
            folder.mkdir(parents=True)
            (folder / "defs.yaml").write_text(document, "utf-8")
            (folder / "model.yaml").write_text(MODEL, "utf-8")
        with sandbox.build_all_defs() as defs:
            keys = {key.path[0] for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert {"billing", "planning"} <= keys


def test_a_notebook_finds_its_names() -> None:
    """Each public name is one of them."""
    ran = run_path(str(HERE / "notebook.py"))
    assert len(ran["NAMES"]) == len(mediatool_assets.__all__)
    assert str(ran["PARSED"]) == "20250621-143000"


def test_the_command_is_installed() -> None:
    """``python -m`` of its module is no promise; the program is."""
    program = Path(sys.executable).with_name("mediatool")
    subprocess.run([program, "--version"], check=True, capture_output=True)
