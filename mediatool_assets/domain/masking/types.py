"""The form of a column's values in an archive, as far as masking needs it."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from mediatool_assets.domain.masking.redaction import MONEY_LIMIT
from mediatool_assets.domain.schema import Column


class TypeFamily(Enum):
    """Types with the same masking."""

    TEXT = auto()
    UUID = auto()
    INTEGER = auto()
    DECIMAL = auto()
    FLOAT = auto()
    TIME = auto()
    BOOLEAN = auto()
    BYTES = auto()
    JSON = auto()
    JSONB = auto()
    ENUM = auto()
    OTHER = auto()


_FAMILIES = {
    "text": TypeFamily.TEXT, "character varying": TypeFamily.TEXT, "character": TypeFamily.TEXT,
    "name": TypeFamily.TEXT, "uuid": TypeFamily.UUID, "smallint": TypeFamily.INTEGER,
    "integer": TypeFamily.INTEGER, "bigint": TypeFamily.INTEGER, "numeric": TypeFamily.DECIMAL,
    "money": TypeFamily.DECIMAL, "real": TypeFamily.FLOAT, "double precision": TypeFamily.FLOAT,
    "date": TypeFamily.TIME, "timestamp without time zone": TypeFamily.TIME,
    "timestamp with time zone": TypeFamily.TIME, "boolean": TypeFamily.BOOLEAN,
    "bytea": TypeFamily.BYTES,
    "json": TypeFamily.JSON, "jsonb": TypeFamily.JSONB,
}  # fmt: skip
_INTEGERS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_CONSTANTS = {
    "date": b'"1970-01-01"',
    "timestamp without time zone": b'"1970-01-01T00:00:00"',
    "timestamp with time zone": b'"1970-01-01T00:00:00+00:00"',
    "money": b'"0.00"',
}
_BY_FAMILY = {
    TypeFamily.UUID: b'"00000000-0000-0000-0000-000000000000"',
    TypeFamily.INTEGER: b"0",
    TypeFamily.FLOAT: b"0",
    TypeFamily.BOOLEAN: b"false",
    TypeFamily.BYTES: rb'"\\x"',
    TypeFamily.JSON: b'"{}"',
    TypeFamily.JSONB: b"{}",
}
_MODIFIERS = re.compile(r"(.*)\((\d+)(?:,(-?\d+))?\)(?:\[\])*")


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """The values of a column, or the elements of its arrays."""

    base: str
    family: TypeFamily
    length: int | None
    limit: Decimal | None
    constant: bytes | None
    """The replacement of a removed value, as JSON; None: only null is possible."""

    @classmethod
    def of(cls, column: Column) -> "ColumnValues":
        """The values of a column of ``schema.json``."""
        base = column.base if column.element is None else column.element
        kind = column.kind if column.element is None else column.element_kind
        families = {"b": _FAMILIES.get(base, TypeFamily.OTHER), "e": TypeFamily.ENUM}
        family = families.get(kind or "", TypeFamily.OTHER)
        modifiers = _MODIFIERS.fullmatch(column.type)
        first, second = (modifiers[2], modifiers[3]) if modifiers else (None, None)
        limit = _limit(base, first, second)
        constant = _CONSTANTS.get(base, _BY_FAMILY.get(family))
        if base == "numeric":
            constant = b'"' + f"{0:.{max(0, int(second or 0))}f}".encode() + b'"'
        length = int(first) if first and family is TypeFamily.TEXT else None
        return cls(base, family, length, limit, constant)


def _limit(base: str, precision: str | None, scale: str | None) -> Decimal | None:
    """The greatest absolute value that the type holds; None if it has no practical limit."""
    if base in _INTEGERS:
        return Decimal(_INTEGERS[base])
    if base == "money":
        return MONEY_LIMIT
    if base == "numeric" and precision is not None:
        step = Decimal(1).scaleb(-int(scale or 0))
        return Decimal(1).scaleb(int(precision) - int(scale or 0)) - step
    return None
