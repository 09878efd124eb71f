"""A restore that fails or is killed leaves nothing that looks like a version."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from mediatool_assets.archive.reader import split_lines
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.errors import BadArchive, CheckFailed, CountMismatch
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.version import Version
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.versions import catalog
from mediatool_assets_tests.fixtures.restore_place import PEOPLE, Place, damage


def test_a_damaged_archive_leaves_nothing(place: Place, name: str) -> None:
    """Neither the database nor what it was made in."""
    place.run(PEOPLE)
    version, _ = place.export()
    damage(place, version)
    before = place.databases()
    with pytest.raises(BadArchive, match="gzip"):
        place.restore(version, name)
    assert place.databases() == before


def changed(
    place: Place, version: Version, change: Callable[[bytes], bytes], **source: str
) -> Version:
    """Another version of the same schema, its rows changed as by a program that is wrong."""
    reader = catalog.reader(place.objects, "raw", version)
    other = Version(version.moment + timedelta(days=1))

    def write(writer: ArchiveWriter) -> Manifest:
        for table, member in reader.manifest.tables().items():
            lines = [split_lines(content) for content in reader.blocks(member.blocks)]
            changed_rows = (list(map(change, batch)) for batch in lines)
            spool = spool_rows(place.scratch / table, changed_rows)
            writer.add_rows(member.name, [spool], table=table)
        for file in ("schema.sql", "schema.json"):
            writer.add_file(file, reader.read_file(file))
        return writer.finish(
            Manifest("", "raw", "", (), source={**reader.manifest.source, **source})
        )

    catalog.publish(place.objects, "raw", other, write)
    return other


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda row: row.replace(b"team 1", b"team 1 "), None, ""),
        (lambda row: row.replace(b'"length":7', b'"length":8'), CountMismatch, "users"),
        (lambda row: row.replace(b'"team_id":3', b'"team_id":9'), CheckFailed, "FK CONSTR"),
        (lambda row: row.replace(b'"id":7,', b'"id":"x",'), CheckFailed, "users"),
        (lambda row: row.replace(b'"name"', b'"no"'), BadArchive, "cannot be read"),
        (lambda row: row + b",", BadArchive, "cannot be read"),
    ],
)
def test_rows_that_do_not_come_back_as_they_are_fail(
    place: Place,
    name: str,
    change: Callable[[bytes], bytes],
    error: type[Exception] | None,
    message: str,
) -> None:
    """A wrong value, key or row names its table, and leaves nothing; another value is just data."""
    place.run(PEOPLE)
    version = changed(place, place.export()[0], change)
    if error is None:
        place.restore(version, name)
        return
    before = place.databases()
    with pytest.raises(error, match=message):
        place.restore(version, name)
    assert place.databases() == before


def test_an_older_server_is_refused_before_anything_is_made(place: Place, name: str) -> None:
    """DDL of a newer server means nothing to it."""
    place.run(PEOPLE)
    version = changed(place, place.export()[0], lambda row: row, server_version="99.1")
    with pytest.raises(CheckFailed, match=r"PostgreSQL 99.*MEDIATOOL_RESTORE_POSTGRES_URL"):
        place.restore(version, name)
    assert name not in place.databases()


KILLED = """
import sys
from pathlib import Path
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.core.settings import Settings
from mediatool_assets.work.scratch import workspace
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets_tests.twins import DirectoryObjects

url, root, version, database = sys.argv[1:]
with workspace(Settings(workers=1)) as own:
    restore_postgres(DirectoryObjects(Path(root)), PostgresTarget(Url(url)), own,
                     Version.parse(version), RestoreOptions(database))
"""


def test_a_killed_restore_leaves_nothing_that_looks_complete(
    place: Place, name: str, stack: Stack
) -> None:
    """Nothing has the name; the next restore removes what was left, and succeeds."""
    place.run(PEOPLE)
    version, _ = place.export()
    words = [place.target.url.reveal(), str(place.objects.root), str(version), name]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *words], start_new_session=True)
    while f"{name}.restoring" not in place.databases():
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert name not in place.databases()
    assert f"{name}.restoring" in place.databases()
    place.restore(version, name)
    assert f"{name}.restoring" not in place.databases()
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]
