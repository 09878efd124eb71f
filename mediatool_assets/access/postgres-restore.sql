-- The role for restores: it creates databases, and a role for each of them. It is not a superuser.
--
-- Run it on the server that versions are restored to, as an administrator, then give the role a
-- password:
--
--     psql "$ADMIN_URL" --single-transaction -v ON_ERROR_STOP=1 -f postgres-restore.sql
--     psql "$ADMIN_URL" -c '\password mediatool_restore'
--
-- Code from an archive runs as the role of its database, which has fewer rights: it owns the tables,
-- functions and views in that database, and has no other rights.
--
-- Before PostgreSQL 16, a role with CREATEROLE can grant itself pg_execute_server_program and similar
-- roles. There, use a separate server for restores.

CREATE ROLE mediatool_restore LOGIN
    NOSUPERUSER CREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 64;
