"""The DuckDB type of a PostgreSQL column, and the SQL that reads it from a row of the raw archive.

The type follows from ``schema.json`` alone, never from the values. A type that DuckDB cannot
represent exactly is read as PostgreSQL's text: ``numeric`` without a precision, ``money``,
``interval``, composite types, and all others that are not listed here.
"""

import re

from mediatool_assets.domain.row_json import PLAIN
from mediatool_assets.domain.schema import Column
from mediatool_assets.flows.workers.duckdb_session import literal

_TYPES = {
    "boolean": "BOOLEAN",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "oid": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "bytea": "BLOB",
    "date": "DATE",
    "time without time zone": "TIME",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
    "json": "JSON",
    "jsonb": "JSON",
}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)(?:\[\])*")
_DECIMAL_DIGITS = 38  # maximum digits of DuckDB's DECIMAL
_TEXT = "VARCHAR"
_DAYS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_NESTED = "[["  # how an array of several dimensions begins


def duckdb_type(column: Column) -> str:
    """``BIGINT``, ``DECIMAL(12,2)``, ``UUID[]``, …; ``VARCHAR`` for everything read as text."""
    element = _element_type(column)
    return _scalar_type(column) if element is None else f"{element}[]"


def duckdb_value(column: Column, text: str, *, finite: bool = False) -> str:
    """SQL for the value of a column, from ``text``: SQL for the JSON value, strings unquoted.

    It fails in DuckDB on a value that the type cannot hold: ``NaN`` in a numeric, an array of
    several dimensions, a year beyond 294247. With ``finite`` an infinite date fails too.
    """
    element = _element_type(column)
    if element is None:
        return _scalar(_scalar_type(column), text, finite=finite)
    items = f"CAST(CAST({text} AS JSON) AS VARCHAR[])"
    each = _scalar(element, "item", finite=finite)
    values = items if each == "item" else f"list_transform({items}, lambda item: {each})"
    refused = _refused("an array of several dimensions", text)
    return f"CASE WHEN starts_with({text}, '{_NESTED}') THEN {refused} ELSE {values} END"


def is_text(column: Column) -> bool:
    """True if the column is text in DuckDB although it is a number or an array in PostgreSQL."""
    return duckdb_type(column) == _TEXT and (column.category in "NA" or column.base == "money")


def _element_type(column: Column) -> str | None:
    """The type of an array's elements; None if the column is not read as a list."""
    if column.element is None:
        return None
    if column.element == "numeric":
        return _decimal(column.type)
    if column.element in PLAIN or column.element == "bigint" or column.element_kind == "e":
        return _TYPES.get(column.element, _TEXT)
    return None


def _scalar_type(column: Column) -> str:
    if column.element is not None:
        return _TEXT
    if column.base == "numeric":
        return _decimal(column.type) or _TEXT
    return _TYPES.get(column.base, _TEXT)


def _decimal(declared: str) -> str | None:
    match = _NUMERIC.fullmatch(declared)
    if match is None or not int(match[2]) <= int(match[1]) <= _DECIMAL_DIGITS:
        return None
    return f"DECIMAL({match[1]},{match[2]})"


def _scalar(type_: str, text: str, *, finite: bool) -> str:
    if type_ == _TEXT:
        return text
    if type_ == "BLOB":
        return f"unhex(substr({text}, 3))"
    if type_ not in _DAYS:
        return f"CAST({text} AS {type_})"
    moment = f"regexp_replace({text}, '^([0-9]+-[0-9-]+)(.*) BC$', '\\1 (BC)\\2')"
    value = f"CAST(CASE WHEN ends_with({text}, 'BC') THEN {moment} ELSE {text} END AS {type_})"
    if not finite:
        return value
    refused = _refused("an infinite date", text)
    return f"CASE WHEN ends_with({text}, 'infinity') THEN {refused} ELSE {value} END"


def _refused(reason: str, text: str) -> str:
    """SQL that fails; DuckDB's own ``error`` is volatile, which ``TRY`` does not accept."""
    return f"CASE WHEN CAST({literal(f'{reason}: ')} || {text} AS TINYINT) = 0 THEN NULL END"
