"""Eight databases more, for servers with contrib and ICU: what section by section went wrong once.

Each is what a person could have written for a purpose, in PostgreSQL 14 and newer, and holds the
same kinds of objects as the databases that were found to fail, in other forms.
"""

LIBRARY = """
CREATE EXTENSION unaccent; CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore; CREATE EXTENSION cube;
CREATE EXTENSION btree_gist; CREATE EXTENSION pgcrypto;
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION french_books (COPY = french);
ALTER TEXT SEARCH CONFIGURATION french_books
    ALTER MAPPING FOR word, hword_part WITH unaccent, plain, french_stem;
CREATE FUNCTION folded(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(unaccent($1))';
CREATE FUNCTION shelved() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN NEW.mark := encode(digest(NEW.title, 'sha256'), 'hex'); RETURN NEW; END $f$;
CREATE OPERATOR CLASS letters FOR TYPE text USING gin AS
    OPERATOR 1 % (text, text),
    FUNCTION 2 gin_extract_value_trgm (text, internal),
    FUNCTION 3 gin_extract_query_trgm (
        text, internal, int2, internal, internal, internal, internal),
    FUNCTION 4 gin_trgm_consistent (
        internal, int2, text, int4, internal, internal, internal, internal),
    STORAGE int4;
CREATE TABLE books (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, mark text,
    about hstore DEFAULT 'kind=>book'::hstore, place cube[], lent daterange, shelf integer,
    EXCLUDE USING gist (shelf WITH =, lent WITH &&)
);
CREATE TRIGGER shelving BEFORE INSERT ON books FOR EACH ROW EXECUTE FUNCTION shelved();
CREATE INDEX ON books USING gin (title letters);
CREATE INDEX ON books USING gin (to_tsvector('french_books', title));
CREATE INDEX ON books ((about -> 'kind'));
INSERT INTO books (title, place, lent, shelf)
SELECT 'L''été n° ' || n, ARRAY[cube(n), cube(ARRAY[n, 2], ARRAY[n, 3])],
    daterange('2026-01-01', NULL), n FROM generate_series(1, 30) n;
"""
"""Extensions that only text search, an operator class, a body, a default or EXCLUDE use."""

METERS = """
CREATE TABLE future (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE nested (id int, kind text, at date) PARTITION BY LIST (kind);
CREATE TABLE nested_heat PARTITION OF nested FOR VALUES IN ('heat') PARTITION BY RANGE (at);
CREATE TABLE nested_rest PARTITION OF nested DEFAULT;
CREATE TABLE readings (
    meter int NOT NULL, at timestamptz NOT NULL, value numeric(12, 3), note text DEFAULT 'ok',
    PRIMARY KEY (meter, at)
) PARTITION BY HASH (meter);
CREATE TABLE readings_0 PARTITION OF readings FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE readings_1 (
    note text, gone int, value numeric(12, 3), at timestamptz NOT NULL, meter int NOT NULL);
ALTER TABLE readings_1 DROP COLUMN gone;
ALTER TABLE readings ATTACH PARTITION readings_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE readings_2 PARTITION OF readings FOR VALUES WITH (MODULUS 3, REMAINDER 2)
    PARTITION BY RANGE (at);
CREATE TABLE readings_2_all PARTITION OF readings_2 (note DEFAULT 'late') DEFAULT
    WITH (fillfactor = 70);
ALTER TABLE readings ADD COLUMN source text;
CREATE TABLE alarms (
    id int PRIMARY KEY, meter int, at timestamptz,
    FOREIGN KEY (meter, at) REFERENCES readings ON DELETE CASCADE
);
INSERT INTO nested VALUES (1, 'cold', '2026-01-01'), (2, NULL, NULL);
INSERT INTO readings (meter, at, value)
SELECT m, timestamptz '2026-01-01 00:00Z' + h * interval '1 hour 7 microseconds', m * h / 8.0
FROM generate_series(1, 9) m, generate_series(1, 20) h;
INSERT INTO alarms
SELECT row_number() OVER (ORDER BY meter, at), meter, at FROM readings WHERE value > 10;
"""
"""Partitioned tables without a partition, with none but sub-partitioned ones, of odd columns."""

BEINGS = """
CREATE TABLE beings (id int PRIMARY KEY, name text);
CREATE TABLE animals (legs int, CHECK (legs >= 0) NO INHERIT) INHERITS (beings);
CREATE TABLE owned (owner text NOT NULL, name text DEFAULT 'nobody''s');
CREATE TABLE pets (bought date, PRIMARY KEY (id)) INHERITS (animals, owned);
ALTER TABLE beings ADD COLUMN born date DEFAULT '2020-01-01';
ALTER TABLE animals ADD COLUMN wings smallint;
ALTER TABLE owned ADD COLUMN price money;
ALTER TABLE beings ADD COLUMN "of, late" text[] DEFAULT '{a,"b, c"}';
ALTER TABLE pets ALTER COLUMN born SET DEFAULT '2021-01-01', ALTER COLUMN wings SET NOT NULL;
ALTER TABLE pets ADD COLUMN mood text; ALTER TABLE animals ADD COLUMN mood text;
CREATE TABLE strays (LIKE animals INCLUDING ALL); ALTER TABLE strays INHERIT beings;
INSERT INTO beings (id, name) VALUES (1, 'a tree');
INSERT INTO animals (id, name, legs) VALUES (2, 'a bird', 2);
INSERT INTO pets (id, name, owner, wings) VALUES (3, 'Rex', 'Ann', 0), (4, 'Tweety', 'Bob', 2);
INSERT INTO strays (id, name, legs) VALUES (1, 'a cat', 4);
"""
"""Inheritance from several, with columns that parents got after their children."""

LEDGER = """
CREATE DOMAIN positive AS int;
CREATE TABLE accounts (
    id int PRIMARY KEY, parent int, code text, amount positive, currency char(3));
INSERT INTO accounts
SELECT n, CASE WHEN n % 5 = 0 THEN n + 500 ELSE n / 2 END, 'c' || n, 5 - n, 'EUR'
FROM generate_series(1, 20) n;
ALTER TABLE accounts ADD FOREIGN KEY (parent) REFERENCES accounts NOT VALID;
ALTER TABLE accounts ADD CONSTRAINT coded CHECK (code ~ '^[A-Z]') NOT VALID;
ALTER DOMAIN positive ADD CONSTRAINT is_positive CHECK (VALUE > 0) NOT VALID;
CREATE TABLE lines (
    account int, year int, number int, amount numeric(10, 2), PRIMARY KEY (account, year, number)
) PARTITION BY RANGE (year);
CREATE TABLE lines_old PARTITION OF lines FOR VALUES FROM (MINVALUE) TO (2025);
CREATE TABLE lines_new PARTITION OF lines DEFAULT;
INSERT INTO lines SELECT n % 30, 2020 + n % 9, n, n / 8.0 FROM generate_series(1, 200) n;
ALTER TABLE lines_old ADD FOREIGN KEY (account) REFERENCES accounts NOT VALID;
CREATE TABLE notes (
    id int PRIMARY KEY, account int, year int, number int, text text,
    FOREIGN KEY (account, year, number) REFERENCES lines MATCH FULL ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO notes SELECT row_number() OVER (ORDER BY number), account, year, number, 'n'
FROM lines WHERE number % 7 = 0;
INSERT INTO notes VALUES (99, NULL, NULL, NULL, 'of none');
CREATE TABLE prices (price numeric PRIMARY KEY, span interval UNIQUE, document jsonb UNIQUE);
INSERT INTO prices VALUES (1.50, '1 day', '{"a": 1.0}'), (2, '1 month', '[1.10]');
CREATE TABLE offers (
    id int PRIMARY KEY, price numeric REFERENCES prices, span interval REFERENCES prices (span),
    document jsonb REFERENCES prices (document)
);
INSERT INTO offers VALUES
    (1, 1.5, '24:00:00', '{"a": 1.000}'), (2, 2.00, '30 days', '[1.1]'), (3, NULL, NULL, NULL);
"""
"""Rows that break what was never validated, and keys that are equal and do not look so."""

OBSERVATORY = """
CREATE TABLE stars (id int PRIMARY KEY, name text, brightness real);
INSERT INTO stars SELECT n, 'S' || n, n / 3.0 FROM generate_series(1, 40) n;
CREATE MATERIALIZED VIEW never AS SELECT * FROM stars WITH NO DATA;
CREATE UNIQUE INDEX ON never (id);
CREATE MATERIALIZED VIEW bright AS SELECT id, brightness FROM stars WHERE brightness > 5;
CREATE MATERIALIZED VIEW brightest AS SELECT max(brightness) FROM bright;
CREATE MATERIALIZED VIEW of_never AS SELECT count(*) AS n FROM never WITH NO DATA;
CREATE VIEW dim WITH (security_barrier) AS SELECT * FROM stars WHERE brightness < 1
    WITH LOCAL CHECK OPTION;
CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 5;
CREATE VIEW first_seen AS SELECT stars.id, stars.name, count(*) FROM stars GROUP BY stars.id;
CREATE FUNCTION named() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER naming INSTEAD OF UPDATE ON first_seen FOR EACH ROW EXECUTE FUNCTION named();
CREATE RULE renamed AS ON DELETE TO dim DO ALSO SELECT 1;
DELETE FROM stars WHERE id > 35;
"""
"""Materialized views that were never filled, or not since their rows went."""

CLINIC = """
CREATE FUNCTION is_own(text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT $1 = current_user';
CREATE TABLE patients (id int PRIMARY KEY, doctor text DEFAULT current_user, born date);
ALTER TABLE patients ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON patients AS RESTRICTIVE FOR SELECT TO PUBLIC USING (is_own(doctor));
CREATE POLICY made ON patients FOR INSERT WITH CHECK (doctor <> '');
GRANT SELECT (id, born), UPDATE (born) ON patients TO PUBLIC;
REVOKE ALL ON FUNCTION is_own FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA stranger GRANT SELECT ON TABLES TO PUBLIC;
CREATE TYPE dose AS (amount numeric, unit text);
CREATE TYPE grade AS ENUM ('low', 'middle', 'high');
CREATE FUNCTION amount(dose) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount';
CREATE CAST (dose AS numeric) WITH FUNCTION amount(dose) AS ASSIGNMENT;
CREATE TABLE treatments (
    id serial PRIMARY KEY, patient int REFERENCES patients ON DELETE SET NULL, given dose[],
    grade grade, total numeric GENERATED ALWAYS AS ((given[1]).amount) STORED
);
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION patients_only FOR TABLE patients WITH (publish = 'insert');
CREATE FOREIGN DATA WRAPPER files; CREATE SERVER archive FOREIGN DATA WRAPPER files;
CREATE STATISTICS together (ndistinct) ON patient, grade FROM treatments;
COMMENT ON POLICY own ON patients IS 'a comment'; COMMENT ON TYPE grade IS 'graded; twice';
INSERT INTO patients SELECT n, 'd' || n % 3, date '1980-02-28' + n FROM generate_series(1, 9) n;
INSERT INTO treatments (patient, given, grade)
SELECT id, ARRAY[(id, 'mg')::dose, (NULL, 'a, "b"')::dose], 'middle' FROM patients;
"""
"""Rights, policies, publications, wrappers and a cast: nothing of them is carried, all is told."""

NEIGHBOURS = """
CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY, email text);
INSERT INTO auth.users SELECT n, n || '@example.org' FROM generate_series(1, 9) n;
CREATE TABLE auth.rows_of_auth (id int PRIMARY KEY);
CREATE TABLE posts (
    id int PRIMARY KEY, author int REFERENCES auth.users ON DELETE CASCADE, title text,
    parent int REFERENCES posts
);
CREATE TABLE likes (
    post int REFERENCES posts, who int REFERENCES auth.users, PRIMARY KEY (post, who)
);
INSERT INTO posts SELECT n, n, 't' || n, nullif(n / 2, 0) FROM generate_series(1, 9) n;
INSERT INTO likes SELECT n, m FROM generate_series(1, 9) n, generate_series(1, 3) m;
"""
"""Foreign keys to a schema that is not exported: left out of a restore, and said."""

ATLAS = """
CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION "uuid-ossp";
CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
CREATE DOMAIN mails AS citext[] CHECK (array_length(VALUE, 1) < 9);
CREATE TABLE countries (
    code text COLLATE caseless PRIMARY KEY, name text COLLATE german UNIQUE,
    long text COMPRESSION lz4, mails mails, path ltree, page xml,
    id uuid DEFAULT uuid_generate_v5(uuid_ns_url(), 'x')
);
CREATE TABLE cities (
    id int PRIMARY KEY, country text COLLATE caseless REFERENCES countries, name text,
    nick citext UNIQUE, twin citext REFERENCES cities (nick)
);
CREATE INDEX ON cities (name COLLATE "de-x-icu" DESC NULLS LAST);
INSERT INTO countries (code, name, long, mails, path, page) VALUES
    ('de', 'Österreich-Ungarn', repeat('ä', 9000), '{A@x.org,b@x.org}', 'a.b.c', '<a b="c"/>'),
    ('AT', 'Ärzte', '', '{}', '', NULL), ('Ch', 'Z', NULL, NULL, NULL, '<p>x &amp; y</p>');
INSERT INTO cities VALUES
    (1, 'DE', 'Berlin', 'Spree', NULL), (2, 'at', 'Wien', 'Donau', 'SPREE'),
    (3, NULL, NULL, NULL, NULL);
"""
"""ICU collations that ignore case, in keys too, lz4, XML, citext in arrays below a domain."""

MORE_STRANGERS = {
    "library": LIBRARY,
    "meters": METERS,
    "beings": BEINGS,
    "ledger": LEDGER,
    "observatory": OBSERVATORY,
    "clinic": CLINIC,
    "neighbours": NEIGHBOURS,
    "atlas": ATLAS,
}
"""Scripts by name; each makes its tables in the schema ``stranger``."""
