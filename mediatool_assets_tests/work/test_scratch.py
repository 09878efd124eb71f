"""Temporary files are gone afterwards, however the process ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mediatool_assets.work.scratch import scratch_folder

HOLDING = """
import sys, time
from pathlib import Path
from mediatool_assets.work.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "rows").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_it_is_there_while_it_is_needed(tmp_path: Path) -> None:
    """And empty at first."""
    with scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert list(folder.iterdir()) == []
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_killed_process(tmp_path: Path, end: signal.Signals) -> None:
    """Also where nothing of it could run any more."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert (folder / "rows").exists()
    os.kill(process.pid, end)
    process.communicate()
    while folder.exists():
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
