"""Compiles the codec of rows if there is a C compiler; the wheel is then for this platform.

What it is built with is in ``mediatool_assets/native/build.py``. MEDIATOOL_NATIVE=no builds none.
"""

import os
import sys
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

_FOLDER = Path("mediatool_assets", "native")


# By its path: what the package needs is not installed when it is built.
_BUILD = SimpleNamespace(**run_path(str(Path(__file__).parent / _FOLDER / "build.py")))
_WANTED = (
    sys.platform == "linux"
    and os.environ.get("MEDIATOOL_NATIVE", "").strip().lower() != "no"
    and any(_BUILD.compilers())
)


class BuildPython(build_py):
    """Copies the modules, and puts the program beside its source."""

    def run(self) -> None:
        """Build; in an editable install the modules stay where they are."""
        super().run()
        if _WANTED:
            root = Path(__file__).parent if self.editable_mode else Path(self.build_lib)
            _BUILD.build(root / _FOLDER)


class PlatformDistribution(Distribution):
    """A wheel with a program is no wheel for every machine."""

    def has_ext_modules(self) -> bool:
        """Whether the codec is compiled."""
        return _WANTED


class BuildWheel(bdist_wheel):
    """Any Python loads the program: it knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """``py3-none-PLATFORM``, or that of every platform."""
        python, abi, platform = super().get_tag()
        return ("py3", "none", platform) if _WANTED else (python, abi, platform)


setup(
    distclass=PlatformDistribution,
    cmdclass={"build_py": BuildPython, "bdist_wheel": BuildWheel},
)
