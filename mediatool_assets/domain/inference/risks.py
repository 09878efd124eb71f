"""The risk report: differences between PostgreSQL and MongoDB, and possible problems."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from mediatool_assets.domain.field_names import camel_case
from mediatool_assets.domain.inference.figures import Figures, TableFigures, bytes_text
from mediatool_assets.domain.inference.naming import identifying_key
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.schema import Schema, Table

Kind = Literal[
    "precision", "large_document", "odd_keys", "name_collision", "as_text", "no_key", "time_zone"
]

NEAR_LIMIT = 12 * 1024 * 1024
"""The size in bytes of a document near MongoDB's limit of 16 MiB."""

_HEADINGS: Mapping[Kind, str] = {
    "precision": "Values that BSON cannot hold exactly",
    "large_document": "Documents near 16 MB",
    "odd_keys": "Keys and names with `$`, `.` or NUL",
    "name_collision": "Names that are equal in camelCase",
    "as_text": "Types carried as text",
    "no_key": "Tables without a key",
    "time_zone": "Times without a zone, read as UTC",
}

_LOSSES = {
    "digits": "more than 34 digits: kept as a string",
    "microseconds": "cut to milliseconds",
    "out_of_range": "infinity, or a year outside of 1 to 9999: kept as a string",
    "array_as_text": "an array that JSON cannot represent: kept as PostgreSQL's text",
    "duplicate_key": "a JSON document with one key twice: kept as its text",
    "nul_in_key": "a JSON document with NUL in a key: kept as its text",
    "lone_surrogate": "a JSON document with half a character: kept as its text",
    "depth": "a JSON document of more than 95 levels: kept as its text",
}

_TEXT_LIKE = frozenset(
    {"text", "character varying", "character", "name", "citext", '"char"', "xml", "bytea"}
)

_TYPED = frozenset(
    {"smallint", "integer", "bigint", "real", "double precision", "numeric", "money", "boolean"}
    | {"date", "timestamp with time zone", "timestamp without time zone", "uuid", "json", "jsonb"}
)


class Risk(msgspec.Struct, frozen=True):
    """One risk; ``values`` is the number of values concerned in the rows that were read."""

    kind: Kind
    table: str
    column: str | None
    values: int
    what: str


class RiskReport(msgspec.Struct, frozen=True):
    """All risks, by kind, and the number of rows read to find them."""

    source: str
    tables: int
    rows: int
    rows_read: int
    risks: tuple[Risk, ...]
    not_carried: tuple[NotCarried, ...] = ()


def report(
    source: str, schema: Schema, figures: Figures, not_carried: tuple[NotCarried, ...] = ()
) -> RiskReport:
    """The risks of a schema with these figures, and what a version would not contain."""
    order = list(_HEADINGS)
    risks = sorted(
        _risks(schema, figures), key=lambda r: (order.index(r.kind), r.table, r.column or "")
    )
    found = [figures.of(table.name) for table in schema.tables]
    rows, read = sum(f.rows for f in found), sum(f.read for f in found)
    return RiskReport(source, len(schema.tables), rows, read, tuple(risks), not_carried)


def _risks(schema: Schema, figures: Figures) -> Iterator[Risk]:
    for table in schema.tables:
        yield from _of_table(table, figures.of(table.name))
    yield from _large(figures)
    for names in _clashes(table.name for table in schema.tables):
        what = f"tables {', '.join(names)}: collections get names of their own"
        yield Risk("name_collision", names[0], None, len(names), what)


def _of_table(table: Table, figures: TableFigures) -> Iterator[Risk]:
    name = table.name
    for column, losses in figures.losses.items():
        for kind, count in losses.items():
            yield Risk("precision", name, column, count, _LOSSES.get(kind, kind))
    for column, odd in figures.odd_keys.items():
        for sign, count in odd.items():
            yield Risk("odd_keys", name, column, count, f"documents with {sign} in a key")
    for names in _clashes(column.name for column in table.columns):
        what = f"columns {', '.join(names)}: fields get names of their own"
        yield Risk("name_collision", name, names[-1], len(names), what)
    for column_ in table.columns:
        if column_.name.startswith("$") or "." in column_.name:
            values = figures.values.get(column_.name, 0)
            what = f"the field is called {camel_case(column_.name)}"
            yield Risk("odd_keys", name, column_.name, values, what)
    if not identifying_key(table)[0]:
        what = "_id is made from the row's content and a number: an edited row is a new document"
        yield Risk("no_key", name, None, figures.rows, what)
    for column_ in table.columns:
        base, values = column_.value_type, figures.values.get(column_.name, 0)
        if base not in _TYPED and base not in _TEXT_LIKE:
            yield Risk("as_text", name, column_.name, values, f"{column_.type} as its text")
        if base == "timestamp without time zone":
            yield Risk("time_zone", name, column_.name, values, "read as UTC")


def _large(figures: Figures) -> Iterator[Risk]:
    for name, table in figures.tables.items():
        if table.largest >= NEAR_LIMIT:
            what = f"{bytes_text(table.largest)}: the row {table.largest_key}"
            yield Risk("large_document", name, None, 1, what)


def _clashes(names: Iterable[str]) -> Iterator[list[str]]:
    by_field: dict[str, list[str]] = {}
    for name in names:
        by_field.setdefault(camel_case(name), []).append(name)
    return (found for found in by_field.values() if len(found) > 1)


def markdown(found: RiskReport) -> str:
    """The report for people."""
    read = "all" if found.rows_read == found.rows else f"{found.rows_read:,}"
    lines = [
        f"# Risks of {found.source}",
        "",
        f"{found.tables:,} tables, {found.rows:,} rows, of which {read} were read. "
        f"{len(found.risks)} risks.",
    ]
    for kind, heading in _HEADINGS.items():
        risks = [risk for risk in found.risks if risk.kind == kind]
        if risks:
            lines += ["", f"## {heading}", "", "| Where | Values | What |", "|---|---:|---|"]
            lines += [_line(risk) for risk in risks]
    if found.not_carried:
        lines += ["", "## What no version carries", ""]
        lines += ["| Kind | What | Of | Why |", "|---|---|---|---|"]
        lines += [
            f"| {each.kind} | {_cell(each.name)} | {_cell(', '.join(each.objects))} | {each.why} |"
            for each in found.not_carried
        ]
    return "\n".join(lines) + "\n"


def _line(risk: Risk) -> str:
    where = risk.table if risk.column is None else f"{risk.table}.{risk.column}"
    return f"| {_cell(where)} | {risk.values:,} | {_cell(risk.what)} |"


def _cell(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).replace("|", "\\|")
