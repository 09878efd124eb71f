"""The schema of a sanitized copy holds nobody's data, and works: restored, it takes its rows."""

import gzip
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.export.flow import export
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.sanitize.copies import sanitized_store
from mediatool_assets.sanitize.flow import Published, Sanitizing, report_keys, sanitize
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.conftest import empty_database, superuser
from mediatool_assets_tests.database_names import sanitized_postgres_database
from mediatool_assets_tests.fixtures.sanitizing_bench import KEY
from mediatool_assets_tests.sanitize import scanner
from mediatool_assets_tests.sanitize.clinic import MAIL, NAME, ONLY, OTHER, PHONE, RULES, SQL
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version.parse("20040506-070809")
ORIGINALS = {NAME, OTHER, PHONE, MAIL, ONLY, "Ursula Brandywine", "c@clinic.example.org"}


@dataclass(frozen=True)
class Clinic:
    """The sanitized copy in a bucket, and a database that was made of it."""

    objects: DirectoryObjects
    published: Published
    url: str

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the restored database."""
        with psycopg.connect(self.url, options="-c search_path=clinic") as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def clinic(
    stack: Stack, pool: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clinic]:
    """Exported, sanitized and restored once."""
    scratch = tmp_path_factory.mktemp("clinic")
    objects, rules = DirectoryObjects(scratch / "bucket"), scratch / "rules.yaml"
    rules.write_text(RULES, "utf-8")
    server = superuser(stack)
    target = PostgresTarget.of(Settings.parse(stack.environment))
    with empty_database(server) as url:
        with psycopg.connect(url.reveal(), autocommit=True) as connection:
            connection.execute(SQL.encode())
        export(PostgresSource(url, "clinic"), objects, pool, VERSION)
    published = sanitize(
        objects.open(archive_key("raw", VERSION)),
        objects,
        archive_key("sanitized", VERSION),
        pool,
        Sanitizing(load_rules(rules), KEY),
    )
    with sanitized_store(objects, VERSION) as copy:
        restore_postgres(copy, target, pool, VERSION, RestoreOptions(replace=True))
    name = sanitized_postgres_database(VERSION)
    yield Clinic(objects, published, server.to(name).reveal())
    with psycopg.connect(server.reveal(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def test_nobody_is_left_anywhere(clinic: Clinic) -> None:
    """In archive, DDL, reports and the restored database, as a scanner of its own reads them."""
    assert scanner.found(ORIGINALS, texts(clinic)) == set()


def texts(clinic: Clinic) -> Iterator[str]:
    """Every line of what was published, and all of the restored database."""
    key = archive_key("sanitized", VERSION)
    folder = clinic.objects.root / "objects"
    for name in report_keys(key):
        yield from (folder / name).read_text("utf-8").splitlines()
    with tarfile.open(fileobj=gzip.open(folder / key)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            yield from file.read().decode().splitlines() if file else ()
    for table in clinic.published.report.rows:
        yield from (str(row) for row in clinic.ask(f"TABLE {table}"))
    yield from (row[0] for row in clinic.ask(f"SELECT concat_ws(' ', {DEFINITIONS})"))
    for row in clinic.ask("SELECT description FROM pg_description WHERE objoid >= 16384"):
        yield row[0]


DEFINITIONS = """
    (SELECT string_agg(pg_get_expr(adbin, adrelid), ' ') FROM pg_attrdef),
    (SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint WHERE oid >= 16384),
    (SELECT string_agg(indexdef, ' ') FROM pg_indexes WHERE schemaname = 'clinic'),
    (SELECT string_agg(definition, ' ') FROM pg_views WHERE schemaname = 'clinic'),
    (SELECT string_agg(prosrc, ' ') FROM pg_proc WHERE oid >= 16384),
    (SELECT string_agg(enumlabel, ' ') FROM pg_enum),
    (SELECT string_agg(typdefault, ' ') FROM pg_type),
    (SELECT string_agg(pg_get_expr(relpartbound, oid), ' ') FROM pg_class),
    (SELECT string_agg(pg_get_triggerdef(oid), ' ') FROM pg_trigger)
"""


def test_literals_become_the_pseudonyms_of_the_rows(clinic: Clinic) -> None:
    """A default, a view, a bound and an enum still fit what they fitted before."""
    [(name, doctor, mail)] = clinic.ask("SELECT name, doctor, mail FROM patients WHERE id = 1")
    assert clinic.ask("SELECT * FROM the_one") == [(1, "north")]
    assert clinic.ask("SELECT name FROM by_person_one ORDER BY id")[0] == (name,)
    assert clinic.ask("SELECT count(*) FROM by_person_one") == [(2,)]
    assert clinic.ask("SELECT count(*) FROM by_person_rest") == [(1,)]
    assert clinic.ask("SELECT count(*) FROM by_hash") == [(3,)]
    assert doctor in [row[0] for row in clinic.ask("SELECT unnest(enum_range(NULL::doctor))")]
    assert clinic.ask("SELECT who FROM by_day_25") == [(doctor,)]
    assert clinic.ask("INSERT INTO patients (id) VALUES (9) RETURNING name, ward") == [
        (name, "north")
    ]
    assert clinic.ask("SELECT NULL::mail IS NULL, enum_range(NULL::mood)::text") == [
        (True, "{masked_1,masked_2}")
    ]
    assert str(mail).endswith("@masked.example.com")


def test_what_is_partitioned_by_masked_values_is_one_table(clinic: Clinic) -> None:
    """Where bounds cannot be masked as rows are: all rows are there, and none of the bounds."""
    assert clinic.ask("SELECT relkind FROM pg_class WHERE relname = 'by_birth'") == [("r",)]
    assert clinic.ask("SELECT count(*) FROM by_birth") == [(3,)]
    assert clinic.ask("SELECT count(*) FROM pg_class WHERE relname ~ '^(a_part|later)'") == [(0,)]


ALONE = "a literal is compared with no column that has a rule"
LEFT_OUT = (
    "comments: 2 left out",
    f"function greeting(text) is left out: {ALONE}",
    "function tell() is left out: its body has a literal",
    "index patients_by_phone is left out: a literal belongs to a column under redact",
    "objects that depend on one that is left out: 18 left out",
    "table by_birth: its partitions are left out, since its partition key is masked",
    "table patients: its constraint patients_born_check is left out: "
    "a literal belongs to a column under generalize year",
    "table patients: its constraint patients_phone is left out: "
    "a literal belongs to a column under redact",
    "table patients: the default of label is left out: a literal belongs to a column under drop",
    "table patients: the default of note is left out: a literal belongs to a column under redact",
    "table patients: the default of phone is left out: a literal belongs to a column under redact",
    "trigger patients argued is left out: one of its arguments is not the name of a column",
    f"view said is left out: {ALONE}",
)


def test_the_report_says_what_is_left_out_and_what_is_kept(clinic: Clinic) -> None:
    """One line each, and why."""
    found = clinic.published.report.ddl
    assert found.left_out == LEFT_OUT
    kept = {(k.object, k.why): k.literals for k in found.kept}
    assert kept["type ward", "labels of enums in columns that are kept"] == 2
    assert found.replaced == 10
    page = clinic.objects.root / "objects" / report_keys(archive_key("sanitized", VERSION))[1]
    for heading in (
        "Left out of the schema",
        "Literals kept in the schema",
        "Encodings that were decoded",
        "Places",
    ):
        assert heading in page.read_text("utf-8")
