"""Where a day is taken from: the order, and one line where it is nowhere."""

from datetime import date
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.core.errors import BadArchive, NotFound, PastDay
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key, metadata_key
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.export.flow import Asked, Origin, SourceCandidates, adopt, export
from mediatool_assets.export.rds import RdsExport
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.twins import DirectoryObjects

TODAY = "2026-01-05"
OLDER, NEWER = Version.parse("20260102-020000"), Version.parse("20260102-050000")
ARCHIVED, EXPORTED, BARE = "2026-01-02", "2026-01-03", "2026-01-04"


@pytest.fixture
def places(postgres_database: Url, tmp_path: Path) -> SourceCandidates:
    """A day with archives and an export, one with an export alone, one with nothing."""
    with psycopg.connect(postgres_database.reveal()) as connection:
        connection.execute(
            "CREATE SCHEMA media_tool; CREATE TABLE media_tool.accounts AS SELECT 1 AS id"
        )
    objects = DirectoryObjects(tmp_path / "bucket")
    for version in (OLDER, NEWER):
        objects.put(archive_key("raw", version), b"an archive")
    for text in ("20260102-030000", "20260103-030000"):
        export_as_rds(postgres_database, objects.put, Version.parse(text))
    source = PostgresSource(postgres_database, "media_tool")
    return SourceCandidates(objects, source, "media_tool", date.fromisoformat(TODAY))


def _kind(places: SourceCandidates, origin: Origin) -> tuple[str, str | None]:
    version = str(origin.version) if origin.version else None
    if origin.source is None:
        return "archive", version
    return ("rds" if isinstance(origin.source, RdsExport) else "live"), version


@pytest.mark.parametrize(
    ("partition", "asked", "found"),
    [
        (TODAY, "auto", ("live", None)),
        (TODAY, "postgres", ("live", None)),
        (ARCHIVED, "auto", ("archive", str(NEWER))),
        (ARCHIVED, "archive", ("archive", str(NEWER))),
        (ARCHIVED, "rds", ("rds", "20260102-030000")),
        (EXPORTED, "auto", ("rds", "20260103-030000")),
        (EXPORTED, "rds", ("rds", "20260103-030000")),
    ],
)
def test_the_first_place_that_has_the_day_is_taken(
    places: SourceCandidates, partition: str, asked: Asked, found: tuple[str, str | None]
) -> None:
    """Today live; a past day from its archive, else from an RDS export; or where one says."""
    assert _kind(places, places.origin(partition, asked)) == found


def test_a_complete_version_goes_before_a_newer_unfinished_one(places: SourceCandidates) -> None:
    """The archive of the version that counts is the day's."""
    places.objects.put(metadata_key(OLDER), b"{}")
    assert places.origin(ARCHIVED, "auto").version == OLDER


@pytest.mark.parametrize("asked", ["auto", "rds"])
def test_an_export_whose_version_is_taken_makes_the_next_free_one(
    places: SourceCandidates, asked: Asked
) -> None:
    """A damaged archive keeps its name; a run that was killed finds the same export again."""
    taken, damaged, free = (Version.parse(f"20260102-03000{n}") for n in range(3))
    for version in (taken, damaged):
        places.objects.put(archive_key("raw", version), b"damaged")
    assert _kind(places, places.origin(ARCHIVED, "rds")) == ("rds", str(free))
    assert _kind(places, places.origin(ARCHIVED, asked, free)) == ("rds", str(free))
    assert not places.lacks_export(ARCHIVED, asked, free)


@pytest.mark.parametrize(
    ("partition", "asked", "error", "message"),
    [
        (BARE, "auto", PastDay, "no raw archive of 2026-01-04 and no RDS snapshot export"),
        (BARE, "postgres", PastDay, r"^the live database can be exported only for today"),
        (ARCHIVED, "postgres", PastDay, "not for 2026-01-02"),
        (BARE, "archive", NotFound, "no raw archive of 2026-01-04"),
        (BARE, "rds", NotFound, "rds-exports/2026-01-04/; export a snapshot"),
        ("2026-01-09", "auto", PastDay, "does not hold that day"),
    ],
)
def test_a_day_that_is_nowhere_fails_with_one_line(
    places: SourceCandidates, partition: str, asked: Asked, error: type[Exception], message: str
) -> None:
    """It says what is missing, and what to do."""
    with pytest.raises(error, match=message) as raised:
        places.origin(partition, asked)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("20260103-030000", ("rds", "20260103-030000")), ("20260103-040000", None)],
)
def test_a_run_that_has_its_version_gets_that_one_or_none(
    places: SourceCandidates, wanted: str, found: tuple[str, str] | None
) -> None:
    """A retry never ends with another version than its first attempt began with."""
    version = Version.parse(wanted)
    if found is None:
        with pytest.raises(PastDay, match=f"no RDS snapshot export of version {wanted}"):
            places.origin(EXPORTED, "auto", version)
    else:
        assert _kind(places, places.origin(EXPORTED, "auto", version)) == found


def test_an_adopted_archive_was_read_to_its_end(
    postgres_database: Url, tmp_path: Path, pool: Workspace
) -> None:
    """One changed byte of rows, and it is not adopted."""
    with psycopg.connect(postgres_database.reveal()) as connection:
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT generate_series(1, 99) n")
    objects = DirectoryObjects(tmp_path / "bucket")
    made = export(PostgresSource(postgres_database, "s"), objects, pool, OLDER)
    assert adopt(objects, pool.executor, OLDER).manifest == made.manifest
    block = made.manifest.members[0].blocks[0]
    path = objects.root / "objects" / archive_key("raw", OLDER)
    data = bytearray(path.read_bytes())
    data[block.offset + block.length // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadArchive):
        adopt(objects, pool.executor, OLDER)
