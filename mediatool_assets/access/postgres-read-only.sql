-- The role for exports: it can read one schema, and cannot write anything.
--
-- Run it in the source database as the owner of its tables (who needs CREATEROLE for the first
-- statement), then give the role a password:
--
--     psql "$OWNER_URL" --single-transaction -v ON_ERROR_STOP=1 -f postgres-read-only.sql
--     psql "$OWNER_URL" -c '\password mediatool_export'
--
-- For a schema other than media_tool, replace the name everywhere. If tables have row policies, the
-- role needs BYPASSRLS too: an export refuses to leave rows out.

CREATE ROLE mediatool_export LOGIN
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT
    CONNECTION LIMIT 32;

-- The rights below are what prevents writes; these settings only make a mistake fail earlier.
ALTER ROLE mediatool_export SET default_transaction_read_only = on;
ALTER ROLE mediatool_export SET lock_timeout = '60s';
ALTER ROLE mediatool_export SET statement_timeout = '2h';

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO mediatool_export', current_database());
END
$$;

GRANT USAGE ON SCHEMA media_tool TO mediatool_export;
GRANT SELECT ON ALL TABLES IN SCHEMA media_tool TO mediatool_export;
-- schema.sql has the positions of the sequences
GRANT SELECT ON ALL SEQUENCES IN SCHEMA media_tool TO mediatool_export;

-- For tables that this owner creates later; another owner must run the same for its own tables.
ALTER DEFAULT PRIVILEGES IN SCHEMA media_tool GRANT SELECT ON TABLES TO mediatool_export;
ALTER DEFAULT PRIVILEGES IN SCHEMA media_tool GRANT SELECT ON SEQUENCES TO mediatool_export;
