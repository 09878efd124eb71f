"""What two days leave behind tells of nobody: only archives, dumps and databases hold people."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.definitions import definitions
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.dagster_day import source_of, today
from mediatool_assets_tests.json_schemas import faults

MODEL = """
tables:
  users:
  orders: [email, number]
collections:
  users: users
  orders:
    root: orders
    add:
      owner: {look_up: email -> users.email, take: name}
"""
DDL = """
CREATE SCHEMA media_tool;
SET search_path TO media_tool;
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, email text UNIQUE);
CREATE TABLE orders (email text, number int, note text, PRIMARY KEY (email, number));
INSERT INTO users VALUES
    (1, 'Ada Ashgrove', 'ada.ashgrove@example.com'),
    (2, 'Bram Birchwood', 'bram.birchwood@example.com'),
    (3, 'Cleo Cedarfield', 'cleo.cedarfield@example.com');
INSERT INTO orders SELECT email, n, name || ' asked' FROM users, generate_series(1, 3) n;
INSERT INTO orders VALUES ('dora.dogwood@example.com', 1, 'of nobody');
"""
EDITS = """
SET search_path TO media_tool;
UPDATE users SET name = 'Ada Aspenhill' WHERE id = 1;
DELETE FROM users WHERE id = 2;
INSERT INTO users VALUES (4, 'Emil Elmhurst', 'emil.elmhurst@example.com');
DELETE FROM orders WHERE email = 'cleo.cedarfield@example.com';
"""
PEOPLE = (
    "ashgrove", "birchwood", "cedarfield", "dogwood", "aspenhill", "elmhurst", "example.com",
)  # fmt: skip


@pytest.fixture(scope="module")
def said(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """All that two days said, the second after edits, by what said it."""
    home = tmp_path_factory.mktemp("home")
    with source_of(stack, home, DDL, MODEL), dg.DagsterInstance.ephemeral() as instance:
        job = definitions(Settings.parse(os.environ)).resolve_job_def("daily_export")
        found: dict[str, str] = {}
        for edits in ("", EDITS):
            with psycopg.connect(os.environ["MEDIATOOL_POSTGRES_URL"]) as connection:
                connection.execute(edits.encode() or b"SELECT")
            result = job.execute_in_process(
                partition_key=today(), instance=instance, raise_on_error=False
            )
            for number, entry in enumerate(instance.all_logs(result.run_id)):
                found[f"{result.run_id} {number} {entry.step_key}"] = dg.serialize_value(entry)
        objects = S3Objects.of(Settings.parse(os.environ))
        for info in objects.list(""):
            if not info.key.endswith(".tar.gz"):
                found[info.key] = objects.get(info.key)[0].decode("latin-1")
        for path in (*Path(home).rglob("*"), *Path(stack.home).rglob("*.log")):
            if path.is_file() and path.name != "model.yaml":
                found[str(path)] = path.read_bytes().decode("latin-1")
        yield found


@pytest.mark.timeout(600)  # two days are made for it
def test_nobody_is_told_of(said: dict[str, str]) -> None:
    """In no event or its metadata, log, report, metadata file or registry."""
    assert len(said) > 100
    assert any("version-comparison.json" in name for name in said)
    telling = {
        name: person for name, text in said.items() for person in PEOPLE if person in text.lower()
    }
    assert telling == {}


def test_the_documents_are_as_their_schemas_say(said: dict[str, str]) -> None:
    """Metadata, registry and all reports of two days, of which the second has a day before."""
    documents = {
        key: text.encode("latin-1")
        for key, text in said.items()
        if key.endswith(".json") and not key.startswith("/")
    }
    assert len(documents) >= 6
    assert [fault for key, data in documents.items() for fault in faults(key, data)] == []
