"""Guesses what a column contains, from its name, type and some values; no value is stored.

It uses patterns, telephone numbers of all countries, and a detector that looks at each text. A
column is kept only if its content is certainly harmless; otherwise it is redacted until a review.

The form of a column's values in an archive, as far as masking needs it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto

from mediatool_assets.core.schema import Column, Table
from mediatool_assets.sanitize.pseudonyms import telephones
from mediatool_assets.sanitize.redaction import MONEY_LIMIT


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


_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?\(?\d[\d ().-]{7,18}\d(?: ?(?:x|ext\.?) ?\d+)?")
_DATE = re.compile(
    r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4})"
    r"(?:[T ]\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)? ?(?:Z|UTC|[+-]\d\d:?\d\d)?)?"
)
_URL = re.compile(r"(?:https?|ftp)://\S+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGITS = re.compile(r"\d{6,}")
_CODE = re.compile(r"[A-Z]{1,6}[-_ ]?\d{1,12}")
_PERSON = re.compile(r"[^\W\d_][\w'’.-]+(?: [^\W\d_][\w'’.-]*){1,3}")
_WORDS = 6  # a text with this many words is prose

Detector = Callable[[str], Iterable[str]]
"""Returns the names of what it finds in a text, such as ``CREDIT_CARD``."""

PERSON = "PERSON"
"""The detector's name for a person's name."""


def nothing(_: str) -> Iterable[str]:
    """A detector that finds nothing."""
    return ()


_PHONES = "telephone numbers"
PATTERNS = {
    "e-mail addresses": _MAIL,
    "addresses of pages": _URL,
    "UUIDs": _UUID,
    "long numbers": _DIGITS,
    "dates": _DATE,
    _PHONES: _PHONE,
    "codes": _CODE,
    "names": _PERSON,
}
"""The forms of a text; the first that fits counts. The names appear in the evidence."""

_OF_PEOPLE = re.compile(
    r"(?:^|_)(?:users?|people|persons?|reps?|contacts?|employees?|customers?|owners?|staff|"
    r"members?|patients?|authors?)(?:_|$)"
)
_NAMED = re.compile(r"(?:^|_)(?:(?:full|first|last|sur|given|family|middle|user|display)_?)?name$")
_TITLED = re.compile(r"(?:^|_)(?:name|title|label|subject)$")
_MAILED = re.compile(r"e?_?mail(?:_address)?$")
_PHONED = re.compile(r"(?:^|_)(?:phone|tel|telephone|mobile|cell|fax)(?:_|$|number)")
_BORN = re.compile(r"(?:^|_)(?:birth|born|dob|birthday)(?:_|$)|(?:^|_)date_of_birth$")
_MONEY = re.compile(
    r"(?:^|_)(?:budget|price|cost|spend|spent|revenue|amount|salary|wage|fee|income|total|rate|"
    r"balance|bid|bids|margin)(?:_|$)"
)
_CLOCK = re.compile(
    r"(?:^|_)(?:created|updated|modified|deleted|inserted|applied|valid|synced|exported)(?:_|$)"
)
_SURROGATE = re.compile(r"(?:^|_)ids?$")
_SWITCH = re.compile(r"^(?:is|has|was)_|_(?:deleted|active|enabled)$|^(?:deleted|active|enabled)$")
_BOOKKEEPING = re.compile(r"^(?:version|revision|sort_order|position)$")


@dataclass(slots=True)
class Traits:
    """Statistics of a column's values: counts, and hashes of the distinct ones."""

    detect: Detector = nothing
    values: int = 0
    texts: int = 0
    long: int = 0
    looks: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    """Texts that contain something recognized."""
    _different: set[int] = field(default_factory=set)

    def add(self, value: object) -> None:
        """Count a value, or each item of an array."""
        if isinstance(value, list):
            for item in value:
                self.add(item)
            return
        if value is None or value == "":
            return
        self.values += 1
        self._different.add(hash(str(value)))
        if not isinstance(value, str):
            return
        self.texts += 1
        self.long += len(value.split()) >= _WORDS
        whole = value.strip()
        for look, pattern in PATTERNS.items():
            if pattern.fullmatch(whole):
                self.looks[look] = self.looks.get(look, 0) + 1
                break
        else:
            numbers = list(telephones(value))
            if numbers == [whole]:
                self.looks[_PHONES] = self.looks.get(_PHONES, 0) + 1
            elif numbers:
                self.held[_PHONES] = self.held.get(_PHONES, 0) + 1
        for what in set(self.detect(value)):
            self.held[what] = self.held.get(what, 0) + 1

    @property
    def different(self) -> int:
        """The number of distinct values."""
        return len(self._different)

    def share(self, look: str) -> float:
        """The share of the texts that have this form."""
        return self.looks.get(look, 0) / self.texts if self.texts else 0.0

    def __str__(self) -> str:
        if not self.values:
            return "no value seen"
        found = [f"{count * 100 // self.texts} % {look}" for look, count in self.looks.items()]
        found += [f"{count} hold {what}" for what, count in sorted(self.held.items())]
        if self.long:
            found.append(f"{self.long * 100 // self.texts} % of {_WORDS} words or more")
        return ", ".join([f"{self.different} different of {self.values} seen", *found])


@dataclass(frozen=True, slots=True)
class RuleSuggestion:
    """A rule as it is written, and why; review it if it is not ``certain``."""

    rule: str
    why: str
    certain: bool = True


_OF_THE_SCHEMA = {"regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regcollation"}

REVIEWED = RuleSuggestion("redact", "content unknown", certain=False)


def suggested_rules(table: Table, column: Column, seen: Traits) -> Iterator[RuleSuggestion]:
    """Possible rules for a column, best first; the last fits every column without a key."""
    family = ColumnValues.of(column).family
    name = column.name.lower()
    if column.generated:
        yield RuleSuggestion("drop", "PostgreSQL computes it again in a restore")
        yield RuleSuggestion("keep", "PostgreSQL computes it, and it is NOT NULL")
    if column.base in _OF_THE_SCHEMA:
        yield RuleSuggestion("keep", "names objects of the schema, which the copy contains")
    if family is TypeFamily.TEXT:
        yield from _of_text(table, name, seen)
    elif family is TypeFamily.UUID:
        yield RuleSuggestion("pseudonym uuid", "a UUID")
    elif family in (TypeFamily.INTEGER, TypeFamily.DECIMAL, TypeFamily.FLOAT):
        yield from _of_numbers(table, column, name)
    elif family is TypeFamily.TIME:
        yield from _of_times(name)
    elif family is TypeFamily.BOOLEAN and _SWITCH.search(name):
        yield RuleSuggestion("keep", "a flag of the application")
    yield REVIEWED
    yield from _of_keys(family)


def _of_text(table: Table, name: str, seen: Traits) -> Iterator[RuleSuggestion]:
    if seen.share("e-mail addresses") >= 0.5 or _MAILED.search(name):
        yield RuleSuggestion("pseudonym email", "e-mail addresses")
    if seen.share("dates") >= 0.5:
        yield RuleSuggestion("redact", "dates", certain=False)
    if seen.share(_PHONES) >= 0.5 or _PHONED.search(name):
        yield RuleSuggestion("redact", _PHONES)
    yield from _of_held(seen)
    if seen.share("addresses of pages") >= 0.5:
        yield RuleSuggestion("pseudonym url", "addresses of pages")
    if seen.share("UUIDs") >= 0.9:
        yield RuleSuggestion("pseudonym uuid_text", "UUIDs as text")
    if seen.share("long numbers") >= 0.9 or (
        seen.share("codes") + seen.share("long numbers") >= 0.9 and seen.different * 2 > seen.values
    ):
        yield RuleSuggestion("pseudonym number", "identifying numbers")
    if seen.texts and seen.long * 5 >= seen.texts:
        yield RuleSuggestion("redact", "free text")
    if _NAMED.search(name) and _OF_PEOPLE.search(table.name.lower()):
        yield RuleSuggestion("pseudonym person", "names of people")
    if _NAMED.search(name) and not _TITLED.fullmatch(name) and seen.share("names") >= 0.5:
        yield RuleSuggestion("pseudonym person", "names of people")
    if _TITLED.search(name):
        yield RuleSuggestion("pseudonym title", "titles that people wrote")


def _of_held(seen: Traits) -> Iterator[RuleSuggestion]:
    if seen.held.get(PERSON, 0) * 2 >= max(seen.texts, 1) and seen.share("names") >= 0.5:
        yield RuleSuggestion("pseudonym person", "names of people")
    if others := sorted(seen.held.keys() - {PERSON}):
        yield RuleSuggestion("redact", f"texts that hold {', '.join(others)}")


def _of_numbers(table: Table, column: Column, name: str) -> Iterator[RuleSuggestion]:
    refers = {own for key in table.foreign_keys for own in key.columns}
    whole = ColumnValues.of(column).family is TypeFamily.INTEGER
    if whole and (column.name in refers or _SURROGATE.search(name)):
        yield RuleSuggestion("keep", "a number assigned by the database")
    if whole and _BOOKKEEPING.search(name):
        yield RuleSuggestion("keep", "a counter of the application")
    if _MONEY.search(name):
        yield RuleSuggestion("noise 20", "an amount, by its name")


def _of_times(name: str) -> Iterator[RuleSuggestion]:
    if _BORN.search(name):
        yield RuleSuggestion("generalize year", "a date of birth, by its name")
    if _CLOCK.search(name):
        yield RuleSuggestion("keep", "when a row was written, by its name")


def _of_keys(family: TypeFamily) -> Iterator[RuleSuggestion]:
    """Rules for a column of a key, which must stay unique."""
    why = "part of a key, which must stay unique"
    if family is TypeFamily.TEXT:
        yield RuleSuggestion("pseudonym token", why, certain=False)
    if family in (TypeFamily.TEXT, TypeFamily.INTEGER):
        yield RuleSuggestion("pseudonym number", why, certain=False)
    yield RuleSuggestion("keep", why, certain=False)


def seen_in(
    rows: Iterable[dict[str, object]], table: Table, detect: Detector = nothing
) -> dict[str, Traits]:
    """The traits of every column, from these rows."""
    found = {column.name: Traits(detect) for column in table.columns}
    for row in rows:
        for name, traits in found.items():
            traits.add(row.get(name))
    return found
