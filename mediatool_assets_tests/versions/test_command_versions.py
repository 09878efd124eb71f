"""``versions``, ``latest``, ``show`` and ``fetch`` against a bucket with two versions."""

import json
import tarfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.archive.reader import sha256_of
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core import metadata as registry_file
from mediatool_assets.core.authenticity import Check, Verdict
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.metadata import (
    Databases,
    DumpExport,
    Exports,
    Metadata,
    Purpose,
    RawExport,
    RecordedSource,
    RegistryEntry,
    RestoreRecord,
    TransformedExport,
    instant,
    restore_key,
)
from mediatool_assets.core.version import REGISTRY_KEY, Kind, Version, archive_key, metadata_key
from mediatool_assets.main import main
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import store_verdict
from mediatool_assets_tests.conftest import empty_bucket, objects_of
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")

OLD, NEW = "20250621-143000", "20250622-080000"


def _archive(objects: S3Objects, kind: Kind, version: Version, scratch: Path) -> tuple[str, int]:
    """Publish an archive of two users; return its SHA-256 and size."""

    def write(writer: ArchiveWriter) -> Manifest:
        spool = spool_rows(scratch / f"{kind}.spool", [[b'{"id":1}', b'{"id":2}']])
        writer.add_rows("users.ndjson", [spool], table="users")
        return writer.finish()

    archived = catalog.publish(objects, kind, version, write)
    return sha256_of(objects.open(archive_key(kind, version))), archived.size


def _complete(
    objects: S3Objects, version: Version, purpose: Purpose, scratch: Path
) -> RegistryEntry:
    """Put a complete version of two users into the bucket."""
    raw, transformed, dump = (
        _archive(objects, kind, version, scratch) for kind in ("raw", "transformed", "dump")
    )

    def uri(kind: Kind) -> str:
        return objects.uri(archive_key(kind, version))

    metadata = Metadata(
        timestamp=str(version),
        export_date=version.partition,
        source=RecordedSource("postgres", "media-tool-production", "0003-1", "16.4", "media_tool"),
        exports=Exports(
            RawExport(
                uri("raw"),
                0.1,
                2,
                2,
                *raw,
                {"users": 2, "empty": 0},
                "f" * 64,
                uncompressed_mb=0.2,
                tables_with_rows=1,
            ),
            TransformedExport(
                uri("transformed"),
                0.1,
                ("users",),
                *transformed,
                {"users": 2},
                uncompressed_mb=0.2,
            ),
            DumpExport(uri("dump"), 0.1, *dump, {"users": 2}, uncompressed_mb=0.2),
        ),
        databases_created=Databases(None, mongodb_database(version)),
        export_duration_minutes=0.5,
        export_complete=instant(version.moment + timedelta(seconds=30)),
        purpose=purpose,
        notes="Testing new schema design" if purpose == "testing" else "",
        tool_version="0.1.0",
        seconds={"export": 1.5},
        warnings=("users: 1 lookup finds nothing",),
    )
    objects.put(metadata_key(version), metadata.to_json())
    return RegistryEntry.of(metadata)


@pytest.fixture(scope="module")
def shared(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Objects]:
    """A bucket with two complete versions, for all tests that only read it."""
    with empty_bucket(stack) as bucket:
        objects = objects_of(stack, bucket)
        _fill(objects, tmp_path_factory.mktemp("shared"))
        yield objects


def _fill(objects: S3Objects, scratch: Path) -> None:
    entries = [
        _complete(objects, Version.parse(OLD), "daily_backup", scratch),
        _complete(objects, Version.parse(NEW), "testing", scratch),
    ]
    objects.put(REGISTRY_KEY, registry_file.registry_to_json(entries))


@pytest.fixture
def filled(shared: S3Objects, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Objects:
    """The shared bucket, named by the environment."""
    return _named(shared, monkeypatch, tmp_path)


@pytest.fixture
def own(objects: S3Objects, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Objects:
    """Such a bucket for a test that writes to it."""
    _fill(objects, tmp_path)
    return _named(objects, monkeypatch, tmp_path)


def _named(objects: S3Objects, monkeypatch: pytest.MonkeyPatch, folder: Path) -> S3Objects:
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", objects.endpoint_url or "")
    monkeypatch.chdir(folder)
    return objects


def test_latest_prints_the_version_and_nothing_else(mediatool: Run, filled: S3Objects) -> None:
    """So that $(mediatool latest) can stand in another command."""
    assert mediatool("latest").out == f"{NEW}\n"
    document = json.loads(mediatool("latest", "--json").out)
    assert document == {
        "version": NEW,
        "partition": "2025-06-22",
        "database": f"mediatool_{NEW}",
        "pinned": False,
        "promoted": False,
    }


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], [OLD, NEW]),
        (["--from", "2025-06-22"], [NEW]),
        (["--to", "2025-06-21"], [OLD]),
        (["--from", "2025-06-21", "--to", "2025-06-22"], [OLD, NEW]),
        (["--from", "2025-07-01"], []),
        (["--purpose", "testing"], [NEW]),
        (["--purpose", "daily_backup", "--from", "2025-06-22"], []),
    ],
)
def test_versions_are_chosen_by_day_and_purpose(
    mediatool: Run, filled: S3Objects, words: list[str], found: list[str]
) -> None:
    """Both days are included; --json is the registry's own shape."""
    result = mediatool("versions", *words, "--json")
    assert [entry["version"] for entry in json.loads(result.out)] == found
    assert (result.code, result.err) == (0, "")
    for version in (OLD, NEW):
        assert (version in mediatool("versions", *words).out) is (version in found)


def test_versions_loses_no_text_in_a_pipe(mediatool: Run, filled: S3Objects) -> None:
    """Where no terminal sets a width, no column is cut."""
    assert f"mediatool_{NEW}" in mediatool("versions").out
    assert "Testing new schema design" in mediatool("versions").out


def test_versions_tells_rows_size_and_verdict(mediatool: Run, own: S3Objects) -> None:
    """Of each version; one that was never verified says so, and so does unreadable metadata."""
    checks = (Check("raw", "x", "passed"),)
    verdict = Verdict(OLD, "2025-06-30T04:00:00+00:00", 1.0, "passed", checks)
    store_verdict(own, verdict)
    metadata = catalog.read(own, Version.parse(OLD))
    size = sum(export.size_bytes for export in metadata.exports.by_archive.values())
    first, second = json.loads(mediatool("versions", "--json").out)
    assert (first["rows"], first["size_bytes"], first["verdict"]) == (2, size, "passed")
    assert (second["verdict"], second["verified"]) == (None, None)
    lines = mediatool("versions").out.splitlines()
    assert lines[0].split() == [
        "VERSION",
        "DATABASE",
        "PURPOSE",
        "ROWS",
        "SIZE",
        "VERDICT",
        "MARKS",
        "NOTES",
    ]
    assert " 2 " in lines[1]
    assert "passed 2025-06-30" in lines[1]
    assert "never verified" in lines[2]
    store_verdict(own, Verdict(OLD, "2025-07-01T04:00:00+00:00", 1.0, "passed", checks, 5.0))
    assert "passed 5 % 2025-07-01" in mediatool("versions").out
    key = metadata_key(Version.parse(NEW))
    own.put(key, b"{}", replacing=own.get(key)[1])
    assert "unknown" in mediatool("versions").out.splitlines()[2]


def test_versions_shows_the_newest(mediatool: Run, filled: S3Objects) -> None:
    """The limit counts from the newest one."""
    out = mediatool("versions", "--limit", "1", "--json").out
    assert [entry["version"] for entry in json.loads(out)] == [NEW]
    assert OLD not in mediatool("versions", "--limit", "1").out


def test_show_tells_rows_documents_and_warnings(mediatool: Run, filled: S3Objects) -> None:
    """Everything that a person asks of one version, on stdout."""
    out = mediatool("show", OLD).out
    for text in (
        f"mediatool_{OLD}",
        "media-tool-production",
        filled.uri(archive_key("raw", Version.parse(OLD))),
        "1 lookup finds nothing",
        "empty",
    ):
        assert text in out


def test_show_json_is_the_metadata_file(mediatool: Run, filled: S3Objects) -> None:
    """--json gives what lies in the bucket, field by field, and what is known of it beside it."""
    stored, _ = filled.get(metadata_key(Version.parse(NEW)))
    document = json.loads(mediatool("show", NEW, "--json").out)
    assert (document.pop("verdict"), document.pop("restored")) == (None, None)
    marks = {"notes": "Testing new schema design", "pinned": False, "promoted": False}
    assert document.pop("marks") == marks
    assert document.pop("reports") == {}
    assert document == msgspec.json.decode(stored)


def test_show_tells_verdict_and_last_restore(mediatool: Run, own: S3Objects) -> None:
    """Whether the version is what it was, and whether it was ever restored."""
    verdict = Verdict(OLD, "2025-06-30T04:00:00+00:00", 1.0, "passed", (), 5.0)
    store_verdict(own, verdict)
    began = "2025-06-29T05:00:00+00:00"
    evidence = RestoreRecord(OLD, "mongodb", "drill", "server:1", "ops", began, 12.5, "verified")
    key = restore_key(Version.parse(OLD), datetime.fromisoformat(began), "mongodb")
    own.put(key, evidence.to_json())
    lines = mediatool("show", OLD).out.splitlines()
    assert "verified     passed, 5 % of it, 2025-06-30T04:00:00Z" in lines
    assert "restored     verified, mongodb server:1/drill in 12.5 s, 2025-06-29T05:00:00Z" in lines
    document = json.loads(mediatool("show", OLD, "--json").out)
    assert (document["verdict"]["sample"], document["restored"]["seconds"]) == (5.0, 12.5)
    moments = document["verdict"]["at"], document["restored"]["began"], document["export_complete"]
    assert all(moment.endswith("Z") for moment in moments)


@pytest.mark.parametrize("command", ["show", "fetch"])
def test_unknown_version_says_where_to_look(
    mediatool: Run, filled: S3Objects, command: str
) -> None:
    """A version that is not complete is bad input; the answer names the list."""
    result = mediatool(command, "20250623-000000")
    assert result.code == 3
    assert "20250623-000000" in result.err
    assert "`mediatool versions`" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("20250622-080001", NEW),
        ("20250621-143100", OLD),
        ("lastest", "latest"),
    ],
)
def test_a_mistyped_version_is_guessed(
    mediatool: Run, filled: S3Objects, typed: str, meant: str
) -> None:
    """The answer names the version that is much like it."""
    assert f"did you mean {meant}" in mediatool("show", typed).err


def test_a_mistyped_table_is_guessed(mediatool: Run, filled: S3Objects) -> None:
    """Of the tables that the archive has; another name gets all of them."""
    assert "did you mean users?" in mediatool("fetch", NEW, "--table", "user").err
    assert "it has users" in mediatool("fetch", NEW, "--table", "accounts").err


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mediatool show ", ["latest", NEW, OLD]),
        ("mediatool show 20250622", [NEW]),
        ("mediatool compare --version1 2025062", [NEW, OLD]),
        ("mediatool fetch latest --table ", ["empty", "users"]),
        (f"mediatool fetch --kind dump {OLD} --table u", ["users"]),
        ("mediatool restore latest --tables empty,", ["empty,users"]),
        ("mediatool history u", ["users"]),
    ],
)
def test_the_shell_is_offered_what_is_in_the_bucket(
    capsys: pytest.CaptureFixture[str],
    filled: S3Objects,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    offered: list[str],
) -> None:
    """Versions, newest first, and the tables of the version that the line names."""
    assert _offered(capsys, monkeypatch, line) == offered


def test_the_shell_is_offered_nothing_where_nothing_answers(
    capsys: pytest.CaptureFixture[str], unreachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the line that is being typed is not broken by an error."""
    assert _offered(capsys, monkeypatch, "mediatool show 2") == []


def _offered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str
) -> list[str]:
    """What bash would offer behind this line."""
    monkeypatch.setenv("_MEDIATOOL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    with pytest.raises(SystemExit):
        main([])
    out, err = capsys.readouterr()
    assert err == ""
    return out.split()


@pytest.mark.parametrize("kind", ["raw", "transformed", "dump"])
def test_fetch_brings_a_whole_archive(
    mediatool: Run, filled: S3Objects, tmp_path: Path, kind: Kind
) -> None:
    """The file is the bucket's, under its own name, in a directory that is made."""
    result = mediatool("fetch", NEW, "--kind", kind, "--output", tmp_path / "new" / "place")
    assert result.code == 0
    path = Path(result.out.strip())
    key = archive_key(kind, Version.parse(NEW))
    assert path == tmp_path / "new" / "place" / Path(key).name
    assert path.read_bytes() == filled.get(key)[0]
    with tarfile.open(path) as tar:
        assert tar.getnames() == [f"{NEW}/users.ndjson", f"{NEW}/manifest.json"]


def test_fetch_json_names_the_file(mediatool: Run, filled: S3Objects, tmp_path: Path) -> None:
    """--json gives the path and the bytes; the default is the raw archive, here."""
    document = json.loads(mediatool("fetch", NEW, "--json").out)
    path = tmp_path / f"{NEW}-raw.tar.gz"
    assert document == {"path": str(path), "bytes": path.stat().st_size}


def test_fetch_touches_no_other_file(mediatool: Run, filled: S3Objects, tmp_path: Path) -> None:
    """A file of that name that is something else is kept, and the answer is a refusal."""
    other = tmp_path / f"{NEW}-raw.tar.gz"
    other.write_text("mine")
    result = mediatool("fetch", NEW)
    assert result.code == 5
    assert other.read_text() == "mine"


def test_empty_bucket_has_no_latest(
    mediatool: Run,
    objects: S3Objects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No version is bad input for latest, and an empty list for versions."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", objects.endpoint_url or "")
    result = mediatool("latest")
    assert result.code == 3
    assert "`mediatool export`" in result.err
    assert json.loads(mediatool("versions", "--json").out) == []


def test_bucket_that_is_not_there_is_named(
    mediatool: Run, filled: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong bucket's name is in the answer, with what to do."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", "no-such-bucket-of-ours")
    result = mediatool("show", NEW)
    assert result.code == 2
    assert "no-such-bucket-of-ours" in result.err
    assert len(result.lines) <= 2
