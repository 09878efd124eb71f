"""Runs tests of the codec with one that is compiled with sanitizers of addresses and behaviour.

A plugin of pytest, for a child process: Python itself has no sanitizer, so that their library has
to be loaded before it. ``child`` makes the command and the environment for that.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from mediatool_assets import native as library
from mediatool_assets.native.build import compile_into

COMPILER = "cc"
FLAGS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_FILES = ("test_codec.py", "test_digests.py", "test_suspects.py")
TESTS = [str(Path(__file__).with_name(name)) for name in _FILES]


def compiled(folder: Path) -> Path:
    """The codec with sanitizers, in the folder."""
    return compile_into(folder, [COMPILER], FLAGS)


def child(program: Path, examples: int, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs pytest with that codec, and its environment."""
    asked = [COMPILER, "-print-file-name=libasan.so"]
    runtime = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    plugins = ["--capture=no", "-p", __name__, "-p", "no:cacheprovider", "-p", "no:xdist"]
    own = {
        "CODEC_PROGRAM": str(program),
        "CODEC_EXAMPLES": str(examples),
        "LD_PRELOAD": runtime,
        # Python keeps memory until it ends, and so does not every library that is loaded with it.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *arguments]
    return command, os.environ | own


_READERS = (
    "mt_read",
    "mt_assemble",
    "mt_cut_documents",
    "mt_newlines",
    "mt_suspects",
    "mt_digest_rows",
    "mt_digest_documents",
    "mt_key_columns",
)
"""What is given bytes, and how many; before them, most of these are given a plan."""


class _Exact:
    """The codec, given copies of blocks and added values that the sanitizer knows the ends of.

    Python keeps small objects together in one piece of memory.
    """

    def __init__(self, codec: ctypes.CDLL) -> None:
        self.codec = codec
        self._libc = ctypes.CDLL(None)
        self._libc.malloc.restype, self._libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        self._libc.free.restype, self._libc.free.argtypes = None, [ctypes.c_void_p]

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.codec, name)
        return self._exact(function) if name in _READERS else function

    def _exact(self, function: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            at = next(n for n, given in enumerate(arguments) if isinstance(given, bytes))
            data, size = arguments[at : at + 2]
            copy = self._libc.malloc(size)
            ctypes.memmove(copy, data, size)
            exact = ctypes.cast(copy, ctypes.c_char_p)
            try:
                return function(*arguments[:at], exact, *arguments[at + 1 :])
            finally:
                self._libc.free(copy)

        return call


def pytest_configure() -> None:
    """In the child: have the tests use that codec."""
    from hypothesis import settings  # noqa: PLC0415  # pytest wants to be first

    library.use(cast(ctypes.CDLL, _Exact(library.load(Path(os.environ["CODEC_PROGRAM"])))))
    examples = int(os.environ["CODEC_EXAMPLES"])
    settings.register_profile("sanitized", max_examples=examples, database=None)
    settings.load_profile("sanitized")
