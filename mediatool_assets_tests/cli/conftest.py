"""A command line run in this process, and the environments that it finds."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mediatool_assets import cli as progress
from mediatool_assets.cli import SESSION
from mediatool_assets.main import main


@dataclass(frozen=True)
class Result:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def as_any_other_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No line of progress on a slow machine, and no option of an earlier command line."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 3600.0)
    SESSION.reset(json=False)
    yield
    SESSION.reset(json=False)


@pytest.fixture
def mediatool(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``mediatool`` with these words in this process."""

    def run(*words: str | Path) -> Result:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment that names no server, in an empty directory with no local servers."""
    for name in [
        name for name in os.environ if name.startswith(("MEDIATOOL_", "AWS_", "DAGSTER_"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def unreachable(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names servers of which none answers."""
    for name, value in {
        "MEDIATOOL_POSTGRES_URL": "postgresql://someone:hunter2@127.0.0.1:1/nothing",
        "MEDIATOOL_MONGODB_URL": "mongodb://someone:hunter2@127.0.0.1:1/",
        "MEDIATOOL_S3_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
