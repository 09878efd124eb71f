"""A week in which the source's schema changes every day, and one model that meets it."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.errors import BadModel, BadRules
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.export.flow import export
from mediatool_assets.sanitize.flow import LocalFolder, Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.transform.flow import transform
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.compared import compared
from mediatool_assets_tests.raw_archives import documents
from mediatool_assets_tests.twins import DirectoryObjects

SCRIPT = """
CREATE SCHEMA shop; SET search_path TO shop;
CREATE TABLE customers (id integer PRIMARY KEY, name text, phone text, rank varchar(5));
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer, total numeric(8, 2), code text);
CREATE TABLE migrations (id integer PRIMARY KEY);
CREATE TABLE leaflets (id integer PRIMARY KEY);
INSERT INTO customers VALUES (1, 'Ada', '1', 'a'), (2, 'Bo', NULL, NULL);
INSERT INTO customers SELECT n, 'Customer ' || n FROM generate_series(3, 9) n;
INSERT INTO orders VALUES (1, 1, 10.50, '7'), (2, 2, 3.00, '8');
INSERT INTO migrations VALUES (1);
INSERT INTO leaflets SELECT generate_series(1, 9);
"""

MODEL = """\
type_changes: {policy}
tables:
  customers:
    columns: {{id: integer, name: text, phone: text, rank: character varying}}
  orders:
    columns:
      {{id: integer, customer_id: integer,
       total: numeric, code: text}}
  migrations:
  leaflets:
one_to_one: [customers, leaflets]
left_out:
  migrations: no business of ours
collections:
  orders:
    root: orders
    add:
      customerName:
        look_up: customer_id -> customers.id
        take: name
"""


RULES = """\
kinds: {person: person, code: number}
tables:
  customers: {id: keep, name: pseudonym person, phone: redact, rank: keep}
  orders: {id: keep, customer_id: keep, total: noise 20, code: pseudonym code}
  migrations: {id: keep}
  leaflets: {id: keep}
"""


class Week:
    """A source, and each day an export and a transform of it."""

    def __init__(self, url: str, folder: Path, pool: Workspace) -> None:
        self._url, self._folder, self._pool = url, folder, pool
        self._objects = DirectoryObjects(folder / "bucket")
        self._days = itertools.count(1)
        self._version = Version(datetime(2005, 1, 1, tzinfo=UTC))

    def change(self, script: str) -> None:
        """What a migration does to the source."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(script.encode())

    def night(self, policy: str = "strict") -> tuple[str, ...]:
        """Export and transform; the warnings of the transformed archive."""
        self._version = Version(datetime(2005, 1, next(self._days), tzinfo=UTC))
        source = PostgresSource(Url(self._url), "shop")
        path = self._folder / "model.yaml"
        path.write_text(MODEL.format(policy=policy))
        export(source, self._objects, self._pool, self._version)
        made = transform(self._objects, self._pool, self._version, load_model(path))
        return made.manifest.warnings

    def refused(self, policy: str = "strict") -> list[str]:
        """The mistakes that stopped the transform."""
        with pytest.raises(BadModel) as caught:
            self.night(policy)
        return list(caught.value.problems)

    def unclassified(self) -> list[str]:
        """What keeps the last night's export from being sanitized, by rules that nobody changed."""
        (rules := self._folder / "rules.yaml").write_text(RULES)
        with pytest.raises(BadRules) as caught:
            sanitize(
                self._raw(self._version),
                LocalFolder(self._folder / "copies"),
                "copy.tar.gz",
                self._pool,
                Sanitizing(load_rules(rules), MaskingKey(bytes(i * 37 % 256 for i in range(32)))),
            )
        assert not (self._folder / "copies").exists()
        problems = [problem.removeprefix("rules.yaml: ") for problem in caught.value.problems]
        return [problem.partition(" is not classified")[0] for problem in problems]

    def compared(self) -> Comparison:
        """The last night's export beside the one before."""
        one = Version(self._version.moment - timedelta(days=1))
        return compared(self._folder, (self._raw(one), self._raw(self._version)))

    def _raw(self, version: Version) -> Bytes:
        return self._objects.open(archive_key("raw", version))

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """What the last night made."""
        return documents(self._objects, collection, self._version)


@pytest.fixture
def week(postgres_database: Url, tmp_path: Path, pool: Workspace) -> Week:
    """The week's first morning."""
    week = Week(postgres_database.reveal(), tmp_path, pool)
    week.change(SCRIPT)
    return week


def monday(week: Week) -> None:
    """A new column flows in under its camelCase name, and is flagged; no copy has it unasked."""
    week.change("ALTER TABLE shop.orders ADD COLUMN paid_at date DEFAULT '2026-01-01'")
    assert week.night() == (
        "new column orders.paid_at, unknown to the model: it became the field paidAt",
    )
    assert [d["paidAt"] for d in week.documents("orders")] == [datetime(2026, 1, 1)] * 2
    assert week.unclassified() == ["orders.paid_at (date)"]


def tuesday(week: Week) -> None:
    """A new table gets a collection of its own, and is flagged; no copy has it unasked."""
    week.change("CREATE TABLE shop.gift_cards (id integer PRIMARY KEY, worth money)")
    week.change("INSERT INTO shop.gift_cards VALUES (1, 5)")
    assert [w for w in week.night() if "table" in w] == [
        "new table gift_cards, unknown to the model: it became the collection giftCards"
    ]
    assert [d["_id"] for d in week.documents("giftCards")] == [1]
    new = ["gift_cards.id (integer)", "gift_cards.worth (money)", "orders.paid_at (date)"]
    assert week.unclassified() == new


def wednesday(week: Week) -> None:
    """What goes unused by the model may go: a column, and a table that was left out."""
    week.change("ALTER TABLE shop.customers DROP COLUMN phone; DROP TABLE shop.migrations")
    warnings = week.night()
    assert "column customers.phone is gone from the source, and so is its field" in warnings
    assert "table migrations is gone from the source; it was left out anyway" in warnings


def thursday(week: Week) -> None:
    """What the model uses may not go: the transform stops, with the lines to change.

    A comparison tells what it may be called now.
    """
    week.change("ALTER TABLE shop.customers RENAME COLUMN name TO full_name")
    week.change("ALTER TABLE shop.leaflets RENAME TO flyers")
    assert week.refused() == [
        "model.yaml:10: the source has no table leaflets; take it out of the model, or give it the "
        "table's new name (new are flyers, gift_cards), here and on line 11; "
        "MEDIATOOL_EXCLUDE_TABLES=leaflets goes on without it",
        "model.yaml:18: the source's customers has no column name; take it out, or give it the "
        "column's new name (new are full_name)",
    ]
    found = week.compared()
    assert [(r.before, r.after) for r in found.details["customers"].renames] == [
        ("name", "full_name")
    ]
    told = {problem.table: problem.reason for problem in found.errors}
    assert "leaflets has the same columns and rows" in told["flyers"]
    week.change("ALTER TABLE shop.customers RENAME COLUMN full_name TO name")
    week.change("ALTER TABLE shop.flyers RENAME TO leaflets")


def friday(week: Week) -> None:
    """A type that has widened is taken, and said."""
    week.change(
        "ALTER TABLE shop.orders ALTER customer_id TYPE bigint;"
        "ALTER TABLE shop.customers ALTER rank TYPE text;"
        "ALTER TABLE shop.orders ALTER total TYPE numeric(20, 4)"
    )
    taken = [w for w in week.night() if " now" in w]
    assert taken == [
        "column customers.rank is text now, which holds every value of character varying",
        "column orders.customer_id is bigint now, which holds every value of integer",
    ]
    assert [d["customerName"] for d in week.documents("orders")] == ["Ada", "Bo"]


def saturday(week: Week) -> None:
    """One of another kind stops a strict model, at its column's line."""
    week.change("ALTER TABLE shop.orders ALTER code TYPE integer USING code::integer")
    [problem] = week.refused()
    assert problem.startswith("model.yaml:8: column orders.code is integer now, and was text;")
    assert "write integer for it in columns:" in problem
    assert "type_changes: flag" in problem


def sunday(week: Week) -> None:
    """The same is told by one that flags, taken by one that accepts; the field has the new type."""
    told = "column orders.code is integer now, and was text; its field has the new type"
    assert told in week.night("flag")
    assert [d["code"] for d in week.documents("orders")] == [7, 8]
    assert not [w for w in week.night("accept") if "orders.code" in w]


DAYS: list[Callable[[Week], None]] = [
    monday,
    tuesday,
    wednesday,
    thursday,
    friday,
    saturday,
    sunday,
]


def test_every_day_of_the_week_ends_as_it_should(week: Week) -> None:
    """Changes add up from day to day; nothing of one day's is lost on the next."""
    assert week.night() == ()
    for day in DAYS:
        day(week)
    assert [d["paidAt"] for d in week.documents("orders")] == [datetime(2026, 1, 1)] * 2
    assert [d["_id"] for d in week.documents("giftCards")] == [1]
