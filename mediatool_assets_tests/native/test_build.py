"""The codec is compiled by a compiler that works; none and broken ones stop no install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mediatool_assets.native import build, load

pytestmark = pytest.mark.usefixtures("compiled_codec")

BROKEN = {
    "it fails": "exit 1",
    "its words are no text": r"printf '\377\376\n' >&2; exit 1",
    "it makes nothing": "exit 0",
    "it makes garbage": 'while [ "$1" != -o ]; do shift; done; echo garbage > "$2"',
    "it waits for an answer": "cat; exit 1",
    "it was killed": "kill -9 $$",
}


def _compiler(folder: Path, script: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The codec, compiled once."""
    return build.compile_into(tmp_path_factory.mktemp("program"), ["cc"])


@pytest.fixture
def quick(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``cc`` on the path that makes the same in no time."""
    (folder := tmp_path / "bin").mkdir()
    script = f'while [ "$1" != -o ]; do shift; done; cp {program} "$2"'
    Path(_compiler(folder, script)).rename(folder / "cc")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_a_broken_compiler_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """The next one is tried."""
    monkeypatch.setenv("CC", _compiler(tmp_path, script))
    made = build.build(tmp_path)
    assert made is not None
    load(made)


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_where_no_compiler_works_there_is_no_program(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    script: str,
) -> None:
    """The program that was there stays, and nothing is left beside it."""
    compiler = _compiler(tmp_path, script)
    (tmp_path / build.PROGRAM).write_text("before")
    monkeypatch.setattr(build, "compilers", lambda: iter([[compiler]]))
    assert build.build(tmp_path) is None
    assert f"Python converts the rows: {compiler}: " in capsys.readouterr().err
    assert (tmp_path / build.PROGRAM).read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"compiler", build.PROGRAM}


def test_a_compiler_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that it started."""
    hangs = _compiler(tmp_path, "sleep 3600 & wait")
    monkeypatch.setattr(build, "compilers", lambda: iter([[hangs]]))
    monkeypatch.setattr(build, "PATIENCE", 0.1)
    assert build.build(tmp_path) is None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("compiler", ["'", "no such program", "/", "  "])
def test_a_command_that_is_none_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    """CC may be anything."""
    monkeypatch.setenv("CC", compiler)
    assert build.build(tmp_path) is not None


def test_a_folder_that_cannot_be_written_has_no_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even root writes there."""
    monkeypatch.setattr(build, "compilers", lambda: iter([["cc"]]))
    assert build.build(Path("/proc/self")) is None
    assert "/proc/self" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x7fELF" + b"\0" * 100])
def test_what_is_no_program_is_not_loaded(tmp_path: Path, content: bytes) -> None:
    """An empty file, another, and a damaged one."""
    path = tmp_path / build.PROGRAM
    path.write_bytes(content)
    with pytest.raises(OSError, match=build.PROGRAM):
        load(path)


def test_arithmetic_stays_exact_whatever_the_compiler_is_told(tmp_path: Path) -> None:
    """To load a program of fast mathematics makes denormal numbers zero in all of the process."""
    made = build.compile_into(tmp_path, ["cc", "-ffast-math"])
    script = f"import ctypes; ctypes.CDLL({str(made)!r}); print(5e-324 * float('1'))"
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ran.stdout == "5e-324\n"
