"""The benchmark runs to its end: every stage, and every native tool of the local servers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks/run.py"
PEERS = {"pg_dump -Fc, uploaded", "pg_restore -j2", "two COPY exports, DuckDB full join"}


@pytest.mark.servers
def test_the_benchmark_measures_every_stage_and_its_peers(tmp_path: Path) -> None:
    """On servers of its own, with few rows."""
    options = ["--scale", "0.002", "--rounds", "1", "--results", str(tmp_path)]
    subprocess.run([sys.executable, str(BENCHMARK), *options], check=True, timeout=300)
    result = json.loads((tmp_path / "scale-0.002.json").read_bytes())
    rows = {(row["stage"], row["peer"]): row for row in result["table"]}
    assert {stage for stage, _ in rows} >= {"export", "dump", "complete", "mediatool export"}
    assert {peer for _, peer in rows} >= PEERS
    assert all(row["ratio"] > 0 for (_, peer), row in rows.items() if peer is not None)
    assert "| restore, verified |" in (tmp_path / "scale-0.002.md").read_text()
