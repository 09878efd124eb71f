"""Types of extensions, each with values that are easily changed on a way through text."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from psycopg import sql


class ExtensionType(NamedTuple):
    """A type as a column has it, what brings it, literals of it, and an index on it."""

    name: str
    extension: str
    values: tuple[str, ...]
    indexed: str | None = None


EXTENSION_TYPES = (
    ExtensionType(
        "hstore",
        "hstore",
        ("", 'a=>1,b=>NULL,c=>"NULL"', '"=>"=>"\\"",""=>""', "ä=>'\\\\'"),
        "USING gin ({})",
    ),
    ExtensionType("hstore[]", "hstore", ('{NULL,"a=>\\"x, y\\""}', "{}")),
    ExtensionType("citext", "citext", ("", "Groß", "NULL", " a\tb\n"), "({})"),
    ExtensionType("ltree", "ltree", ("", "Top.Science.A_1", "1.2.3"), "USING gist ({})"),
    ExtensionType("lquery", "ltree", ("*.a{1,}.!b*@|c.*{,2}", "*")),
    ExtensionType("ltxtquery", "ltree", ("Europe & Russia*@ & !Transportation",)),
    ExtensionType(
        "cube",
        "cube",
        ("(0.1)", "(1,-2.5e-300),(3,0.30000000000000004)", "(-0)", "(1e308,NaN,Infinity)"),
        "USING gist ({})",
    ),
    ExtensionType("ean13", "isn", ("9780393040029", "220-5-00000-000-9!"), "({})"),
    ExtensionType("isbn", "isn", ("0-393-04002-X", "9793930400029!")),
    ExtensionType("isbn13", "isn", ("978-0-393-04002-9", "978-0-393-04002-1!")),
    ExtensionType("ismn", "isn", ("M-060-11561-5",)),
    ExtensionType("issn", "isn", ("1436-4522",)),
    ExtensionType("upc", "isn", ("220356483481",)),
    ExtensionType("seg", "seg", ("1.50", "~6.25 .. <7", "<2.0e-3", "5(+-)0.30", "3 ..")),
    ExtensionType("query_int", "intarray", ("1&(2|3)&!4", "7")),
    ExtensionType(
        "integer[]", "intarray", ("{}", "{3,1,2,2147483647}"), "USING gist ({} gist__int_ops)"
    ),
    ExtensionType(
        "text", "pg_trgm", ("", 'words, \\ and "more"', "é"), "USING gin ({} gin_trgm_ops)"
    ),
    ExtensionType(
        "geometry(PointZ,4326)",
        "postgis",
        ("SRID=4326;POINT Z (0.1 -0.30000000000000004 1e-300)", "SRID=4326;POINT Z EMPTY"),
        "USING gist ({})",
    ),
    ExtensionType(
        "geometry",
        "postgis",
        (
            "POLYGON((0 0,0 1,1 1,0 0))",
            "SRID=3857;GEOMETRYCOLLECTION M(POINT M(1 2 3),LINESTRING M(0 0 1,1 1 2))",
            "CURVEPOLYGON(CIRCULARSTRING(0 0,4 0,4 4,0 4,0 0))",
        ),
    ),
    ExtensionType("geography", "postgis", ("POINT(13.4 52.5)", "LINESTRING(0 0,179.9 -89.9)")),
    ExtensionType("box2d", "postgis", ("BOX(0.1 0.2,0.30000000000000004 4)",)),
    ExtensionType("box3d", "postgis", ("BOX3D(0.1 0.2 0.3,1 2 0.30000000000000004)",)),
)
"""Whole columns: the same type twice has another extension's index."""


def columns(available: Iterable[str]) -> dict[str, ExtensionType]:
    """Of the table ``typed``: those whose extension there is, by their names."""
    return {
        f"{each.extension}_{number}": each
        for number, each in enumerate(EXTENSION_TYPES)
        if each.extension in available
    }


def statements(made: dict[str, ExtensionType]) -> Iterator[str]:
    """What makes ``typed``: a row for each value of the longest list, then one of nulls."""
    yield from (
        f'CREATE EXTENSION IF NOT EXISTS "{name}" SCHEMA public'
        for name in dict.fromkeys(each.extension for each in made.values())
    )
    listed = ", ".join(f"{name} {each.name}" for name, each in made.items())
    yield f"CREATE TABLE typed (id integer PRIMARY KEY, {listed})"
    for name, each in made.items():
        if each.indexed is not None:
            yield f"CREATE INDEX ON typed {each.indexed.format(name)}"
    for number in range(max(len(each.values) for each in made.values()) + 1):
        values = {n: e.values[number] for n, e in made.items() if number < len(e.values)}
        insert = sql.SQL("INSERT INTO typed ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, ("id", *values))),
            sql.SQL(", ").join(map(sql.Literal, (str(number), *values.values()))),
        )
        yield insert.as_string()
