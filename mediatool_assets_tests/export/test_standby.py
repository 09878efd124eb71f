"""A hot standby as the source: exported, read again where it cancels, and how far it is behind."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from mediatool_assets.core.errors import BadSettings, RecoveryConflict
from mediatool_assets.core.schema import Chunk, Table
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.export.flow import TRIES, export
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Progress
from mediatool_assets.stores.postgres_source import PostgresSnapshot, PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.stores.readiness import source_found
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database, postgres_database
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.journey import Servers, travel
from mediatool_assets_tests.postgres_servers import CHOSEN, packaged_programs, replicated
from mediatool_assets_tests.server_folders import server_folder
from mediatool_assets_tests.twins import DirectoryObjects

MADE = "CREATE SCHEMA s; CREATE TABLE s.t AS SELECT n AS id FROM generate_series(1, 100) n"

NO_LIMIT = 10**6
"""Seconds: a busy machine may have received a record that it has yet to replay."""

CONFLICTS = (
    ("BEGIN", "LOCK TABLE s.t IN ACCESS EXCLUSIVE MODE", "COMMIT"),
    ("DELETE FROM s.t WHERE id IN (SELECT min(id) FROM s.t)", "VACUUM s.t"),
)
"""What a standby has to replay that a snapshot is in the way of: a lock, and rows removed."""


@dataclass
class Pair:
    """A primary and its standby."""

    primary: Url
    standby: Url
    conflicts: int = 0

    @property
    def source(self) -> PostgresSource:
        """The standby."""
        return PostgresSource(self.standby, "s", max_lag=NO_LIMIT)

    def conflict(self) -> None:
        """Do on the primary what readers of the standby are in the way of, until it is replayed."""
        self.change(*CONFLICTS[self.conflicts % len(CONFLICTS)])
        self.conflicts += 1

    def change(self, *statements: str, until: str = "replay") -> None:
        """Execute statements on the primary; return when the standby has them."""
        with (
            psycopg.connect(self.primary.reveal(), autocommit=True) as primary,
            psycopg.connect(self.standby.reveal(), autocommit=True) as standby,
        ):
            # The message's commit writes what was before it to disk, from where it is sent.
            for statement in (*statements, "SELECT pg_logical_emit_message(true, 'm', '')"):
                primary.execute(statement.encode())
            [(position,)] = primary.execute("SELECT pg_current_wal_flush_lsn()")
            reached = f"SELECT pg_last_wal_{until}_lsn() >= %s::pg_lsn".encode()
            Retrying(
                retry=retry_if_result(lambda rows: rows != [(True,)]),
                wait=wait_fixed(0.02),
                stop=stop_after_delay(300),
            )(lambda: standby.execute(reached, (position,)).fetchall())

    def rows(self) -> int:
        """The rows of the primary."""
        with psycopg.connect(self.primary.reveal()) as primary:
            [(count,)] = primary.execute("SELECT count(*) FROM s.t")
        return int(count)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Url, Url]]:
    """Both servers, with a table."""
    programs = packaged_programs("pginstall18") if CHOSEN is None else Path(CHOSEN)
    with server_folder() as folder:
        folder.chmod(0o755)
        with replicated(folder, programs) as both:
            Pair(*both).change(MADE)
            yield both


@pytest.fixture
def pair(servers: tuple[Url, Url]) -> Pair:
    """A primary and its standby."""
    return Pair(*servers)


def test_a_standby_goes_all_the_way(
    pair: Pair, documents: MongoDocuments, settings: Settings, pool: Workspace, tmp_path: Path
) -> None:
    """The metadata says that it is one, and how far behind; `check` says what it may cancel."""
    version, target = fresh_version(), PostgresTarget.of(settings)
    try:
        (folder := tmp_path / "way").mkdir()
        gone = travel(pair.source, Servers(documents, target, pool), version, folder)
    finally:
        documents.drop(mongodb_database(version))
        target.drop(postgres_database(version))
    assert gone.faults() == []
    assert gone.metadata.source.standby == "connected"
    assert gone.metadata.source.lag_seconds is not None
    assert not [warning for warning in gone.metadata.warnings if "standby" in warning]
    named = replace(
        settings,
        postgres_url=pair.standby,
        postgres_schema="s",
        postgres_max_lag_seconds=NO_LIMIT,
    )
    for own, verdict in (
        (named, "warning"),
        (replace(named, postgres_primary_url=pair.primary), "ok"),
    ):
        [reading] = [r for r in source_found(own).readings if r.name == "standby"]
        assert reading.verdict == verdict
        assert re.match(
            r"connected, lag \d+ s; max_standby_streaming_delay = 0, hot_standby_feedback = off",
            reading.says,
        )


READINGS: dict[str, Callable[[PostgresSnapshot, Table, Chunk], object]] = {
    "rows": lambda snapshot, table, chunk: list(snapshot.reader.read(table, chunk)),
    "chunks": lambda snapshot, table, _: snapshot.chunks(table),
    "ddl": lambda snapshot, *_: snapshot.ddl(),
    "facts": lambda snapshot, *_: snapshot.facts,
}


@pytest.mark.parametrize("reading", READINGS)
def test_whatever_meets_a_conflict_names_it(pair: Pair, reading: str) -> None:
    """Also a worker or pg_dump, which see only that the snapshot is gone; advice is given."""
    advice = "hot_standby_feedback = on or raise max_standby_streaming_delay.*POSTGRES_PRIMARY_URL"
    for _ in CONFLICTS:
        with pytest.raises(RecoveryConflict, match=advice), pair.source.snapshot() as snapshot:
            table = snapshot.schema.table("t")
            [chunk] = snapshot.chunks(table)
            pair.conflict()
            READINGS[reading](snapshot, table, chunk)


@pytest.mark.parametrize("times", [1, TRIES - 1, TRIES])
def test_an_export_is_read_again_and_then_from_the_primary(
    pair: Pair, pool: Workspace, tmp_path: Path, times: int
) -> None:
    """The version is whole, and says how often it was ended and where its rows are from."""
    read = export(
        replace(pair.source, primary_url=pair.primary),
        DirectoryObjects(tmp_path),
        replace(pool, progress=conflicting(pair, times)),
        fresh_version(),
    ).manifest
    assert read.rows == pair.rows()
    assert read.source.get("standby") == (None if times == TRIES else "connected")
    [warning] = read.warnings
    server = pair.primary if times == TRIES else pair.standby
    assert f"ended the export {times} time" in warning
    assert str(psycopg.conninfo.conninfo_to_dict(server.reveal())["port"]) in warning


def test_without_a_primary_or_with_another_ones_nothing_is_published(
    pair: Pair, postgres_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """A primary of another cluster would be another source."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute(MADE)
    for primary, raised in ((None, RecoveryConflict), (postgres_database, BadSettings)):
        objects = DirectoryObjects(tmp_path)
        often = replace(pool, progress=conflicting(pair, TRIES))
        with pytest.raises(raised):
            export(replace(pair.source, primary_url=primary), objects, often, fresh_version())
        assert list(objects.list("")) == []


def conflicting(pair: Pair, times: int) -> Progress:
    """A Progress that makes a conflict when rows were read, as often."""
    until = pair.conflicts + times

    def progress(*_: object, **__: object) -> None:
        if pair.conflicts < until:
            pair.conflict()

    return progress


def test_a_standby_that_is_behind_is_a_warning(pair: Pair, pool: Workspace, tmp_path: Path) -> None:
    """Beyond the bound of the settings; the lag is in the archive's source."""
    pair.change("INSERT INTO s.t VALUES (1000)")
    before = pair.rows()
    with psycopg.connect(pair.standby.reveal(), autocommit=True) as standby:
        standby.execute("SELECT pg_wal_replay_pause()")
        try:
            pair.change("INSERT INTO s.t VALUES (1001)", until="receive")
            objects = DirectoryObjects(tmp_path)
            late = export(replace(pair.source, max_lag=0), objects, pool, fresh_version()).manifest
            allowed = export(pair.source, objects, pool, fresh_version()).manifest
        finally:
            standby.execute("SELECT pg_wal_replay_resume()")
    assert (late.rows, allowed.warnings) == (before, ())
    lag = late.source["lag_seconds"]
    assert isinstance(lag, int)
    assert lag > 0
    [warning] = late.warnings
    assert warning.startswith(f"the hot standby (connected) was {lag} s behind its primary")
