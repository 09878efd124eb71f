-- A source whose DDL holds personal data in every place that DDL has for it.
CREATE SCHEMA clinic; SET search_path TO clinic;
CREATE TYPE ward AS ENUM ('north', 'south');
CREATE TYPE doctor AS ENUM ('Cosmo Featherby', 'Perdita Larkspur');
CREATE TYPE mood AS ENUM ('Perdita Larkspur likes it', 'fine');
CREATE TYPE stay AS (room integer, where_to ward);
CREATE DOMAIN mail AS text DEFAULT 't.underwood@clinic.example.org' CHECK (VALUE <> 'Perdita Larkspur at home');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE SEQUENCE numbers START 7;
CREATE FUNCTION greeting(who text DEFAULT 'Perdita Larkspur') RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'Dear Perdita Larkspur ' || who $$;
CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT lower($1) /* Perdita Larkspur */ -- +43 1 58858 0
    $$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN -- ask Perdita Larkspur
        NEW.seen := now(); RETURN NEW; END $$;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN IF NEW.name = 'Perdita Larkspur' THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TABLE patients (
    id integer PRIMARY KEY DEFAULT nextval('numbers'),
    name text NOT NULL DEFAULT 'Thessaly Underwood' CONSTRAINT patients_name CHECK (name <> 'Thessaly Underwood jr.'),
    mail mail, phone text DEFAULT '+43 1 58858 0', born date CHECK (born > '1904-05-06'),
    ward ward DEFAULT 'north' NOT NULL, doctor doctor, mood mood, code text DEFAULT 'A',
    beds positive, stay stay, seen timestamptz DEFAULT now(),
    note text DEFAULT 'call Perdita Larkspur, ' || '+43 1 58858 0', fee numeric CHECK (fee >= 0),
    label text GENERATED ALWAYS AS (code || ' of ' || code) STORED,
    CONSTRAINT patients_phone CHECK (phone IS NULL OR phone ~ '^[+]43 1'),
    CONSTRAINT patients_code CHECK (code IN ('A', 'B'))
);
CREATE INDEX patients_by_name ON patients (lower(name)) WHERE name = 'Thessaly Underwood';
CREATE INDEX patients_by_phone ON patients (id) WHERE phone LIKE '+43 1 58858 0%';
CREATE INDEX patients_by_ward ON patients (id) WHERE ward = 'south' AND code <> 'B';
CREATE INDEX patients_by_plain ON patients (plain(name));
CREATE TABLE by_person (id integer, name text NOT NULL, PRIMARY KEY (id, name))
    PARTITION BY LIST (name);
CREATE TABLE by_person_one PARTITION OF by_person FOR VALUES IN ('Thessaly Underwood', 'Cosmo Featherby');
CREATE TABLE by_person_rest PARTITION OF by_person DEFAULT;
CREATE TABLE a_part (id integer NOT NULL, born date NOT NULL, name text DEFAULT 'Perdita Larkspur');
CREATE TABLE by_birth (id integer NOT NULL, born date NOT NULL, name text)
    PARTITION BY RANGE (born);
ALTER TABLE by_birth ATTACH PARTITION a_part FOR VALUES FROM ('1904-05-06') TO ('1950-01-01');
CREATE TABLE later PARTITION OF by_birth FOR VALUES FROM ('1950-01-01') TO (MAXVALUE)
    PARTITION BY LIST (name);
CREATE TABLE later_one PARTITION OF later FOR VALUES IN ('Thessaly Underwood');
CREATE TABLE later_rest PARTITION OF later DEFAULT;
CREATE INDEX by_birth_name ON by_birth (name);
CREATE TABLE by_day (id integer, day date NOT NULL, who text) PARTITION BY RANGE (day);
CREATE TABLE by_day_25 PARTITION OF by_day FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE by_hash (id integer, name text) PARTITION BY HASH (name);
CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE VIEW the_one AS SELECT id, ward FROM patients WHERE name = 'Thessaly Underwood' AND ward = 'north';
CREATE VIEW said AS SELECT id, CASE WHEN ward = 'north' THEN 'Perdita Larkspur' END AS what FROM patients;
CREATE VIEW said_again AS SELECT * FROM said;
CREATE MATERIALIZED VIEW days AS SELECT day, count(*) AS n FROM by_day
    WHERE day > '2025-02-01' GROUP BY 1;
CREATE UNIQUE INDEX days_by_day ON days (day);
CREATE TRIGGER touched BEFORE UPDATE ON patients FOR EACH ROW
    WHEN (NEW.name <> 'Thessaly Underwood') EXECUTE FUNCTION touch();
CREATE TRIGGER told BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER argued BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION touch('Perdita Larkspur');
ALTER TABLE patients DISABLE TRIGGER told;
ALTER TABLE by_day ADD CONSTRAINT by_day_who CHECK (who <> 'Perdita Larkspur') NOT VALID;
COMMENT ON TABLE patients IS 'ask Thessaly Underwood, +43 1 58858 0';
COMMENT ON COLUMN patients.note IS 't.underwood@clinic.example.org';
INSERT INTO patients (id, name, mail, phone, born, doctor, mood, code, beds, stay, note, fee)
    VALUES
    (1, 'Thessaly Underwood', 't.underwood@clinic.example.org', '+43 1 58858 0', '1984-02-03',
     'Cosmo Featherby', 'fine', 'A', 2, (1, 'south'), 'x', 8),
    (2, 'Cosmo Featherby', 'c@clinic.example.org', NULL, '1990-04-05', NULL, NULL, 'B', 1, NULL, NULL, 0);
INSERT INTO by_person VALUES (1, 'Thessaly Underwood'), (2, 'Cosmo Featherby'), (3, 'Ursula Brandywine');
INSERT INTO by_birth VALUES
    (1, '1920-02-03', 'x'), (2, '1984-02-03', 'Thessaly Underwood'), (3, '1990-01-01', 'y');
INSERT INTO by_day VALUES (1, '2025-03-04', 'Cosmo Featherby');
INSERT INTO by_hash VALUES (1, 'Thessaly Underwood'), (2, 'Cosmo Featherby'), (3, 'Ursula Brandywine');
REFRESH MATERIALIZED VIEW days;
