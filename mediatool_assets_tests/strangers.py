"""Databases that this platform was not made for: each a script that makes one schema."""

from mediatool_assets_tests.postgres_servers import LOCAL_MAJOR

TREE = """
CREATE TABLE folders (
    id integer PRIMARY KEY,
    parent_id integer REFERENCES folders (id),
    name text NOT NULL
);
CREATE TABLE kinds (id smallint PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE files (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    folder_id integer NOT NULL REFERENCES folders (id),
    kind_id smallint REFERENCES kinds (id),
    size bigint NOT NULL,
    "previousVersion" uuid REFERENCES files (id)
);
INSERT INTO folders SELECT n, nullif((n - 1) / 3, 0), 'folder ' || n FROM generate_series(1, 40) n;
INSERT INTO kinds VALUES (1, 'text'), (2, 'image');
INSERT INTO files (folder_id, kind_id, size)
SELECT n % 40 + 1, nullif(n % 3, 0), n * 9007199254740993 FROM generate_series(1, 200) n;
"""

COMPOSITE = """
CREATE TABLE plants (country char(2), code integer, name text, PRIMARY KEY (country, code));
CREATE TABLE orders (
    country char(2), plant integer, day date, number integer, placed_at timestamptz,
    PRIMARY KEY (country, plant, day, number),
    FOREIGN KEY (country, plant) REFERENCES plants (country, code)
);
CREATE TABLE order_lines (
    country char(2), plant integer, day date, number integer, line integer, price numeric(12, 2),
    PRIMARY KEY (country, plant, day, number, line),
    FOREIGN KEY (country, plant, day, number) REFERENCES orders ON DELETE CASCADE
);
CREATE TABLE line_discounts (
    country char(2), plant integer, day date, number integer, line integer, reason text,
    percent numeric(5, 2), PRIMARY KEY (country, plant, day, number, line, reason),
    FOREIGN KEY (country, plant, day, number, line) REFERENCES order_lines ON DELETE CASCADE
);
CREATE TABLE readings (
    plant integer, at timestamp, value double precision, PRIMARY KEY (plant, at)
);
INSERT INTO plants SELECT c, n, c || n FROM unnest(ARRAY['DE', 'US']) c, generate_series(1, 3) n;
INSERT INTO orders SELECT country, code, date '2026-01-01' + n, n, '2026-01-01 10:00Z'
FROM plants, generate_series(1, 5) n;
INSERT INTO order_lines SELECT country, plant, day, number, n, n * 1.50
FROM orders, generate_series(1, 4) n;
INSERT INTO line_discounts SELECT country, plant, day, number, line, r, 2.50
FROM order_lines, unnest(ARRAY['loyal', 'late']) r WHERE line < 3;
INSERT INTO readings SELECT 1, timestamp '2026-01-01' + n * interval '1 microsecond', n
FROM generate_series(1, 50) n;
"""

KEYLESS = """
CREATE TABLE log (at timestamptz, line text);
CREATE TABLE pairs (a integer, b integer, tags text[]);
CREATE TABLE loose (code text, note text, UNIQUE (code));
CREATE TABLE tight (code text NOT NULL, region integer NOT NULL, note text, UNIQUE (region, code));
CREATE TABLE looser (a integer UNIQUE, b text UNIQUE);
CREATE TABLE nothing ();
INSERT INTO log SELECT '2026-01-01', 'same' FROM generate_series(1, 30);
INSERT INTO log VALUES (NULL, NULL), (NULL, NULL), ('infinity', 'last');
INSERT INTO pairs SELECT n % 2, n % 3, ARRAY['x', NULL] FROM generate_series(1, 60) n;
INSERT INTO loose VALUES ('a', 'one'), (NULL, 'two'), (NULL, 'two');
INSERT INTO tight SELECT 'c' || n, n % 4, 'text' FROM generate_series(1, 20) n;
INSERT INTO looser VALUES (1, 'b'), (NULL, NULL), (NULL, NULL), (2, NULL);
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO nothing DEFAULT VALUES;
"""

ODD_NAMES = """
CREATE TABLE "Order" ("Id" integer PRIMARY KEY, "id" text, "ID" text, "select" boolean);
CREATE TABLE "order" (id integer PRIMARY KEY, order_id integer REFERENCES "Order" ("Id"));
CREATE TABLE "Größe, in cm" (
    "Schlüssel [mm]" integer PRIMARY KEY, "a.b" text, a_b text, "aB" text, "$price" numeric,
    "with ""quotes"" in it" text, "line
break" text, "user id" integer, "_id" text, "null" text, "日本語" text
);
CREATE TABLE "Größe, in cm.parts" (
    part integer, "of size" integer REFERENCES "Größe, in cm" ON DELETE CASCADE,
    "of.size" text, PRIMARY KEY ("of size", part)
);
CREATE TABLE line_items (id integer PRIMARY KEY, "userId" text, user_id text);
CREATE TABLE "lineItems" (id integer PRIMARY KEY, "null" integer REFERENCES line_items (id));
CREATE TABLE a234567890123456789012345678901234567890123456789012345678901_b (
    b234567890123456789012345678901234567890123456789012345678901_c integer PRIMARY KEY
);
CREATE TABLE "null" ("true" integer PRIMARY KEY, "no" integer);
CREATE TABLE system_profile (id integer PRIMARY KEY);
INSERT INTO "Order" SELECT n, 'lower', 'upper', n > 1 FROM generate_series(1, 3) n;
INSERT INTO "order" SELECT n, n % 3 + 1 FROM generate_series(1, 9) n;
INSERT INTO "Größe, in cm" VALUES (1, 'a', 'b', 'c', 1.50, 'd', 'e', 7, 'f', 'g', 'h');
INSERT INTO "Größe, in cm" VALUES (2);
INSERT INTO "Größe, in cm.parts" SELECT n, n % 2 + 1, 'x' FROM generate_series(1, 8) n;
INSERT INTO line_items VALUES (1, 'a', 'b');
INSERT INTO "lineItems" VALUES (1, 1), (2, NULL);
INSERT INTO a234567890123456789012345678901234567890123456789012345678901_b VALUES (1);
INSERT INTO "null" VALUES (1, 2);
INSERT INTO system_profile VALUES (1);
"""

PARTS = """
CREATE TABLE people (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE employees (salary money, boss integer) INHERITS (people);
ALTER TABLE employees ADD PRIMARY KEY (id);
CREATE TABLE measures (id integer, at date NOT NULL, value real, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE measures_2025 PARTITION OF measures FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measures_2026 PARTITION OF measures FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    PARTITION BY LIST (id);
CREATE TABLE measures_2026_one PARTITION OF measures_2026 FOR VALUES IN (1);
CREATE TABLE measures_2026_rest PARTITION OF measures_2026 DEFAULT;
CREATE TYPE point3 AS (x integer, y integer, label text);
CREATE TYPE mood AS ENUM ('so, so', 'very "good"', '');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN small AS positive CHECK (VALUE < 100);
CREATE TABLE odd_types (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, low small,
    twice integer GENERATED ALWAYS AS (price * 2) STORED,
    price integer, place point3, places point3[], span int4range, spans datemultirange,
    mood mood, moods mood[], bits bit(3), box box, ip inet, words tsvector, took interval
);
CREATE UNLOGGED TABLE scratch (id integer PRIMARY KEY, body json);
CREATE VIEW all_people AS SELECT * FROM people;
INSERT INTO people SELECT n, 'person ' || n FROM generate_series(1, 10) n;
INSERT INTO employees SELECT n, 'employee ' || n, n::money, n - 1 FROM generate_series(11, 15) n;
INSERT INTO measures SELECT n % 3, date '2025-12-01' + n, n / 7.0 FROM generate_series(1, 60) n;
INSERT INTO odd_types
    (low, price, place, places, span, spans, mood, moods, bits, box, ip, words, took)
SELECT n, n, (n::int, 2, 'a,b')::point3, ARRAY[(1, n, NULL)::point3], '[1,5)',
       '{[2026-01-01,2026-02-01)}',
       'very "good"', '{"so, so",""}', B'101', '(1,2),(3,4)', '10.0.0.1/8', 'a fat cat', '1 mon'
FROM generate_series(1, 20) n;
INSERT INTO scratch VALUES (1, '{"a.b": {"$c": 1}}');
"""

TWO_SCHEMAS = """
CREATE SCHEMA sales; CREATE SCHEMA stock;
SET search_path TO sales;
CREATE TYPE state AS ENUM ('new', 'paid');
CREATE TABLE orders (id serial PRIMARY KEY, state state NOT NULL, note text);
CREATE TABLE items (id integer PRIMARY KEY, order_id integer REFERENCES orders ON DELETE CASCADE);
CREATE TABLE days (day date PRIMARY KEY) PARTITION BY RANGE (day);
CREATE TABLE days_all PARTITION OF days DEFAULT;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM orders;
SET search_path TO stock;
CREATE TYPE state AS ENUM ('here', 'gone');
CREATE TABLE orders (
    id serial PRIMARY KEY, state state, sales_order integer REFERENCES sales.orders (id)
);
CREATE TABLE items (code text PRIMARY KEY, "order.id" integer REFERENCES orders);
CREATE INDEX items_by_order ON items ("order.id");
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM items;
INSERT INTO sales.orders (state) SELECT 'paid' FROM generate_series(1, 20);
INSERT INTO sales.items SELECT n, n % 20 + 1 FROM generate_series(1, 50) n;
INSERT INTO sales.days SELECT date '2026-01-01' + n FROM generate_series(1, 9) n;
INSERT INTO stock.orders (state, sales_order) SELECT 'gone', n FROM generate_series(1, 15) n;
INSERT INTO stock.items SELECT 'code ' || n, n % 15 + 1 FROM generate_series(1, 30) n;
"""

_MOST = 1600  # columns that PostgreSQL allows a table

WIDE = f"""
CREATE TABLE widest ({", ".join(f"column_{n} smallint" for n in range(_MOST))});
CREATE TABLE wide (id integer PRIMARY KEY, {", ".join(f"is_{n} bool" for n in range(1, _MOST))});
INSERT INTO widest (column_0, column_1599) SELECT n, nullif(n, 3) FROM generate_series(1, 20) n;
INSERT INTO widest VALUES ({", ".join(map(str, range(_MOST)))});
INSERT INTO wide (id, is_1599) SELECT n, n % 2 = 0 FROM generate_series(1, 20) n;
"""  # noqa: S608 # numbers alone

EXTENDED = """
CREATE EXTENSION vector;
CREATE TABLE texts (
    id integer PRIMARY KEY, embedding vector(3), half halfvec(2), sparse sparsevec(5),
    several vector[]
);
CREATE INDEX nearest ON texts USING hnsw (embedding vector_l2_ops);
CREATE TABLE prices (
    id integer GENERATED BY DEFAULT AS IDENTITY (START 7 INCREMENT 7) PRIMARY KEY,
    net numeric(12, 2), tax numeric(12, 2),
    gross numeric GENERATED ALWAYS AS (net + tax) VIRTUAL,
    is_free boolean GENERATED ALWAYS AS (net = 0) STORED, label text,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', label)) STORED
);
CREATE UNIQUE INDEX ON prices (lower(label)) WHERE net > 0;
INSERT INTO texts SELECT n, format('[%s,0.1,-1e-7]', n)::vector, '[0.5,65504]', '{1:1.5,5:-2}/5',
    CASE WHEN n % 2 = 0 THEN ARRAY['[1]', NULL]::vector[] END FROM generate_series(1, 30) n;
INSERT INTO texts (id) VALUES (31);
INSERT INTO prices (net, tax, label)
SELECT n, n * 0.19, 'Label ' || n FROM generate_series(0, 20) n;
INSERT INTO prices (net) VALUES (1.00);
"""
"""Types of an extension, and a column that is computed when it is read."""

ALLOWED = r"""
CREATE COLLATION german (provider = builtin, locale = 'C.UTF-8');
CREATE DOMAIN code AS text COLLATE "C" CHECK (VALUE ~ '^[A-Z]+$');
CREATE DOMAIN codes AS code[] CHECK (cardinality(VALUE) < 9);
CREATE TYPE pair AS (low integer, high numeric(8, 3));
CREATE DOMAIN rising AS pair CHECK ((VALUE).low <= (VALUE).high);
CREATE TYPE span AS RANGE (subtype = numeric, multirange_type_name = spans);
CREATE FUNCTION doubled(n integer) RETURNS integer LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC SELECT n * 2; END;
CREATE SEQUENCE tickets INCREMENT BY -5 MINVALUE -1000 MAXVALUE 100 START 100 CYCLE;
CREATE TABLE authors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gone text, name text COLLATE german NOT NULL, mentor bigint,
    first_book integer, code code, codes codes, pair pair, rising rising, span span, spans spans,
    CONSTRAINT mentored FOREIGN KEY (mentor) REFERENCES authors DEFERRABLE INITIALLY DEFERRED,
    UNIQUE NULLS NOT DISTINCT (code)
) WITH (fillfactor = 70);
CREATE TABLE books (
    id integer PRIMARY KEY DEFAULT nextval('tickets'), author bigint NOT NULL REFERENCES authors,
    title text STORAGE EXTERNAL COMPRESSION pglz, pages integer,
    twice integer GENERATED ALWAYS AS (doubled(pages)) STORED, lent daterange,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', title)) STORED,
    EXCLUDE USING gist (lent WITH &&) WHERE (pages > 5000),
    CONSTRAINT long CHECK (pages > 10) NOT VALID,
    CONSTRAINT never CHECK (pages < 0) NOT ENFORCED
);
ALTER TABLE authors ADD FOREIGN KEY (first_book) REFERENCES books DEFERRABLE;
ALTER TABLE authors DROP COLUMN gone;
ALTER TABLE authors ADD COLUMN late text DEFAULT 'late' NOT NULL;
ALTER TABLE books ADD COLUMN whole authors;
COMMENT ON COLUMN authors.name IS 'it''s; "quoted"
and broken';
CREATE UNIQUE INDEX ON books (lower(title)) INCLUDE (pages) WHERE pages IS NOT NULL;
CREATE INDEX ON books USING gin (words);
CREATE INDEX ON books USING brin (pages) WITH (pages_per_range = 4);
CREATE STATISTICS related (dependencies, mcv) ON author, pages FROM books;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN NEW.late := upper(NEW.late) || ';'; RETURN NEW; END $body$;
CREATE TRIGGER shouting BEFORE INSERT OR UPDATE ON authors FOR EACH ROW EXECUTE FUNCTION shout();
CREATE RULE kept AS ON DELETE TO books DO INSTEAD NOTHING;
CREATE TABLE bookings (
    rooms int4range, during tsrange, guest text, PRIMARY KEY (rooms, during WITHOUT OVERLAPS)
);
CREATE TABLE readers (id uuid PRIMARY KEY DEFAULT uuidv7(), name text);
CREATE TABLE loud_readers (volume integer) INHERITS (readers);
CREATE TABLE old_readers (since date DEFAULT 'infinity', name text NOT NULL) INHERITS (readers);
CREATE TABLE both_readers () INHERITS (loud_readers, old_readers);
CREATE TABLE hashed (k text PRIMARY KEY, v int4multirange) PARTITION BY HASH (k);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 (v int4multirange, gone int, k text NOT NULL);
ALTER TABLE hashed_1 DROP COLUMN gone;
ALTER TABLE hashed ATTACH PARTITION hashed_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE rare (
    id "char" PRIMARY KEY, n name, o oid, r regclass, p pg_lsn, x xid8, b bit varying(9),
    q tsquery, j jsonpath, m macaddr, m8 macaddr8, c cidr, ci circle, l line, ls lseg, pa path,
    po point, poly polygon, mo money, tz timetz, y interval year to month, s interval second(2),
    f real, d double precision, t timestamp(0), nu numeric, na numeric[], ar integer[][], fs real[],
    js json, jb jsonb, by bytea, bys bytea[], bo boolean[], te text[], ts timestamptz[],
    sn pg_snapshot
);
CREATE VIEW titles AS SELECT title FROM books;
CREATE VIEW short_titles AS SELECT left(title, 3) FROM titles;
ALTER TABLE books ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON books USING (pages > 0);
INSERT INTO authors (name, mentor, code, codes, pair, rising, span, spans)
SELECT 'Ä' || n, n % 7 + 1, CASE n WHEN 9 THEN NULL ELSE repeat('X', n) END, ARRAY['A',
    'B']::code[],
    (n, n + 0.125)::pair, (1, n)::pair, span(n, n + 0.5), spans(span(0, n), span(99, NULL))
FROM generate_series(1, 12) n;
INSERT INTO books (author, title, pages, whole, lent)
SELECT a.id, 'Title ' || a.id || '-' || n, 20 * n, CASE WHEN n = 1 THEN a END,
    daterange(date '2026-01-01' + n, NULL)
FROM authors a, generate_series(1, 4) n;
UPDATE authors SET first_book = (SELECT min(id) FROM books WHERE author = authors.id);
INSERT INTO bookings SELECT int4range(n, n + 1), tsrange(NULL, '2026-01-01'), 'a'
FROM generate_series(1, 9) n;
INSERT INTO bookings SELECT int4range(n, n + 1), tsrange('2026-01-01', 'infinity'), 'b'
FROM generate_series(1, 9) n;
INSERT INTO readers (name) SELECT 'r' || n FROM generate_series(1, 5) n;
INSERT INTO loud_readers (name, volume) VALUES ('loud', 11);
INSERT INTO old_readers (name) VALUES ('old');
INSERT INTO both_readers (name, volume) VALUES ('both', 12);
INSERT INTO hashed SELECT 'k' || n, '{[1,3),[5,9)}' FROM generate_series(1, 20) n;
INSERT INTO rare VALUES (
    'a', 'n', 42, 'books', '16/B374D848', '18446744073709551615', B'101', 'fat & (rat | !cat)',
    '$.a[*] ? (@.b > 1)', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '10.1.0.0/16',
    '<(1,2),3>',
    '{1,2,3}', '[(1,2),(3,4)]', '((1,2),(3,4))', '(1e-300,-0)', '((0,0),(1,1),(1,0))',
    '-92233720368547758.08',
    '23:59:59.999999-15:59', '178000000 years', '59.99', 'NaN', '-Infinity',
    '4713-01-01 00:00:00 BC', 'Infinity', ARRAY['NaN', 1e-30, NULL]::numeric[],
    '[2:3][0:1]={{1,2},{3,NULL}}',
    '{NaN,-0,1e38}', '{"b": 1, "a": 1.0, "b": "twice"}', '{"$a.b": [1e400, -0.0, null,
    "\u00e9"]}', '\x00ff',
    ARRAY['\x00'::bytea, NULL], '{t,f,NULL}', '{"NULL",NULL,"","a\"b","{}"}',
    '{infinity,"0001-01-01 00:00:00+00 BC"}', '10:20:10,14,15'
);
INSERT INTO rare (id) VALUES ('');
"""
"""Of all that PostgreSQL allows, what no other stranger has."""

PROMISES = """
CREATE TABLE people (id integer PRIMARY KEY, boss integer);
INSERT INTO people VALUES (1, 99), (2, 1), (3, NULL);
ALTER TABLE people ADD FOREIGN KEY (boss) REFERENCES people NOT VALID;
CREATE TABLE pets (id integer PRIMARY KEY, owner integer REFERENCES people NOT ENFORCED);
INSERT INTO pets VALUES (1, 7), (2, 2);
CREATE TABLE rooms (
    room int4range, during daterange, note text, PRIMARY KEY (room, during WITHOUT OVERLAPS)
);
INSERT INTO rooms VALUES
    ('[1,2)', '[2026-01-01,2026-02-01)'), ('[1,2)', '[2026-02-01,2026-03-01)');
CREATE TABLE stays (
    id integer PRIMARY KEY, room int4range, during daterange,
    FOREIGN KEY (room, PERIOD during) REFERENCES rooms (room, PERIOD during)
);
INSERT INTO stays VALUES
    (1, '[1,2)', '[2026-01-15,2026-02-15)'), (2, NULL, '[2026-01-15,2026-02-15)'),
    (3, '[7,8)', NULL);
CREATE TABLE spans (span interval PRIMARY KEY);
INSERT INTO spans VALUES ('1 day'), ('1 month');
CREATE TABLE spent (id integer PRIMARY KEY, span interval REFERENCES spans);
INSERT INTO spent VALUES (1, '24:00:00'), (2, '30 days');
CREATE TABLE "values" (j jsonb PRIMARY KEY, n numeric UNIQUE, a integer[] UNIQUE, c char(5) UNIQUE);
INSERT INTO "values" VALUES
    ('{"a": 1.0}', 1.50, '{1,2}', 'ab'), ('2', '-0.0', '{3}', NULL), ('3', 'NaN', '{}', '');
CREATE TABLE uses (
    id integer PRIMARY KEY, j jsonb REFERENCES "values", n numeric REFERENCES "values" (n),
    m integer REFERENCES "values" (n), a integer[] REFERENCES "values" (a),
    c char(9) REFERENCES "values" (c), v varchar REFERENCES "values" (c)
);
INSERT INTO uses VALUES
    (1, '{"a": 1.000}', 1.5, 0, '{1,2}', 'ab', 'ab  '), (2, '2.0', 0, 0, '{3}', 'ab', ''),
    (3, NULL, 'NaN', NULL, '{}', NULL, NULL);
CREATE TABLE moments (at timestamptz PRIMARY KEY, local timestamp UNIQUE);
INSERT INTO moments SELECT at, at AT TIME ZONE 'UTC' FROM (
    SELECT timestamptz '2026-01-01 00:00Z' + n * interval '1 microsecond'
    FROM generate_series(1, 5) n
) m (at);
CREATE TABLE events (
    id integer PRIMARY KEY, at timestamptz REFERENCES moments ON DELETE CASCADE,
    local timestamp REFERENCES moments (local)
);
INSERT INTO events SELECT row_number() OVER (), at, local FROM moments;
"""
"""Foreign keys and unique keys that cannot be judged by whether two values look alike."""

_SINCE = {"extended": 18, "allowed": 18, "promises": 18}
"""The major version of those with what older servers do not know."""

_EVERY = {
    "tree": TREE,
    "composite": COMPOSITE,
    "keyless": KEYLESS,
    "odd_names": ODD_NAMES,
    "parts": PARTS,
    "two_schemas": TWO_SCHEMAS,
    "wide": WIDE,
    "extended": EXTENDED,
    "allowed": ALLOWED,
    "promises": PROMISES,
}
STRANGERS = {name: text for name, text in _EVERY.items() if _SINCE.get(name, 0) <= LOCAL_MAJOR}
"""Scripts by name; each makes its tables in the schema ``stranger``, but for those of SCHEMAS."""

SCHEMAS = {"two_schemas": "sales,stock"}
