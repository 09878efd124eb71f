"""Warnings about a source, printed before the export and stored in the metadata."""

from collections.abc import Iterator, Mapping

from mediatool_assets.domain.postgres_release import Release
from mediatool_assets.domain.schema import Schema


def source_warnings(facts: Mapping[str, str | int | None], schema: Schema) -> Iterator[str]:
    """One sentence each; ``facts`` are from the snapshot or the manifest."""
    if (origin := facts.get("structure_from")) is not None:
        yield f"the RDS snapshot export has no DDL and no sequences; they are taken from {origin}"
    if unproven := facts.get("unproven_empty"):
        yield (
            f"the RDS export has no file for {unproven}: the table is empty or its file is "
            "missing, and no version of a nearby day shows which"
        )
    if large := facts.get("large_objects"):
        yield (
            f"the database has {large} large objects, which belong to no table: they are not "
            "exported, only their oids in columns"
        )
    yield from _behind(facts)
    for name in schema.foreign_tables:
        yield f"{name} is a foreign table: its rows are on another server and not exported"
    if "pg_dump" in facts:
        yield from _misfit(facts["pg_dump"], Release.parse(facts.get("server_version")))
    yield from map(str, schema.gaps)


def _behind(facts: Mapping[str, str | int | None]) -> Iterator[str]:
    if "standby" not in facts:
        return
    lag, most = facts["lag_seconds"], facts.get("max_lag_seconds")
    if lag is None:
        yield "the hot standby does not say how far it is behind its primary"
    elif int(lag) > int(most or 0):
        yield (
            f"the hot standby ({facts['standby']}) was {lag} s behind its primary, and "
            f"MEDIATOOL_POSTGRES_MAX_LAG_SECONDS allows {most}: newer changes are not exported"
        )


def _misfit(client: str | int | None, server: Release) -> Iterator[str]:
    install = f"install postgresql-client-{server.major} of {server} or newer"
    if client is None:
        yield f"no pg_dump can read PostgreSQL {server}, and no export works; {install}"
    elif not Release.parse(client).dumps(server):
        yield (
            f"schema.sql is written by pg_dump {client}, and the source is PostgreSQL {server}: it "
            f"may contain options that only pg_dump {server} leaves out; {install}"
        )
