"""Converts a row of the raw archive into an INSERT statement for any PostgreSQL client."""

from collections.abc import Callable

from mediatool_assets.domain.copy_text import copied_columns, line_writer
from mediatool_assets.domain.schema import Table

SESSION = (
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("xmloption", "content"),
)
"""The settings under which PostgreSQL reads the values as they were written."""


def insert_writer(table: Table, schema: str) -> Callable[[bytes], str]:
    """A function from one NDJSON row of the table to its INSERT, without the final semicolon.

    ``schema`` is used for tables without a namespace. Columns that PostgreSQL computes are left
    out. It raises the errors of ``copy_text.line_writer``.
    """
    line = line_writer(table)
    columns = copied_columns(table)
    into = f"INSERT INTO {_name(table.namespace or schema)}.{_name(table.relation)}"
    if not columns:
        return lambda _: f"{into} DEFAULT VALUES"
    names = ", ".join(_name(column.name) for column in columns)
    overriding = " OVERRIDING SYSTEM VALUE" if any(c.identity for c in columns) else ""

    def insert(row: bytes) -> str:
        values = ", ".join(map(_literal, line(row).decode().split("\t")))
        return f"{into} ({names}){overriding} VALUES ({values})"

    return insert


def _literal(field: str) -> str:
    """A field of COPY's text format: its escapes are those of an ``E''`` string."""
    if field == "\\N":
        return "NULL"
    quoted = field.replace("'", "''")
    return f"E'{quoted}'" if "\\" in quoted else f"'{quoted}'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
