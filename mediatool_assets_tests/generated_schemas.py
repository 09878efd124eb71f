"""Databases drawn at random from the kinds of objects that PostgreSQL's catalogs know, by a seed.

Every script runs on PostgreSQL 14 and newer without an extension. The same seed draws the same.
"""

# ruff: noqa: S608  # every word is our own

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random

# A type, and an expression of a number n that gives different values of it.
TYPES = {
    "integer": "n",
    "bigint": "n * 9007199254740993",
    "smallint": "n % 100",
    "numeric": "n / 7.0",
    "numeric(12, 3)": "n * 1.5",
    "real": "n / 3.0",
    "double precision": "sqrt(n)",
    "text": "'Zeile ' || n || E'\\n\\t\\\\ ä'",
    "varchar(40)": "repeat('x', n % 40)",
    "char(6)": "'c' || n",
    "boolean": "n % 2 = 0",
    "date": "date '1999-12-31' + n",
    "timestamptz": "timestamptz '2026-01-01 00:00Z' + n * interval '1 hour 3 microseconds'",
    "timestamp(3)": "timestamp '2026-01-01' + n * interval '1 minute'",
    "time": "time '00:00' + n * interval '7 minutes'",
    "interval": "n * interval '1 day 2 hours'",
    "uuid": "md5(n::text)::uuid",
    "bytea": "decode(md5(n::text), 'hex')",
    "jsonb": "jsonb_build_object('n', n, 'of', ARRAY[n / 7.0])",
    "json": "json_build_array(n, 'a' || n, NULL)",
    "inet": "inet '10.0.0.0' + n",
    "macaddr": "('08:00:2b:01:02:' || lpad(to_hex(n % 256), 2, '0'))::macaddr",
    "int4range": "int4range(n, n + 5)",
    "tsrange": "tsrange('2026-01-01', timestamp '2026-01-01' + n * interval '1 day')",
    "point": "point(n, n / 2.0)",
    "bit(5)": "(n % 32)::bit(5)",
    "tsvector": "to_tsvector('simple', 'a word ' || n)",
    "money": "(n / 4.0)::numeric::money",
    "xid8": "n::text::xid8",
    "integer[]": "ARRAY[n, NULL, n + 1]",
    "text[]": "ARRAY['a,\"b', NULL, 'n' || n]",
    "numeric[]": "ARRAY[[n, n / 7.0], [0, 1]]",
    "state": "('{new,half done,Ω}'::text[])[1 + n % 3]::state",
    "state[]": "ARRAY['new', 'Ω']::state[]",
    "code": "'K' || n",
    "pair": "ROW(n, 'p' || n)::pair",
    "pair[]": "ARRAY[ROW(n, NULL)::pair, NULL]",
    "spans": "spans(n, n + 0.5)",
}

KEYS = ("integer", "bigint", "numeric", "text", "uuid", "date", "timestamptz", "code", "char(6)")
NAMES = ("place", "Order", "größe", "a b", "select", "x.y", "year", "Owner", "tag", "value", "data")

PREAMBLE = """
CREATE TYPE state AS ENUM ('new', 'half done', 'Ω');
CREATE DOMAIN code AS varchar(12) CHECK (VALUE <> '') NOT NULL;
CREATE TYPE pair AS (a integer, b text);
CREATE TYPE spans AS RANGE (subtype = numeric);
CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2; --;';
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $x$ BEGIN RETURN NEW; END; $x$;
"""
OBJECTS = (
    "CREATE SEQUENCE {name} AS smallint INCREMENT -3 MAXVALUE 9 CYCLE",
    "CREATE PROCEDURE {name}(n integer DEFAULT 1) LANGUAGE sql AS $$ SELECT n $$",
    "CREATE AGGREGATE {name}(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0')",
    "CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
    "CREATE TEXT SEARCH CONFIGURATION {name} (COPY = simple)",
    "CREATE TEXT SEARCH DICTIONARY {name} (TEMPLATE = simple, stopwords = english)",
    'CREATE COLLATION {name} FROM "C"',
    "CREATE OPERATOR FAMILY {name} USING btree",
    "CREATE PUBLICATION {name} FOR ALL TABLES WITH (publish = 'insert')",
    "CREATE CAST (pair AS integer) WITH FUNCTION of_pair(pair)",
    "CREATE FUNCTION {name}(VARIADIC text[]) RETURNS SETOF text LANGUAGE plpgsql AS "
    "$f$ BEGIN RETURN QUERY SELECT unnest($1); END $f$",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA stranger GRANT SELECT ON TABLES TO PUBLIC",
)
BEHIND = (
    "CREATE INDEX ON {table} USING hash ({column})",
    "CREATE INDEX ON {table} ({column} DESC) WHERE {column} IS NOT NULL",
    "CREATE INDEX ON {table} (num_nulls({column}), {column}) WITH (fillfactor = 60)",
    "CREATE VIEW {name} AS SELECT {column}, count(*) AS rows FROM {table} GROUP BY 1",
    "CREATE MATERIALIZED VIEW {name} AS SELECT * FROM {table}",
    "CREATE MATERIALIZED VIEW {name} AS SELECT {column} FROM {table} WITH NO DATA",
    "CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION touched()",
    "CREATE RULE {name} AS ON DELETE TO {table} DO ALSO NOTHING",
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY {name} ON {table} USING (true)",
    "COMMENT ON TABLE {table} IS 'it''s; \"quoted\" -- and more'",
    "COMMENT ON COLUMN {table}.{column} IS E'two\\nlines'",
    "GRANT SELECT ON {table} TO PUBLIC",
    "ALTER TABLE {table} ADD COLUMN {name} text DEFAULT 'late' NOT NULL",
    "ALTER TABLE {table} ALTER {column} SET STATISTICS 50",
    "ALTER TABLE {table} ALTER {column} SET (n_distinct = 5)",
    "ALTER TABLE {table} REPLICA IDENTITY FULL",
    "ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IS NULL) NOT VALID",
    "CREATE UNLOGGED TABLE {name} AS SELECT * FROM {table}",
)
PARTS = {
    "RANGE": ("FOR VALUES FROM (MINVALUE) TO (10)", "FOR VALUES FROM (10) TO (20)", "DEFAULT"),
    "LIST": ("FOR VALUES IN (1, 2, 3, NULL)", "FOR VALUES IN (5)", "DEFAULT"),
    "HASH": tuple(f"FOR VALUES WITH (MODULUS 3, REMAINDER {n})" for n in range(3)),
}


@dataclass
class _Table:
    name: str
    columns: dict[str, str]
    key: str
    rows: int
    is_partitioned: bool = False


@dataclass
class _Drawing:
    random: Random
    tables: list[_Table] = field(default_factory=list)
    taken: int = 0

    def name(self) -> str:
        """A name that is new, and needs quotes."""
        self.taken += 1
        return f'"{self.random.choice(NAMES)} {self.taken}"'

    def script(self) -> Iterator[str]:
        yield PREAMBLE
        yield "CREATE FUNCTION of_pair(pair) RETURNS integer LANGUAGE sql AS 'SELECT $1.a'"
        for text in self.random.sample(OBJECTS, self.random.randint(1, 5)):
            yield text.format(name=self.name())
        makers: list[Callable[[], Iterator[str]]] = [self.plain, self.partitioned, self.inherited]
        for _ in range(self.random.randint(2, 5)):
            yield from self.random.choices(makers, (6, 2, 2))[0]()
        yield from self.references()
        for table in self.tables:
            for text in self.random.sample(BEHIND, self.random.randint(0, 3)):
                column = self.random.choice([c for c, t in table.columns.items() if t in KEYS])
                yield text.format(table=table.name, column=column, name=self.name())

    def plain(self) -> Iterator[str]:
        """A table of random columns, with what may stand in its definition, and its rows."""
        table = self.drawn()
        lines = [f"{name} {type_}{self.more(type_)}" for name, type_ in table.columns.items()]
        key = self.random.choice(("PRIMARY KEY", "PRIMARY KEY", "UNIQUE", "UNIQUE", ""))
        if key:
            lines.append(f"{key} ({table.key}){self.random.choice(('', ' DEFERRABLE'))}")
        if self.random.random() < 0.3:
            lines.append(f"{self.name()} integer GENERATED ALWAYS AS IDENTITY")
        if self.random.random() < 0.3:
            lines.append(f"{self.name()} text GENERATED ALWAYS AS ('x' || 'y') STORED")
        if self.random.random() < 0.3:
            lines.insert(1, '"gone" point')
        yield f"CREATE TABLE {table.name} ({', '.join(lines)})"
        if '"gone" point' in lines:
            yield f'ALTER TABLE {table.name} DROP COLUMN "gone"'
        yield self.filled(table)

    def partitioned(self) -> Iterator[str]:
        """A partitioned table with all its partitions, some, or none."""
        table, kind = self.drawn("integer"), self.random.choice(list(PARTS))
        table.is_partitioned = True
        columns = ", ".join(f"{name} {type_}" for name, type_ in table.columns.items())
        yield f"CREATE TABLE {table.name} ({columns}) PARTITION BY {kind} ({table.key})"
        if self.random.random() < 0.25:
            table.rows = 0
            return
        for bounds in PARTS[kind]:
            yield f"CREATE TABLE {self.name()} PARTITION OF {table.name} {bounds}"
        yield self.filled(table)

    def inherited(self) -> Iterator[str]:
        """A table, one that inherits it, and columns that the parent gets later."""
        parent, child = self.drawn(), self.name()
        columns = ", ".join(f"{name} {type_}" for name, type_ in parent.columns.items())
        yield f"CREATE TABLE {parent.name} ({columns})"
        yield f"CREATE TABLE {child} ({self.name()} integer DEFAULT 7) INHERITS ({parent.name})"
        yield f"ALTER TABLE {parent.name} ADD COLUMN {self.name()} text DEFAULT 'later'"
        yield self.filled(parent)
        yield self.filled(replace(parent, name=child))

    def references(self) -> Iterator[str]:
        """Foreign keys to tables with a key of the same type; rows break those NOT VALID."""
        for table in self.random.sample(self.tables, len(self.tables) // 2):
            type_, name, made = self.random.choice(KEYS), self.name(), self.name()
            value = f"(SELECT {TYPES[type_]} FROM (VALUES (77)) v (n))"
            yield f"CREATE TABLE {made} ({name} {type_} PRIMARY KEY)"
            yield f"ALTER TABLE {table.name} ADD COLUMN {name} {type_.replace('code', 'text')}"
            yield f"UPDATE {table.name} SET {name} = {value}"
            kinds = ("ON DELETE CASCADE", "DEFERRABLE", "MATCH FULL", "NOT VALID", "NOT VALID")
            kind = self.random.choice(kinds[:3] if table.is_partitioned else kinds)
            if kind != "NOT VALID":
                yield f"INSERT INTO {made} VALUES ({value})"
            yield f"ALTER TABLE {table.name} ADD FOREIGN KEY ({name}) REFERENCES {made} {kind}"

    def drawn(self, key: str | None = None) -> _Table:
        """A table's name, columns and number of rows; its key is the first column."""
        types = [key or self.random.choice(KEYS)]
        types += self.random.choices(list(TYPES), k=self.random.randint(1, 9))
        columns = {self.name(): type_ for type_ in types}
        table = _Table(self.name(), columns, next(iter(columns)), self.random.choice((0, 1, 9, 40)))
        self.tables.append(table)
        return table

    def more(self, type_: str) -> str:
        """What may stand behind a column."""
        if type_ == "text" and self.random.random() < 0.3:
            return " COLLATE \"C\" DEFAULT 'it''s'"
        if type_ == "integer" and self.random.random() < 0.3:
            return " DEFAULT twice(4) CHECK (twice(1) = 2)"
        return ""

    def filled(self, table: _Table) -> str:
        """Rows, with nulls here and there."""
        values = [
            TYPES[type_]
            if name == table.key or type_ == "code"
            else f"CASE WHEN n % {self.random.randint(2, 9)} > 0 THEN {TYPES[type_]} END"
            for name, type_ in table.columns.items()
        ]
        return (
            f"INSERT INTO {table.name} ({', '.join(table.columns)}) "
            f"SELECT {', '.join(values)} FROM generate_series(1, {table.rows}) n"
        )


def generated_schema(seed: int) -> list[str]:
    """The statements of a database, whose objects are in the schema that is searched first."""
    return [text for text in _Drawing(Random(seed)).script() if text]
