"""The schema of the source as read in the snapshot: the content of ``schema.json``."""

import hashlib
from collections.abc import Iterable

import msgspec

from mediatool_assets.domain.gaps import OutsideDependency
from mediatool_assets.domain.json_documents import decoded, pretty


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column, in table order.

    ``type`` is PostgreSQL's own ``format_type`` text, domains by their own name; ``base`` is the
    type below all domains, ``element`` that of an array's elements below all domains, both without
    modifiers. ``category`` is ``pg_type.typcategory`` of the base type and ``kind`` its ``typtype``
    (``b`` base, ``c`` composite, ``e`` enum, ``r`` range, ``m`` multirange). One that is
    ``computed_anew`` is null in a sanitized copy, and no longer when that is restored.
    """

    name: str
    type: str
    base: str
    kind: str = "b"
    category: str = "U"
    nullable: bool = True
    element: str | None = None
    element_kind: str | None = None
    default: str | None = None
    generated: bool = False
    computed_anew: bool = False
    identity: str | None = None
    comment: str | None = None

    @property
    def is_float(self) -> bool:
        """Whether its values, or an array's elements, are real or double precision."""
        return (self.element or self.base) in ("real", "double precision")

    @property
    def plain_type(self) -> str:
        """The type without domains and modifiers, as models name it: ``uuid[]``, ``shop.state``."""
        return self.base if self.element is None else f"{self.element}[]"

    def caseless_with(self, other: "Column") -> bool:
        """Whether PostgreSQL compares both without their case: only where both are citext."""
        return self.value_type == other.value_type == "citext"

    @property
    def value_type(self) -> str:
        """The type of its values, or of an array's elements, without its schema: ``citext``."""
        return (self.element or self.base).rpartition(".")[2]


class ForeignKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A declared reference, columns in matching order.

    ``on_delete`` is what becomes of these rows with the one they name, where not refused:
    ``cascade``, ``set null`` or ``set default``. One that is not ``validated`` (NOT VALID, NOT
    ENFORCED) has never been checked on all rows. Of a temporal one (``period``) the last column is
    a span of time, which several rows of the target may cover together. Keys of one that is not
    ``exact`` can be equal and look different: intervals, documents, case-insensitive texts.
    """

    name: str
    columns: tuple[str, ...]
    table: str
    target_columns: tuple[str, ...]
    on_delete: str | None = None
    validated: bool = True
    period: bool = False
    exact: bool = True


class Index(msgspec.Struct, frozen=True):
    """One index, with the DDL as PostgreSQL prints it."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    definition: str


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """One table; ``partitions`` names the leaves of a partitioned one, whose rows are its own.

    ``namespace`` is its PostgreSQL schema where several were exported; ``name`` begins with it.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    partitions: tuple[str, ...] = ()
    comment: str | None = None
    namespace: str | None = None

    @property
    def relation(self) -> str:
        """What PostgreSQL calls it within its schema."""
        return self.name.removeprefix(f"{self.namespace}.") if self.namespace else self.name

    @property
    def identifying_keys(self) -> tuple[tuple[str, ...], ...]:
        """The unique keys without a nullable column: each knows every row from every other."""
        nullable = {column.name for column in self.columns if column.nullable}
        return tuple(key for key in self.unique_keys if not nullable.intersection(key))

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class Sequence(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sequence and its position; unless ``called``, the next value is ``last_value``.

    ``namespace`` and ``name`` are as a table's.
    """

    name: str
    last_value: int
    called: bool = True
    namespace: str | None = None

    @property
    def relation(self) -> str:
        """What PostgreSQL calls it within its schema."""
        return self.name.removeprefix(f"{self.namespace}.") if self.namespace else self.name


class Enum(msgspec.Struct, frozen=True):
    """An enum type and its labels in order."""

    name: str
    labels: tuple[str, ...]


class Schema(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything ``schema.json`` says of one PostgreSQL schema, or of several, tables by name.

    Of several, ``name`` lists them with commas, and the names of tables, sequences, enums and views
    begin with their own and a dot.
    ``views`` names materialized ones too; ``unpopulated`` those that were WITH NO DATA.
    ``foreign_tables`` hold rows of other servers, which no snapshot covers. ``gaps`` are the
    objects that need what is outside of these schemas.
    """

    name: str
    tables: tuple[Table, ...]
    enums: tuple[Enum, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    views: tuple[str, ...] = ()
    unpopulated: tuple[str, ...] = ()
    foreign_tables: tuple[str, ...] = ()
    gaps: tuple[OutsideDependency, ...] = ()

    def table(self, name: str) -> Table:
        """The table of that name; raises KeyError."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def fingerprint(self) -> str:
        """SHA-256 of the structure: what has to be equal for two versions to have one schema.

        Where a sequence stood and whether a view was populated is data, not structure, and is left
        out; so is what the structure needs elsewhere.
        """
        structure = msgspec.structs.replace(self, sequences=(), unpopulated=(), gaps=())
        return hashlib.sha256(encode(structure)).hexdigest()


def namespaces(schema: str) -> tuple[str, ...]:
    """The PostgreSQL schemas that a ``Schema.name`` means: one, or a list with commas."""
    return tuple(name for part in schema.split(",") if (name := part.strip()))


def encode(schema: Schema) -> bytes:
    """The bytes of ``schema.json``: stable for equal schemas."""
    return pretty(schema, 1)


def decode(data: bytes) -> Schema:
    """Read ``schema.json``; raises msgspec.MsgspecError on anything else."""
    schema = decoded(data, Schema)
    _require_different("table", (table.name for table in schema.tables))
    for table in schema.tables:
        _require_different(f"column of {table.name}", (column.name for column in table.columns))
    return schema


_LONGEST_NAME = 1024  # characters; PostgreSQL's names have 63 bytes, and a schema's before them


def _require_different(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if len(name) > _LONGEST_NAME:
            raise msgspec.ValidationError(f"the {what} {name[:40]}... has {len(name)} characters")
        if name in seen:
            raise msgspec.ValidationError(f"the {what} {name} is listed twice")
        seen.add(name)
