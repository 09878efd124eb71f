"""Settings as the environment of this process has them."""

from pathlib import Path

import pytest

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.stores.environment import read_settings


def test_paths_that_name_nothing_are_reported_with_all_other_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing file, a file in place of a directory, and a wrong number: one error."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDIATOOL_MODEL", str(tmp_path / "model.yaml"))
    monkeypatch.setenv("MEDIATOOL_MASKING_RULES", str(tmp_path))
    monkeypatch.setenv("MEDIATOOL_SCRATCH", str(tmp_path / "file"))
    monkeypatch.setenv("MEDIATOOL_WORKERS", "0")
    with pytest.raises(BadSettings) as caught:
        read_settings()
    found = sorted(problem.split()[0] for problem in caught.value.problems)
    assert found == [f"MEDIATOOL_{n}" for n in ("MASKING_RULES", "MODEL", "SCRATCH", "WORKERS")]
