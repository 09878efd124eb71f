"""Compiles the codec with any C compiler, or ``ziglang`` from PyPI.

    python -m mediatool_assets.native.build            beside its source, for this machine
    python -m mediatool_assets.native.build --require  the same; no compiler is an error

``setup.py`` runs this file by its path, before anything is installed. So it imports only the
standard library.
"""

import argparse
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

SOURCE = Path(__file__).with_name("rows.c")
_SOURCES = (SOURCE, SOURCE.with_name("digests.c"))
_HEADER = SOURCE.with_name("codec.h")
PROGRAM = "librows.so"
PATIENCE = 600  # seconds, of the 2 that it takes: ziglang compiles its C library first
FLAGS = ("-std=c11", "-O3", "-fno-fast-math", "-fPIC", "-shared", "-fvisibility=hidden")
"""CC may request fast mathematics. It has no infinity and no denormal numbers, in the whole process
that loads the library."""


def fingerprint() -> str:
    """SHA-256 of the source; a library that was compiled from other source is not loaded."""
    content = (path.read_bytes() for path in (_HEADER, *_SOURCES))
    return hashlib.sha256(b"\0".join(content)).hexdigest()


def compilers() -> Iterator[list[str]]:
    """The commands that may compile C, in the order in which they are tried."""
    if chosen := _words(os.environ.get("CC", "")):
        yield chosen
    yield from ([name] for name in ("cc", "gcc", "clang") if shutil.which(name))
    if find_spec("ziglang") is not None:
        yield [sys.executable, "-m", "ziglang", "cc"]


def _words(command: str) -> list[str]:
    """The words of a command; one that a shell cannot parse is a single word."""
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


def compile_into(folder: Path, compiler: Sequence[str], flags: Sequence[str] = ()) -> Path:
    """Compile the source into the folder; an existing library is replaced only by a whole one.

    Raises OSError, or subprocess.SubprocessError; its ``stderr``, if set, names the problem.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
        made = Path(scratch, PROGRAM)
        version = fingerprint()
        source = f'-DMT_SOURCE="{version}"'
        command = [*compiler, *FLAGS, *flags, source, "-o", str(made), *map(str, _SOURCES)]
        _run(command, Path(scratch, "said"))
        if version.encode() not in made.read_bytes():
            raise OSError("its output is not the compiled codec")
        return made.replace(folder / PROGRAM)


def _run(command: Sequence[str], said: Path) -> None:
    """Run a compiler without input; kill it and its children if it takes too long."""
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            code = process.wait(PATIENCE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        text = said.read_text(errors="replace")
        raise subprocess.CalledProcessError(code, command, stderr=text)


def build(folder: Path, flags: Sequence[str] = ()) -> Path | None:
    """Compile with the first working compiler; if there is none, print why and return None."""
    problems = []
    for compiler in compilers():
        try:
            return compile_into(folder, compiler, flags)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            problems.append(f"{shlex.join(compiler)}: {said.strip()}")
    why = "\n".join(problems) or "there is no C compiler, and no ziglang package"
    sys.stderr.write(f"the codec of rows is not compiled, Python converts the rows: {why}\n")
    return None


def main() -> int:
    """Compile beside the source; without a compiler 0 or, if it is required, 1."""
    parser = argparse.ArgumentParser(description="compiles the codec of rows")
    parser.add_argument("--require", action="store_true", help="fail where it cannot be compiled")
    made = build(SOURCE.parent)
    return int(parser.parse_args().require and made is None)


if __name__ == "__main__":
    sys.exit(main())
