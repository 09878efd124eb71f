-- The role that exports: it reads one schema, and can write nothing, anywhere.
--
-- Run it in the source database as the owner of its tables (who needs CREATEROLE for the first
-- statement), then give the role a password:
--
--     psql "$OWNER_URL" --single-transaction -v ON_ERROR_STOP=1 -f postgres-read-only.sql
--     psql "$OWNER_URL" -c '\password mediatool_export'
--
-- For another schema than media_tool, replace its name throughout. Where tables have row policies
-- the role needs BYPASSRLS too: an export refuses to leave rows out.

CREATE ROLE mediatool_export LOGIN
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT
    CONNECTION LIMIT 32;

-- What it may not do is denied below by rights; these only say so earlier.
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
-- schema.sql says where the sequences stand
GRANT SELECT ON ALL SEQUENCES IN SCHEMA media_tool TO mediatool_export;

-- Tables that this owner makes later; another owner's need the same from that owner.
ALTER DEFAULT PRIVILEGES IN SCHEMA media_tool GRANT SELECT ON TABLES TO mediatool_export;
ALTER DEFAULT PRIVILEGES IN SCHEMA media_tool GRANT SELECT ON SEQUENCES TO mediatool_export;
