"""Entries of real dumps, mutated and spliced with attacks: no canary dies, and nothing crashes."""

import random
from collections.abc import Iterator
from contextlib import suppress

import psycopg
from psycopg import sql

from mediatool_assets.core import ddl, restorable_ddl
from mediatool_assets.core.ddl import BadStatement
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets_tests.canaries import Canaries, attacks
from mediatool_assets_tests.core.dumped import dumped, header
from mediatool_assets_tests.fixtures.restore_place import Place
from mediatool_assets_tests.strangers import SCHEMAS, STRANGERS

MUTATED = 10_000
"""Entries that are read; those that are taken are executed."""
SEED = 20260101

_PIECES = [
    ";", "'", '"', "$$", "$a$", "--", "/*", "*/", "\n", "\r", "\\", "E'", "U&'", "€", "٣", "\u00a0",
    "\x0b", "\ufeff", "(", ")", "::", " AS ", " BEGIN ATOMIC ", " END", "\\restrict x\n", "%s",
]  # fmt: skip


def dumps(place: Place) -> Iterator[str]:
    """What pg_dump writes of the strangers' databases but the widest."""
    with psycopg.connect(place.url.reveal(), autocommit=True) as connection:
        for name in STRANGERS.keys() - {"wide"}:
            schemas = SCHEMAS.get(name, name)
            if name not in SCHEMAS:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
                query = sql.SQL("SET search_path TO {}").format(sql.Identifier(name))
                connection.execute(query)
            connection.execute(STRANGERS[name].encode())
            with PostgresSource(place.url, schemas).snapshot() as snapshot:
                yield snapshot.ddl().decode()


def mutated(
    chance: random.Random, entries: list[ddl.DumpEntry], attacks: list[str]
) -> ddl.DumpEntry:
    """An entry with something of another, of an attack, or of SQL's punctuation in it."""
    entry, other = chance.choice(entries), chance.choice(entries)
    text = ";\n".join(entry.statements)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(text))
        piece = chance.choice([*_PIECES, None, *_PIECES, "attack"])
        if piece == "attack":
            attack = chance.choice(attacks)
            piece = chance.choice(
                [f";{attack};", f"'; {attack}; --", f"$a$; {attack}; $a$", f"*/ {attack} /*",
                 f"(SELECT 1); {attack}", f"$b${attack}$b$", attack]
            )  # fmt: skip
        if piece is None:
            theirs = ";\n".join(other.statements)
            start = chance.randint(0, len(theirs))
            piece = theirs[start : start + chance.randint(1, 200)]
        text = text[:at] + piece + text[at + chance.choice([0, 0, 0, 1, 5, 40]) :]
    kind = chance.choice([entry.kind] * 5 + [other.kind])
    return ddl.DumpEntry(kind, entry.name, (text,), entry.namespace)


def test_no_mutated_entry_reaches_beyond_its_database(
    place: Place, name: str, birds: Canaries
) -> None:
    """Whatever is taken is one statement that makes something, and harms nothing at worst."""
    texts = list(dumps(place))
    entries = [entry for text in texts for entry in ddl.entries(text) if entry.statements]
    chance = random.Random(SEED)
    scripts = [restorable_ddl.read(text) for text in texts]
    needed = {extension for made in scripts for extension in made.extensions}
    with place.target.restoration(name, replace=False, extensions=needed) as work:
        for made in scripts:
            work.run(ddl.Statement(str(e), sql) for e in made.before for sql in e.statements)
        accepted = list(_accepted(chance, entries, attacks(birds)))
        # As the role of a restore, and as a superuser: each wall is enough alone.
        for url in (work.source("x").url, place.url):
            with psycopg.connect(url.reveal(), autocommit=True) as connection:
                for text in accepted:
                    with suppress(psycopg.Error):
                        connection.execute(text.encode(), binary=True)
            assert birds.harmed() == []
    assert len(accepted) > MUTATED // 50


def _accepted(
    chance: random.Random, entries: list[ddl.DumpEntry], attacks: list[str]
) -> Iterator[str]:
    """The statements that a restore would execute of mutated entries."""
    for _ in range(MUTATED):
        entry = mutated(chance, entries, attacks)
        try:
            made = restorable_ddl.read(
                dumped(header(entry.name, entry.kind) + f"{entry.statements[0]};\n\n\n")
            )
        except BadStatement:
            continue
        for each in (*made.before, *made.after):
            for text in each.statements:
                assert len(ddl.statements(text)) == 1
                yield text
