"""The tutorial with one's own servers, as it is written, on servers that nothing of ours starts."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.core.texts import Url
from mediatool_assets_tests.conftest import empty_database
from mediatool_assets_tests.documents import ROOT
from mediatool_assets_tests.own_servers import plain_mongod, plain_seaweedfs
from mediatool_assets_tests.postgres_servers import debian_majors

PAGE = ROOT / "docs" / "tutorial" / "own-servers.md"

SHOP = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, since date);
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers);
INSERT INTO customers VALUES (1, 'Ada', '2020-02-29'), (2, 'Grace', NULL);
INSERT INTO orders (customer) SELECT 1 + n % 2 FROM generate_series(1, 100) n;
"""


def _commands() -> list[str]:
    [block] = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(block).splitlines()


def test_the_tutorial_is_five_commands() -> None:
    """Nobody has to paste more."""
    assert len(_commands()) == 5


@pytest.mark.parametrize("major", debian_majors()[-1:])
def test_the_tutorial_makes_a_verified_version(
    major: int, debian_server: Callable[[int], Url], tmp_path: Path
) -> None:
    """Debian's PostgreSQL, mongod and SeaweedFS with default settings; every command ends well."""
    scripts = sysconfig.get_path("scripts")
    environ = {
        "PATH": f"{scripts}:{os.defpath}",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "MEDIATOOL_WORKERS": "2",
    }
    server = debian_server(major)
    with (
        empty_database(server) as database,
        plain_mongod() as mongodb,
        plain_seaweedfs() as s3,
    ):
        with psycopg.connect(database.reveal(), autocommit=True) as connection:
            connection.execute(SHOP)
        ours = {
            "postgresql://postgres@127.0.0.1:5432/shop": database.reveal(),
            "postgresql://postgres@127.0.0.1:5432/postgres": server.reveal(),
            "mongodb://127.0.0.1:27017": mongodb,
            "http://127.0.0.1:8333": s3,
        }
        keys, *commands = _commands()
        said = ""
        for command in commands:
            line = command
            for theirs, own in ours.items():
                line = line.replace(theirs, own)
            done = subprocess.run(
                ["/bin/bash", "-c", f"{keys}\n{line}"],
                cwd=tmp_path,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            said = done.stdout
        assert "passed" in said
        with psycopg.connect(server.reveal(), autocommit=True) as connection:
            made = connection.execute(
                "SELECT datname FROM pg_database WHERE datname ~ '^media_tool_'"
            )
            for (name,) in made.fetchall():
                connection.execute(f'DROP DATABASE "{name}"')
