"""A part of a version is restored as a part, and says what it lacks."""

from datetime import UTC, datetime

import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import AlreadyExists, BadArchive, NotFound
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.export.flow import export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.versions.records import Restored
from mediatool_assets_tests.altered_archives import altered
from mediatool_assets_tests.fixtures.restore_place import PEOPLE, Place

LEFT_OUT = "FK CONSTRAINT users users_team_id_fkey: it refers to teams, which is not restored"


def test_a_part_holds_the_rows_that_were_asked_for(place: Place, name: str) -> None:
    """Its marker says that it is one, and which foreign keys it could not hold."""
    place.run(PEOPLE)
    version, _ = place.export()
    made = place.restore(version, name, tables=["users"])
    assert (made.part, made.rows) == (True, {"users": 50})
    assert made.notes == (LEFT_OUT,)
    assert place.query(name, "SELECT count(*) FROM media_tool.teams") == [(0,)]
    marker = place.target.marker(name)
    assert marker is not None
    assert (marker.complete, marker.tables) == (False, ("users",))
    with pytest.raises(AlreadyExists):
        place.restore(version, name)


def test_a_changed_block_of_a_part_is_refused(place: Place, name: str) -> None:
    """By archive, table and block; the other table of the archive is restored from its own."""
    place.run(PEOPLE)
    version, stored = place.export()
    key, path = archive_key("raw", version), place.scratch / "altered"
    archive = ArchiveReader(place.objects.open(key))
    altered(archive, "users.ndjson", b'"xxx"', b'"xxy"', path)
    place.objects.put(key, path.read_bytes(), replacing=place.objects.open(key).etag)

    def restore(table: str) -> Restored:
        return place.restore(version, name, tables=[table])

    with pytest.raises(BadArchive, match=rf"{stored.uri}: users\.ndjson, block 1 of \d .*SHA-256"):
        restore("users")
    assert name not in place.databases()
    assert restore("teams").rows == {"teams": 3}


def test_a_table_that_the_archive_does_not_have_is_named(place: Place, name: str) -> None:
    """With those that it has."""
    place.run(PEOPLE)
    version, _ = place.export()
    with pytest.raises(NotFound, match=r"no rows of nobody; it has teams, users"):
        place.restore(version, name, tables=["nobody"])


def test_a_version_that_left_a_table_out_restores_as_a_part(place: Place, name: str) -> None:
    """What an export excludes is never taken for empty."""
    place.run(PEOPLE)
    version = Version(datetime(2002, 1, 1, tzinfo=UTC))
    source = PostgresSource(place.url, "media_tool")
    export(source, place.objects, place.pool, version, exclude=frozenset({"teams"}))
    made = place.restore(version, name)
    assert (made.part, made.notes) == (True, (LEFT_OUT,))
