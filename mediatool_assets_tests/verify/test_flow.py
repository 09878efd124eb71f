"""Verify: damage is named, the rest is still read, and what is not known has not passed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import psycopg
import pytest
from pymongo import MongoClient

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.authenticity import Check, Verdict
from mediatool_assets.core.errors import BadSettings, BadSource, Misuse, NotFound
from mediatool_assets.core.metadata import Metadata, instant
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import SHIPPED_MODEL, Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import RestoreTarget, Stores
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.transform.flow import transform
from mediatool_assets.verify.flow import verify
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import standing_verdict, store_verdict
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.database_names import postgres_database as restored_name
from mediatool_assets_tests.finished import finish, load_and_dump, make
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.twins import DirectoryObjects

NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)


@dataclass(frozen=True)
class Finished:
    """A complete version of a few rows, whose database goes away after the test."""

    version: Version
    objects: DirectoryObjects
    documents: MongoDocuments
    pool: Workspace

    def verify(self, *, days: int = 0, sample: float | None = None) -> Verdict:
        """The verdict so many days from now, of all servers but PostgreSQL."""
        return verify(
            Stores(self.objects, self.documents),
            replace(self.pool, clock=lambda: NOW + timedelta(days)),
            self.version,
            sample=sample,
        )

    def reader(self, kind: VersionArchive) -> ArchiveReader:
        """One of its archives."""
        return catalog.reader(self.objects, kind, self.version)

    def write(self, kind: VersionArchive, offset: int, data: bytes) -> None:
        """Damage an archive in its place."""
        path = self.objects.root / "objects" / archive_key(kind, self.version)
        content = bytearray(path.read_bytes())
        content[offset : offset + len(data)] = data
        path.write_bytes(content)


@pytest.fixture
def finished(documents: MongoDocuments, pool: Workspace, tmp_path: Path) -> Iterator[Finished]:
    """A complete version."""
    version = fresh_version()
    objects = DirectoryObjects(tmp_path)
    make(objects, version)
    load_and_dump(objects, documents, pool, version)
    finish(objects, documents, pool, version, tmp_path / "registry.json")
    yield Finished(version, objects, documents, pool)
    documents.drop(mongodb_database(version))


def outcomes(verdict: Verdict) -> dict[str, str]:
    """What came of each part."""
    return {check.part: check.outcome for check in verdict.checks}


def check(verdict: Verdict, part: str) -> Check:
    """What was found of one part."""
    return next(check for check in verdict.checks if check.part == part)


def test_a_sound_version_passes(finished: Finished) -> None:
    """Every block and collection is read, and the verdict is kept as it is."""
    verdict = finished.verify()
    assert verdict.outcome == "passed"
    assert outcomes(verdict) == dict.fromkeys(["raw", "transformed", "dump", "mongodb"], "passed")
    assert [(c.checked, c.total) for c in verdict.checks] == [(4, 4), (4, 4), (4, 4), (2, 2)]
    assert standing_verdict(finished.objects, finished.version) is None
    key = store_verdict(finished.objects, verdict)
    assert key == (
        f"postgres-exports/verdicts/{finished.version.partition}/{finished.version}-20261123T040506.000789.json"
    )
    store_verdict(finished.objects, finished.verify(days=1))
    newest = standing_verdict(finished.objects, finished.version)
    assert newest == msgspec.structs.replace(verdict, at=instant(NOW + timedelta(1), exact=True))


@pytest.mark.parametrize("kind", ["raw", "transformed", "dump"])
def test_a_damaged_file_is_named_with_its_bytes(finished: Finished, kind: VersionArchive) -> None:
    """And only that one: all else is read all the same."""
    damaged = finished.reader(kind).manifest.members[0]
    block = damaged.blocks[0]
    finished.write(kind, block.offset + block.length // 2, b"\xff\x00\xff")
    verdict = finished.verify()
    found = check(verdict, kind)
    assert verdict.outcome == found.outcome == "failed"
    assert [part for part, outcome in outcomes(verdict).items() if outcome != "passed"] == [kind]
    whole, named = found.findings
    assert "SHA-256" in whole
    assert named.startswith(
        f"{damaged.name}, block 1 of 1 (bytes {block.offset}-{block.offset + block.length - 1}): "
    )
    assert found.checked == found.total == 4


def test_damage_between_the_files_is_found(finished: Finished) -> None:
    """Every byte counts, those of tar's headers too."""
    finished.write("dump", 3, b"\x01")
    assert check(finished.verify(), "dump").findings == (
        "it does not have the SHA-256 that its metadata gives",
    )


def test_an_archive_that_was_cut_short_is_found(finished: Finished) -> None:
    """Its manifest is gone, so that the database has nothing to be compared with."""
    path = finished.objects.root / "objects" / archive_key("transformed", finished.version)
    path.write_bytes(path.read_bytes()[:-100])
    verdict = finished.verify()
    assert verdict.outcome == "failed"
    assert outcomes(verdict) == {
        "raw": "passed",
        "transformed": "failed",
        "dump": "passed",
        "mongodb": "unknown",
    }
    assert any("cut short" in finding for finding in check(verdict, "transformed").findings)


def test_an_archive_that_is_gone_is_found(finished: Finished) -> None:
    """Its place in the bucket is named."""
    (finished.objects.root / "objects" / archive_key("raw", finished.version)).unlink()
    [finding] = check(finished.verify(), "raw").findings
    assert archive_key("raw", finished.version) in finding


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"insert": "accounts", "documents": [{"_id": "new"}]}, "accounts: 4 rows"),
        ({"delete": "accounts", "deletes": [{"q": {}, "limit": 1}]}, "accounts: 2 rows"),
        ({"drop": "repsOrphans"}, "repsOrphans: 0 rows"),
        ({"insert": "mine", "documents": [{"_id": 1}]}, "mine: not in the archive"),
        ({"drop": "_mediatool_version"}, "has no marker, so it is incomplete"),
    ],
)
def test_a_changed_database_is_found(
    finished: Finished, change: dict[str, object], finding: str
) -> None:
    """A document more or less, a collection more or less, a marker less."""
    with MongoClient[dict[str, object]](finished.documents.url.reveal()) as client:
        client[mongodb_database(finished.version)].command(change)
    verdict = finished.verify()
    assert outcomes(verdict)["mongodb"] == verdict.outcome == "failed"
    assert any(finding in f for f in check(verdict, "mongodb").findings)


def test_a_database_that_was_dropped_is_absent(finished: Finished) -> None:
    """Old versions' databases go, and their archives stay sound."""
    finished.documents.drop(mongodb_database(finished.version))
    verdict = finished.verify()
    assert (outcomes(verdict)["mongodb"], verdict.outcome) == ("absent", "passed")


def test_a_server_that_does_not_answer_leaves_it_unknown(finished: Finished) -> None:
    """Unknown is not passed; nor is a database whose server nobody named."""
    nowhere = replace(finished.documents, url=Url("mongodb://127.0.0.1:1/"), answer_ms=200)
    unknown = replace(finished, documents=nowhere).verify()
    untold = verify(
        Stores(finished.objects, None, PostgresTarget(Url("postgresql://127.0.0.1:1/postgres"))),
        replace(finished.pool, clock=lambda: NOW),
        finished.version,
    )
    assert (outcomes(unknown)["mongodb"], unknown.outcome) == ("unknown", "unknown")
    assert outcomes(untold)["mongodb"] == outcomes(untold)["postgres"] == "unknown"
    assert untold.outcome == "unknown"
    assert check(untold, "mongodb").findings == ("MEDIATOOL_MONGODB_URL is not set",)


def test_a_sample_reads_all_over_its_days(finished: Finished) -> None:
    """Damage is found on exactly one day of four; no day reads everything."""
    block = finished.reader("dump").manifest.members[0].blocks[0]
    finished.write("dump", block.offset + block.length // 2, b"\xff\x00\xff")
    verdicts = [finished.verify(days=day, sample=25) for day in range(4)]
    assert sorted(verdict.outcome for verdict in verdicts) == ["failed", *["passed"] * 3]
    for part, total in (("raw", 4), ("transformed", 4), ("dump", 4), ("mongodb", 2)):
        assert sum(check(verdict, part).checked for verdict in verdicts) == total
    unread = [c for v in verdicts for c in v.checks if not c.checked]
    assert [(c.part, c.outcome) for c in unread] == [("mongodb", "not checked")] * 2


def test_a_sample_that_reads_nothing_has_not_passed(finished: Finished) -> None:
    """Four blocks in a hundred days: on most days no part is read, and none has passed."""
    verdicts = [finished.verify(days=day, sample=1) for day in range(100)]
    read = [verdict for verdict in verdicts if any(check.checked for check in verdict.checks)]
    assert len(read) == 4
    assert {verdict.outcome for verdict in read} == {"passed"}
    unread = next(verdict for verdict in verdicts if verdict not in read)
    assert (unread.outcome, {*outcomes(unread).values()}) == ("not checked", {"not checked"})


@pytest.mark.parametrize("url", ["mongodb://127.0.0.1:99999/", "mongodb+srv://127.0.0.1/"])
def test_a_wrong_setting_says_nothing_about_a_version(finished: Finished, url: str) -> None:
    """It is the caller's mistake, for either server, and raised before any archive is read."""
    told: list[str] = []

    def progress(step: str, done: int, total: int, unit: str = "rows") -> None:
        told.append(f"{step} {done} {total} {unit}")

    for documents, target in (
        (replace(finished.documents, url=Url(url)), None),
        (None, PostgresTarget(Url("postgresql://127.0.0.1/x?no_such_option=1"))),
    ):
        with pytest.raises(BadSettings):
            verify(
                Stores(finished.objects, documents, target),
                replace(finished.pool, progress=progress, clock=lambda: NOW),
                finished.version,
            )
    assert told == []


def test_a_damaged_version_does_not_pass_by_another_sample(finished: Finished) -> None:
    """The failure is the version's verdict, until every byte was read again and passed."""
    block = finished.reader("dump").manifest.members[0].blocks[0]
    sound = finished.reader("dump").source.read(block.offset, block.length)
    finished.write("dump", block.offset + block.length // 2, b"\xff\x00\xff")
    failed = finished.verify()
    store_verdict(finished.objects, failed)
    samples = [finished.verify(days=day, sample=25) for day in range(1, 5)]
    passed = next(verdict for verdict in samples if verdict.outcome == "passed")
    store_verdict(finished.objects, passed)
    assert standing_verdict(finished.objects, finished.version) == failed
    finished.write("dump", block.offset, sound)
    store_verdict(finished.objects, whole := finished.verify(days=9))
    assert whole.outcome == "passed"
    assert standing_verdict(finished.objects, finished.version) == whole


def test_what_has_no_meaning_is_refused(finished: Finished) -> None:
    """A version that is not complete, and a share that is none."""
    with pytest.raises(NotFound, match="not a complete version"):
        replace(finished, version=Version(datetime(1999, 1, 1, tzinfo=UTC))).verify()
    with pytest.raises(Misuse, match="sample"):
        finished.verify(sample=0)


@dataclass
class ReplacedMeanwhile:
    """A server on which a restore replaces the database when it is first read."""

    target: PostgresTarget
    times: int = 0

    def __getattr__(self, name: str) -> Any:
        """All else is the server's."""
        return getattr(self.target, name)

    def database(self, database: str, schema: str) -> PostgresSource:
        """The first time, the snapshot is gone with its session."""
        self.times += 1
        if self.times == 1:
            raise BadSource('accounts: snapshot "0000003F-00000019-1" does not exist')
        return self.target.database(database, schema)


@pytest.fixture
def restored(
    documents: MongoDocuments,
    settings: Settings,
    pool: Workspace,
    postgres_database: Url,
    tmp_path: Path,
) -> Iterator[tuple[Metadata, DirectoryObjects, PostgresTarget]]:
    """A version of the demo source, restored under its own name."""
    seed(postgres_database, scale=0.002, full=True, day=0, schema="media_tool")
    version = Version(datetime(2004, 1, 1, tzinfo=UTC))
    objects, target = DirectoryObjects(tmp_path), PostgresTarget.of(settings)
    source = PostgresSource(postgres_database, "media_tool")
    export(source, objects, pool, version)
    transform(objects, pool, version, load_model(SHIPPED_MODEL))
    load_and_dump(objects, documents, pool, version)
    metadata = finish(objects, documents, pool, version, tmp_path / "registry.json")
    restore_postgres(objects, target, pool, version)
    yield metadata, objects, target
    documents.drop(mongodb_database(version))
    with psycopg.connect(target.url.reveal(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{restored_name(version)}" WITH (FORCE)'.encode())


def test_a_restored_database_is_verified_too(
    restored: tuple[Metadata, DirectoryObjects, PostgresTarget],
    documents: MongoDocuments,
    pool: Workspace,
) -> None:
    """Every table of it; then a changed value, a table less or more, and another marker."""
    metadata, objects, target = restored
    version = metadata.version

    def verdict() -> Verdict:
        return verify(Stores(objects, documents, target), replace(pool, clock=lambda: NOW), version)

    sound = verdict()
    assert sound.outcome == "passed"
    assert check(sound, "postgres").checked == len(metadata.exports.raw.rows)
    replaced = ReplacedMeanwhile(target)
    again = verify(Stores(objects, documents, cast(RestoreTarget, replaced)), pool, version)
    assert (again.outcome, replaced.times) == ("passed", 2)
    url = target.database(restored_name(version), "media_tool").url
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute("UPDATE media_tool.channels SET name = name || ' ' WHERE id = 1")
        connection.execute("DROP TABLE media_tool.attachments")
        connection.execute("CREATE TABLE media_tool.mine (id int)")
    mine, attachments, channels = check(verdict(), "postgres").findings
    assert mine == "mine: not in the archive"
    assert attachments == "attachments: gone"
    assert channels.startswith("channels: 7 rows, fingerprint")
    name = restored_name(version)
    with psycopg.connect(target.url.reveal(), autocommit=True) as connection:
        [(comment,)] = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [name],
        )
        other = re.sub('"content":"..', '"content":"xx', comment)
        connection.execute(f"""COMMENT ON DATABASE "{name}" IS '{other}'""".encode())
        assert "its marker does not match the raw archive" in check(verdict(), "postgres").findings
        connection.execute(f'COMMENT ON DATABASE "{name}" IS NULL'.encode())
    [finding] = check(verdict(), "postgres").findings
    assert finding == f"{name} has no marker, so it is incomplete; restore it again"
