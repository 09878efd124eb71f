"""``dg``, Dagster's command line for projects, works in the repository."""

import json
import os
import subprocess
import sys
from pathlib import Path

from mediatool_assets_tests.documents import ROOT


def test_dg_loads_the_definitions(tmp_path: Path) -> None:
    """``dg check defs`` passes, and ``dg list defs`` lists the assets."""
    folder = Path(sys.executable).parent
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = os.environ | {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "DAGSTER_HOME": str(tmp_path),
    }
    words = (["check", "defs"], ["list", "defs", "--json"])
    started = [
        subprocess.Popen(
            [folder / "dg", *each],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for each in words
    ]
    (checked, told), (listed, _) = (process.communicate() for process in started)
    assert [process.returncode for process in started] == [0, 0], told
    assert "All definitions loaded successfully" in checked + told
    assets = {each["asset_key"] for each in json.loads(listed)["assets"]}
    assert {"raw/campaigns", "mongodb/campaigns", "metadata"} <= assets
