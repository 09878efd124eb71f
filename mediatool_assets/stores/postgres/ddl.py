"""The schema's DDL: pg_dump's output in the snapshot, and the positions of the sequences."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from mediatool_assets.domain.errors import BadSettings, BadSource, RecoveryConflict
from mediatool_assets.domain.postgres_release import Release
from mediatool_assets.domain.schema import Schema, namespaces
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.connection import (
    CONFLICT,
    Connection,
    database_address,
    parameters,
)
from mediatool_assets.stores.postgres.dependencies import extensions
from mediatool_assets.stores.postgres.pg_dump import best, clients
from mediatool_assets.stores.private_files import write_private

_SECRETS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
"""libpq's secret parameters; the arguments of a process are visible to all users of a machine."""


def dump_ddl(
    connection: Connection, url: Url, schema: Schema, snapshot: str, lock_timeout: str
) -> bytes:
    """``schema.sql``: equal schemas, equal bytes. Raises BadSource; Misuse without a pg_dump."""
    program = best(Release.of(connection.info.server_version), clients()).path
    spaces = namespaces(schema.name)
    needed = extensions(connection, spaces)
    command = [
        str(program),
        "--schema-only",
        "--no-owner",  # a restore sets its own owner; so a restored database gives the same bytes
        *(f"--schema={_quoted(space)}" for space in spaces),
        *(f"--extension={_quoted(extension.name)}" for extension in needed),
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={lock_timeout}",
        "--encoding=UTF8",
        "--no-password",
        *_restrict_key(program),
    ]
    with for_programs(parameters(url)) as (target, secrets):
        done = subprocess.run(
            [*command, f"--dbname={target}"],
            env=os.environ | secrets,
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        if CONFLICT in said:
            raise RecoveryConflict(database_address(url), said)
        raise BadSource(
            f"{database_address(url)}: {said}; run pg_dump on the schema by hand to see why"
        )
    homes = sorted({e.schema for e in needed} - {*spaces, "public", "pg_catalog"})
    return _with_schemas(done.stdout, homes) + _positions(connection, schema)


@contextmanager
def for_programs(given: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """A connection string without secrets, and an environment with them.

    The password is in a variable; parameters without a variable are in a service file. Raises
    BadSettings if the parameters name a service of their own, which would have to contain them.
    """
    secret = {name: value for name, value in given.items() if name in _SECRETS}
    environment = {"PGPASSWORD": secret.pop("password")} if "password" in secret else {}
    shown = make_conninfo("", **{n: value for n, value in given.items() if n not in _SECRETS})
    if secret and "service" in given:
        moved = ", ".join(secret)
        raise BadSettings([f"the URL names a libpq service: move {moved} to pg_service.conf"])
    with tempfile.TemporaryDirectory(prefix="mediatool-") as folder:
        if secret:
            file = Path(folder, "pg_service.conf")
            lines = [f"{name}={value}" for name, value in secret.items()]
            write_private(file, "\n".join(["[mediatool]", *lines, ""]))
            environment |= {"PGSERVICEFILE": str(file), "PGSERVICE": "mediatool"}
        yield shown, environment


def _with_schemas(dumped: bytes, schemas: Sequence[str]) -> bytes:
    """The text with entries before all others that create ``schemas``, for extensions.

    pg_dump writes a schema only together with all of its objects.
    """
    made = "".join(
        f"--\n-- Name: {name}; Type: SCHEMA; Schema: -; Owner: -\n--\n\n"
        f"CREATE SCHEMA {_quoted(name)};\n\n\n"
        for name in schemas
    )
    first = b"--\n-- Name: "
    head, mark, tail = dumped.partition(first)
    return head + made.encode() + mark + tail


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _positions(connection: Connection, schema: Schema) -> bytes:
    """Statements that set every sequence to its position."""
    statements = [
        sql.SQL("SELECT pg_catalog.setval({}, {}, {});\n").format(
            sql.Literal(sql.Identifier(s.namespace or schema.name, s.relation).as_string()),
            sql.Literal(s.last_value),
            sql.Literal(s.called),
        )
        for s in schema.sequences
    ]
    return sql.Composed(statements).as_string(connection).encode()


def _restrict_key(program: Path) -> list[str]:
    """Fix the key that newer pg_dumps would choose at random."""
    done = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=False)
    return ["--restrict-key=mediatool"] if "--restrict-key" in done.stdout else []
