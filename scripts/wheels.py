"""Builds the wheels for Linux on x86-64 and aarch64, whose codec runs with glibc 2.17 and newer.

    make wheels

The compiler is that of the ``ziglang`` package, which can compile for other machines. Prints the
glibc version that each library needs; fails if it is newer than the one in the wheel's name.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GLIBC = (2, 17)
MACHINES = {"x86_64": 62, "aarch64": 183}
"""Names of machines, and their numbers in the header of an ELF file."""


def wheel(machine: str, folder: Path) -> Path:
    """Build the wheel of one machine into the folder."""
    major, minor = GLIBC
    target = f"{machine}-linux-gnu.{major}.{minor}"
    tag = f"manylinux_{major}_{minor}_{machine}"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    command += [f"--config-settings=--build-option=--plat-name={tag}", str(ROOT)]
    compiler = f"{sys.executable} -m ziglang cc -target {target} -s"
    with tempfile.TemporaryDirectory() as scratch:
        own = {"CC": compiler, "ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        subprocess.run(command, check=True, env=os.environ | own)
    [made] = folder.glob(f"*-py3-none-{tag}.whl")
    return made


def needed_glibc(made: Path, machine: str) -> tuple[int, int]:
    """The newest glibc that the program names, which has to be one for the machine."""
    with zipfile.ZipFile(made) as content:
        program = content.read("mediatool_assets/native/librows.so")
    if program[:4] != b"\x7fELF" or int.from_bytes(program[18:20], "little") != MACHINES[machine]:
        raise SystemExit(f"{made}: the codec is no program for {machine}")
    found = re.findall(rb"GLIBC_(\d+)\.(\d+)", program)
    return max(((int(major), int(minor)) for major, minor in found), default=(0, 0))


def main() -> None:
    """Build both and check them."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for left in (ROOT / "build").glob("lib*"):
        shutil.rmtree(left)  # setuptools would pack what a module that is gone has left there
    for machine in MACHINES:
        made = wheel(machine, folder)
        glibc = needed_glibc(made, machine)
        if glibc > GLIBC:
            raise SystemExit(f"{made}: needs glibc {glibc[0]}.{glibc[1]}")
        sys.stdout.write(f"{made}: glibc {glibc[0]}.{glibc[1]} or newer\n")


if __name__ == "__main__":
    main()
