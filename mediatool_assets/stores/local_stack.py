"""The three local servers together: up, down, status, and their environment variables."""

import fcntl
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes

from mediatool_assets.core.errors import BadSettings, MediatoolError, Misuse, Unreachable
from mediatool_assets.core.signing import SigningKey
from mediatool_assets.core.texts import DAGSTER_YAML
from mediatool_assets.stores import local_processes, local_servers
from mediatool_assets.stores.local_processes import (
    CREDENTIALS_FILE,
    Credentials,
    Server,
    ServerFailed,
)
from mediatool_assets.stores.user_files import (
    OTHERS,
    SIGNING_KEY,
    TRUSTED_KEYS,
    private_directory,
    write_pair,
    write_private,
)

Ports = dict[str, int]

ENVIRONMENT_FILE = "environment.json"
LOCK_FILE = "lock"
# Another program may take a free port first, and the child processes of a killed server may still
# hold its memory or its lock for a moment: a failed start is tried again.
TRIES = 3
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _ServerKind:
    """One of the three: its folder, its ports, and how it is prepared and completed."""

    folder: str
    ports: tuple[str, ...]
    prepare: Callable[[Path, Credentials, Ports], Server]
    complete: Callable[[Credentials, Ports], None]


KINDS = (
    _ServerKind(
        "postgres",
        local_servers.POSTGRES_PORTS,
        local_servers.prepare_postgres,
        lambda credentials, ports: local_servers.complete_postgres(credentials, ports["postgres"]),
    ),
    _ServerKind(
        "mongodb",
        local_servers.MONGODB_PORTS,
        local_servers.prepare_mongodb,
        lambda _credentials, _ports: None,
    ),
    _ServerKind(
        "s3", local_servers.S3_PORTS, local_servers.prepare_s3, local_servers.create_bucket
    ),
)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The status of one server. ``address`` is host and port without credentials; None if down."""

    name: str
    pid: int | None
    address: str | None
    log: Path

    @property
    def running(self) -> bool:
        """Whether its process exists."""
        return self.pid is not None


@dataclass(frozen=True, slots=True)
class Stack:
    """The running servers. ``started`` names those that this call started.

    ``environment`` holds the variables that the platform needs to use them, including secrets.
    """

    home: Path
    servers: tuple[ServerStatus, ...]
    started: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)


def up(home: Path, *, new_keys: bool = False) -> Stack:
    """Start those of the three servers that do not run; return when all answer.

    Data is kept under ``home``. With ``new_keys``, a new home gets a pair of keys and signs its
    versions. Raises BadSettings (a package or library is missing) and Unreachable (a server died;
    with its last log lines), after all three were tried; servers that did start keep running.
    """
    home = private_home(home)
    with _locked(home):
        if (
            new_keys
            and not (home / CREDENTIALS_FILE).exists()
            and not (home / SIGNING_KEY).exists()
        ):
            write_pair(home, SigningKey(token_bytes(32)))
        credentials = _credentials(home)
        with ThreadPoolExecutor(len(KINDS)) as threads:
            starts = [threads.submit(_ensure, kind, home, credentials) for kind in KINDS]
        _raise_together([error for start in starts if (error := start.exception())])
        environment = _environment(home, credentials) | _keys(home)
        write_private(home / ENVIRONMENT_FILE, json.dumps(environment, indent=2))
        _prepare_dagster_home(home)
    started = tuple(
        kind.folder for kind, start in zip(KINDS, starts, strict=True) if start.result()
    )
    return Stack(home, status(home), started, environment)


def down(home: Path) -> tuple[str, ...]:
    """Stop only the servers that were started in ``home``; the names of those stopped.

    Their data is kept.
    """
    home = home.absolute()
    if not home.is_dir():
        return ()
    with _locked(home), ThreadPoolExecutor(len(KINDS)) as threads:
        (home / ENVIRONMENT_FILE).unlink(missing_ok=True)
        stopped = threads.map(local_processes.stop, [home / kind.folder for kind in KINDS])
        return tuple(
            kind.folder for kind, was_running in zip(KINDS, stopped, strict=True) if was_running
        )


def status(home: Path) -> tuple[ServerStatus, ...]:
    """The status of each server, from the operating system only."""
    return tuple(_status(kind, home.absolute() / kind.folder) for kind in KINDS)


def local_environment(home: Path) -> dict[str, str] | None:
    """The variables of the running local servers; None unless all of them run."""
    file = home.absolute() / ENVIRONMENT_FILE
    if not file.exists() or not all(server.running for server in status(home)):
        return None
    return {str(name): str(value) for name, value in json.loads(file.read_text()).items()}


def private_home(home: Path) -> Path:
    """The home, closed to others; a home without servers keeps its permissions."""
    home = home.absolute()
    try:
        private_directory(home)
        if (home / LOCK_FILE).exists():
            way = stat.S_IXGRP if os.geteuid() == 0 else 0  # PostgreSQL's account walks through
            home.chmod(home.stat().st_mode & (~OTHERS | way))
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise Misuse(f"{home} cannot be a folder ({error.strerror}); set MEDIATOOL_HOME") from error
    return home


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Lock the home: another ``up`` or ``down`` waits here, also in another process."""
    try:
        file = (home / LOCK_FILE).open("w")
    except PermissionError as error:
        raise Misuse(f"{home} belongs to another user; set MEDIATOOL_HOME to a folder") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _credentials(home: Path) -> Credentials:
    path = home / CREDENTIALS_FILE
    if not path.exists() and any((home / kind.folder / "data").exists() for kind in KINDS):
        raise BadSettings(
            [f"{path} is missing, which has the data's passwords: restore it, or delete {home}"]
        )
    return Credentials.of(path)


def _raise_together(errors: list[BaseException]) -> None:
    """Raise several errors as one; a programming error is raised first, unchanged."""
    for error in errors:
        if len(errors) == 1 or not isinstance(error, MediatoolError):
            raise error
    if errors and all(isinstance(error, BadSettings) for error in errors):
        raise BadSettings(map(str, errors)) from errors[0]
    if errors:
        raise Unreachable("\n".join(map(str, errors))) from errors[0]


def _ensure(kind: _ServerKind, home: Path, credentials: Credentials) -> bool:
    """Make sure that the server runs, answers and is complete; whether it had to be started."""
    directory = home / kind.folder
    private_directory(directory)
    process = local_processes.running(directory)
    if process is not None:
        ports = local_processes.known_ports(directory)
        local_processes.wait_until_ready(kind.prepare(directory, credentials, ports), process)
    else:
        ports = _start(kind, directory, credentials)
    kind.complete(credentials, ports)
    return process is None


def _start(kind: _ServerKind, directory: Path, credentials: Credentials) -> Ports:
    """Start the server and return its ports; a server that dies is started up to three times."""
    for tries_left in reversed(range(TRIES)):
        ports = local_processes.choose_ports(directory, kind.ports)
        try:
            local_processes.start(kind.prepare(directory, credentials, ports))
            break
        except ServerFailed:
            if not tries_left or local_processes.running(directory):
                raise
        time.sleep(PAUSE_SECONDS)
    return ports


def _status(kind: _ServerKind, directory: Path) -> ServerStatus:
    process = local_processes.running(directory)
    port = local_processes.known_ports(directory).get(kind.folder)
    return ServerStatus(
        name=kind.folder,
        pid=process.pid if process else None,
        address=f"{local_processes.LOOPBACK}:{port}" if process and port else None,
        log=local_processes.log_file(directory),
    )


def _environment(home: Path, credentials: Credentials) -> dict[str, str]:
    postgres, mongodb, s3 = (local_processes.known_ports(home / kind.folder) for kind in KINDS)
    port = postgres["postgres"]
    return {
        "MEDIATOOL_HOME": str(home),
        "MEDIATOOL_POSTGRES_URL": local_servers.postgres_url(
            credentials, port, local_servers.SOURCE_DATABASE
        ),
        "MEDIATOOL_RESTORE_POSTGRES_URL": local_servers.postgres_url(
            credentials, port, "postgres", local_servers.RESTORE_USER
        ),
        "MEDIATOOL_MONGODB_URL": local_servers.mongodb_url(credentials, mongodb["mongodb"]),
        "MEDIATOOL_S3_BUCKET": local_servers.BUCKET,
        "MEDIATOOL_S3_ENDPOINT_URL": local_servers.s3_url(s3),
        "AWS_ACCESS_KEY_ID": credentials.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.s3_secret_key,
        "AWS_DEFAULT_REGION": local_servers.REGION,
        "DAGSTER_HOME": str(home / "dagster"),
        "DAGSTER_PG_USER": local_servers.POSTGRES_USER,
        "DAGSTER_PG_PASSWORD": credentials.postgres_password,
        "DAGSTER_PG_HOST": local_processes.LOOPBACK,
        "DAGSTER_PG_PORT": str(port),
        "DAGSTER_PG_DB": local_servers.DAGSTER_DATABASE,
    }


def _keys(home: Path) -> dict[str, str]:
    """The settings of the home's pair of keys; empty if it has none."""
    found = {"MEDIATOOL_SIGNING_KEY": SIGNING_KEY, "MEDIATOOL_TRUSTED_KEYS": TRUSTED_KEYS}
    return {name: str(home / file) for name, file in found.items() if (home / file).exists()}


def _prepare_dagster_home(home: Path) -> None:
    """Write the current dagster.yaml into the home: Dagster reads no other."""
    shutil.copyfile(DAGSTER_YAML, private_directory(home / "dagster") / "dagster.yaml")
