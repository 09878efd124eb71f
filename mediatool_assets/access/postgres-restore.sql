-- The role that restores: it makes databases, and a role for each of them. It is no superuser.
--
-- Run it on the server that versions are restored to, as an administrator, then give the role a
-- password:
--
--     psql "$ADMIN_URL" --single-transaction -v ON_ERROR_STOP=1 -f postgres-restore.sql
--     psql "$ADMIN_URL" -c '\password mediatool_restore'
--
-- What an archive brings runs as the role of its database, which can do less: it owns the tables,
-- functions and views in that database, and has rights on nothing else.
--
-- Before PostgreSQL 16 CREATEROLE lets a role take pg_execute_server_program and the like. Use a
-- server of its own for restores there.

CREATE ROLE mediatool_restore LOGIN
    NOSUPERUSER CREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 64;
