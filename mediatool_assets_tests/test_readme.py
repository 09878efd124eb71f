"""The README is a demonstration: its commands answer as it shows."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from mediatool_assets.definitions import defs
from mediatool_assets.demo import demonstration
from mediatool_assets.demo.demonstration import Demonstration
from mediatool_assets.export.command import VersionMade
from mediatool_assets.orchestration.io_managers import Parquet
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.documents import ROOT, Fenced, blocks

README = ROOT / "README.md"
SESSIONS = [block.text for block in blocks("console", README)]
SHELL = [
    line
    for page_block in (*blocks("console"), *blocks("bash"))
    for line in page_block.text.splitlines()
]


def _targets() -> list[str]:
    """The first word after each ``make`` at the start of a command of any page."""
    return [found[1] for line in SHELL if (found := re.search(r"(?:^|\$ )make ([\w-]+)", line))]


@pytest.mark.parametrize("target", _targets())
def test_make_targets_exist(target: str) -> None:
    """Every ``make`` of the documents is a target of the Makefile."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def _shape(text: str) -> list[str]:
    """The text without what differs from run to run: numbers, versions, paths and padding."""
    text = re.sub(r"; \d+ warnings?", "", text)
    text = re.sub(r"\S*bin/mediatool", "mediatool", text)
    text = re.sub(r"\S*(environment\.json|\w+/server\.log)", r"\1", text)
    text = re.sub(r"[\d,.]*\d", "0", text)
    return [re.sub(r" {2,}", "  ", line.rstrip()) for line in text.splitlines()]


FROM_RDS = (
    "the RDS snapshot export has no DDL and no sequences; they are taken from the live database"
)
UNPROVEN = (
    "the RDS export has no file for attachments: the table is empty or its file is missing, and no "
    "version of a nearby day shows which"
)
REFERENCES = (
    "mediaBuys.campaignIds: 12 references match several rows; the row with the lowest key was used"
)


def _made(version: str, *warnings: str) -> VersionMade:
    return VersionMade(
        version=version,
        partition="2026-11-23",
        run_id="",
        purpose="testing",
        notes="",
        database=f"mediatool_{version}",
        postgres_database=f"media_tool_{version}",
        rows=1,
        tables=1,
        documents=1,
        collections=1,
        metadata="",
        homes={"documents": 1, "embedded": 1, "folded": 1, "left_out": 1},
        warnings=warnings,
    )


def test_the_demo_prints_what_the_readme_shows() -> None:
    """The block of ``make demo`` is the Makefile's command, and the program's own last lines."""
    told = {
        "20261122-030000": (FROM_RDS, UNPROVEN, REFERENCES),
        "20261123-030000": (FROM_RDS, REFERENCES),
        "20261124-025503": (REFERENCES,),
        "20261124-025840": (REFERENCES,),
    }
    versions = tuple(told)
    look = {
        "versions": "mediatool versions",
        "show": f"mediatool show {versions[-1]}",
        "ui": "mediatool dev",
        "s3": "aws --endpoint-url http://127.0.0.1:1 s3 ls s3://media-tool-backups/ --recursive",
        "mongodb": "mongodb://root:***@127.0.0.1:1/?authSource=admin",
        "secrets": "environment.json",
    }
    made = Demonstration(
        versions=versions,
        rows={},
        databases=tuple(f"mediatool_{version}" for version in versions),
        postgres_databases=tuple(f"media_tool_{version}" for version in versions),
        objects=dict.fromkeys("abcdefghijklmnopq", 1),
        made=tuple(_made(version, *warnings) for version, warnings in told.items()),
        verdicts=dict.fromkeys(versions, "passed"),
        look=look,
    )
    session = next(text for text in SESSIONS if text.startswith("$ make demo\n"))
    _, command, shown = session.split("\n", 2)
    assert _shape(shown) == _shape(demonstration.describe(made))
    recipe = (ROOT / "Makefile").read_text().split("\ndemo:", 1)[1].splitlines()[1]
    assert _shape(command) == _shape(recipe.strip().replace("$(BIN)", ".venv/bin"))


def test_the_servers_are_shown_as_the_readme_shows_them(stack: Stack) -> None:
    """The block of ``mediatool up`` is what the program prints of running servers."""
    printed = subprocess.run(
        [sys.executable, "-m", "mediatool_assets.main", "up"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"MEDIATOOL_HOME": str(stack.home)},
    ).stdout
    shown = next(text for text in SESSIONS if text.startswith("$ mediatool up\n"))
    assert _shape(shown.split("\n", 1)[1].split("\n$ ")[0]) == _shape(printed)


def test_the_graph_is_that_of_the_definitions() -> None:
    """The drawing is what scripts/asset_graph.py prints today."""
    drawn = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "asset_graph.py"), "campaigns"],
        env={"PATH": os.environ["PATH"]},  # the shipped model, whatever a test's own settings are
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    page = ROOT / "docs/explanation/architecture.md"
    assert Fenced(page.name, "mermaid", drawn) in blocks("mermaid", page)


def test_the_example_assets_run(stack: Stack) -> None:
    """The assets of the README are fed by one of ours, and each by what another one stored."""
    names: dict[str, Any] = {}
    (block,) = blocks("python", README)
    exec(block.text, names)  # noqa: S102  # the document's own code is what is tested
    examples = [made for made in names.values() if isinstance(made, dg.AssetsDefinition)]
    assert len(examples) == 4
    assert defs.resolve_asset_graph().has(dg.AssetKey(["raw", "campaigns"]))

    @dg.asset(key=["raw", "campaigns"], partitions_def=names["DAYS"], io_manager_key="parquet")
    def campaigns() -> pa.Table:
        return pa.table({"id": [1, 2, 3, 4], "stage": ["Live", "Won", "Live", None]})

    with pytest.MonkeyPatch.context() as patch:
        for variable, value in stack.environment.items():
            patch.setenv(variable, value)
        servers = ServersResource()
        result = dg.materialize(
            [campaigns, *examples],
            partition_key="2026-01-02",
            resources={"servers": servers, "parquet": Parquet(servers=servers)},
        )
        largest, _ = servers.objects().get("user-assets/largest_stage/2026-01-02.parquet")
    assert pd.read_parquet(io.BytesIO(largest)).to_dict("records") == [
        {"stage": "Live", "count": 2}
    ]
    (counted,) = result.asset_materializations_for_node("live_count")
    assert counted.metadata["live"].value == 2
    (stored,) = result.asset_materializations_for_node("live")
    assert str(stored.metadata["dagster/uri"].value).endswith("user-assets/live/2026-01-02.parquet")
    assert stored.metadata["dagster/row_count"].value == 2


@pytest.mark.filterwarnings("ignore:Specifying a partitions_def on an AssetCheckSpec")
def test_the_example_check_reads_the_rows_of_its_partition(stack: Stack) -> None:
    """The check of docs/how-to/own-checks.md counts the rows that break its rule."""
    names: dict[str, Any] = {}
    (block,) = blocks("python", ROOT / "docs/how-to/own-checks.md")
    exec(block.text, names)  # noqa: S102  # the document's own code is what is tested
    rows = {
        "id": [1, 2],
        "flight_date": ["2026-01-01"] * 2,
        "end_date": ["2026-01-02", "2025-12-31"],
    }

    @dg.asset(key=["raw", "campaigns"], partitions_def=names["DAYS"], io_manager_key="parquet")
    def campaigns() -> pa.Table:
        return pa.table(rows)

    with pytest.MonkeyPatch.context() as patch:
        for variable, value in stack.environment.items():
            patch.setenv(variable, value)
        servers = ServersResource()
        job = dg.Definitions(
            assets=[campaigns],
            asset_checks=[names["no_campaign_ends_before_it_starts"]],
            resources={"servers": servers, "parquet": Parquet(servers=servers)},
        ).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(partition_key="2026-01-02")
    (found,) = result.get_asset_check_evaluations()
    assert not found.passed
    assert (found.metadata["campaigns"].value, found.metadata["examples"].value) == (1, "[(2,)]")


def test_the_images_are_there() -> None:
    """Every picture that a page shows is in the repository."""
    for page in (README, *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert Path(page.parent / target).is_file(), target
