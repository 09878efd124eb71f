"""``mediatool sanitize``, and the script of the production pipeline."""

import json
import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import archive_key
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.user_files import kept_key
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.raw_archives import VERSION, raw_archive, table
from mediatool_assets_tests.twins import DirectoryObjects

pytestmark = pytest.mark.usefixtures("as_any_other_process")

KEY = bytes(i * 37 % 256 for i in range(32)).hex()
SCRIPT = Path(__file__).parents[2] / "scripts" / "production-pipeline" / "sanitize-export.sh"
USERS = table("users", id="uuid", zoho_user_id="text", name="text", email="text")
ENTITIES = table(
    "media_platform_entities_history", ("id", "version"), id="integer", version="integer",
    metadata="jsonb",
)  # fmt: skip
ROWS = {
    USERS: [
        {
            "id": "5bf32b6b-8449-4d0c-8556-f8ca7ee54fef",
            "zoho_user_id": "4876123456789012345",
            "name": "Ada Ashgrove",
            "email": "ada.ashgrove@example.com",
        }
    ]
}


@pytest.fixture
def archive(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raw archive in a file, a key in the environment, and no server anywhere."""
    bucket = DirectoryObjects(nowhere / "bucket")
    raw_archive(bucket, ROWS)
    path = nowhere / "20250621-143000-raw.tar.gz"
    source = bucket.open(archive_key("raw", VERSION))
    path.write_bytes(source.read(0, source.size))
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", KEY)
    monkeypatch.setenv("MEDIATOOL_WORKERS", "1")
    return path


def test_a_file_becomes_a_file(archive: Path, mediatool: Run, tmp_path: Path) -> None:
    """Without any server; the proof report is on stdout with --json, and beside the archive."""
    result = mediatool("sanitize", "--input", archive, "--output", "copy.tar.gz", "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert report["rows"] == {"users": 1}
    assert report == json.loads(Path("copy-report.json").read_text())
    assert Path("copy-report.html").exists()
    assert KEY not in result.out
    assert "Ashgrove" not in result.out


def test_it_says_where_the_report_is(archive: Path, mediatool: Run) -> None:
    """A person reads what was made, how much was searched for, and that nothing was found."""
    result = mediatool("sanitize", "--input", archive, "--output", "copy.tar.gz")
    assert result.code == 0
    facts = dict(line.split(maxsplit=1) for line in result.out.splitlines() if "  " in line)
    assert facts["archive"] == "copy.tar.gz"
    assert facts["found"] == "0"
    assert "copy-report.html" in result.out
    assert "warning: accounts has a rule, but does not exist" in result.out


def given(path: Path, tables: Mapping[Table, Sequence[Mapping[str, Any]]]) -> Path:
    """An archive of these tables, in place of the one that is there."""
    bucket = DirectoryObjects(path.parent / "other")
    raw_archive(bucket, tables)
    source = bucket.open(archive_key("raw", VERSION))
    path.write_bytes(source.read(0, source.size))
    return path


def test_a_planted_leak_ends_with_1(archive: Path, mediatool: Run) -> None:
    """An original in what the shipped rules keep, deep in a history row: nothing is written."""
    metadata = {"targeting": [{"devices": ["tv", "of ada.ashgrove@example.com"]}]}
    entity = {"id": 1, "version": 1, "metadata": metadata}
    planted = given(archive, {**ROWS, ENTITIES: [entity]})
    result = mediatool("sanitize", "--input", planted, "--output", "out/copy.tar.gz")
    assert (result.code, result.out) == (1, "")
    place = "media_platform_entities_history.metadata targeting[].devices"
    assert f"{place} still holds 1 original values of email" in result.err
    assert "ashgrove" not in result.err.lower()
    assert not list(Path("out").glob("*"))


def test_a_new_column_ends_with_3(archive: Path, mediatool: Run) -> None:
    """The shipped rules know no telephone number of a user: the column is named."""
    users = table("users", id="uuid", zoho_user_id="text", name="text", email="text", phone="text")
    planted = given(archive, {users: [{**ROWS[USERS][0], "phone": "+1 555 010 0000"}]})
    result = mediatool("sanitize", "--input", planted, "--output", "out/copy.tar.gz")
    assert (result.code, result.out) == (3, "")
    assert "users.phone (text) is not classified" in result.err
    assert not list(Path("out").glob("*"))


def pseudonyms(archive: Path) -> bytes:
    """The rows of the users in a copy."""
    reader = ArchiveReader(LocalFile(archive))
    return b"".join(reader.blocks(reader.manifest.tables()["users"].blocks))


def test_a_key_that_the_home_keeps(
    archive: Path, mediatool: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key one is made, said once, readable by its owner alone; a set key wins."""
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", " ")
    home = Path("home").absolute()
    monkeypatch.setenv("MEDIATOOL_HOME", str(home))
    first, second, third = (Path(f"{n}.tar.gz") for n in range(3))
    result = mediatool("sanitize", "--input", archive, "--output", first)
    kept = home / "masking.key"
    assert (result.code, len(result.lines)) == (0, 1)
    assert str(kept) in result.err
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["masking.key"]
    key = kept.read_text().strip()
    again = mediatool("sanitize", "--input", archive, "--output", second)
    assert (again.code, again.err) == (0, "")
    assert key not in result.out + result.err + again.out
    assert pseudonyms(first) == pseudonyms(second)
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", KEY)
    assert mediatool("sanitize", "--input", archive, "--output", third).err == ""
    assert pseudonyms(third) != pseudonyms(first)
    monkeypatch.delenv("MEDIATOOL_MASKING_KEY")
    kept.chmod(0o640)
    refused = mediatool("sanitize", "--input", archive, "--output", "4.tar.gz")
    assert (refused.code, "can be read by others" in refused.err) == (2, True)
    kept.chmod(0o600)
    kept.write_text("password")
    refused = mediatool("sanitize", "--input", archive, "--output", "4.tar.gz")
    assert (refused.code, "masking.key" in refused.err) == (2, True)


def test_homes_that_make_their_key_at_once_have_one(tmp_path: Path) -> None:
    """Each of eight calls gets the same key; one of them made it."""
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(kept_key, [tmp_path / "home"] * 8))
    assert len({each.key for each in kept}) == 1
    assert [each.is_new for each in kept].count(True) == 1
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["masking.key"]


@pytest.mark.parametrize("key", ["abcd", "00" * 32, "password"])
def test_no_key_no_run(
    archive: Path, mediatool: Run, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A weak key is a wrong setting: exit 2, one line, nothing written, not shown."""
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", key)
    result = mediatool("sanitize", "--input", archive, "--output", "copy.tar.gz")
    assert (result.code, result.out) == (2, "")
    assert result.lines[0].startswith("mediatool: MEDIATOOL_MASKING_KEY ")
    assert "openssl rand -hex 32" in result.err
    assert key not in result.err
    assert not Path("copy.tar.gz").exists()


def test_an_unclassified_column_is_bad_input(archive: Path, mediatool: Run, tmp_path: Path) -> None:
    """Exit 3 with the line to add; --unclassified redact goes on without the value."""
    rules = tmp_path / "ours.yaml"
    rules.write_text(
        "kinds: {user: uuid, crm: number, person: person}\n"
        "tables:\n  users:\n    id: pseudonym user\n    zoho_user_id: pseudonym crm\n"
        "    name: pseudonym person\n"
    )
    words = ("sanitize", "--input", archive, "--output", "copy.tar.gz", "--rules", rules)
    result = mediatool(*words)
    assert result.code == 3
    assert "users.email (text) is not classified" in result.err
    assert "`email: keep`" in result.err
    assert not Path("copy.tar.gz").exists()
    result = mediatool(*words, "--unclassified", "redact")
    assert result.code == 0
    assert "warning: users.email was redacted: no rule covers it" in result.out


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (("--input", "none.tar.gz", "--output", "copy.tar.gz"), 3, "none.tar.gz does not exist"),
        (("--input", "20250621-143000-raw.tar.gz", "--output", "."), 2, "is a directory"),
        (
            ("--input", "20250621-143000-raw.tar.gz", "--output", "c.tar.gz", "--rules", "none"),
            3,
            "none: cannot be read",
        ),
        (("--input", "yesterday", "--output", "copy.tar.gz"), 2, "local ones are not up"),
    ],
)
def test_wrong_words(
    archive: Path, mediatool: Run, given: tuple[str, ...], code: int, says: str
) -> None:
    """What is wrong is named, and nothing is written."""
    result = mediatool("sanitize", *given)
    assert result.code == code
    assert says in result.err
    assert not Path("copy.tar.gz").exists()


def test_what_is_taken_is_refused(archive: Path, mediatool: Run) -> None:
    """Exit 5; the file that is there stays as it is."""
    Path("copy.tar.gz").write_text("mine")
    result = mediatool("sanitize", "--input", archive, "--output", "copy.tar.gz")
    assert result.code == 5
    assert Path("copy.tar.gz").read_text() == "mine"


def test_a_bucket_to_the_usual_key(
    objects: S3Objects,
    bucket: str,
    stack: Stack,
    mediatool: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An s3:// URI in; a bucket out: the archive lies where the contract says, reports beside."""
    raw_archive(objects, ROWS)
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", KEY)
    monkeypatch.setenv("MEDIATOOL_WORKERS", "1")
    source = objects.uri(archive_key("raw", VERSION))
    result = mediatool("sanitize", "--input", source, "--output", f"s3://{bucket}", "--json")
    assert (result.code, result.err) == (0, "")
    key = archive_key("sanitized", VERSION)
    assert json.loads(result.out)["archive"] == objects.uri(key)
    assert ArchiveReader(objects.open(key)).manifest.kind == "sanitized"
    assert [
        info.key.rpartition("/")[2] for info in objects.list("postgres-exports/sanitized/")
    ] == [
        "20250621-143000-sanitized-report.html",
        "20250621-143000-sanitized-report.json",
        "20250621-143000-sanitized.tar.gz",
    ]
    result = mediatool("sanitize", "--input", str(VERSION), "--output", "copy.tar.gz")
    assert result.code == 3  # the version has no metadata: it is not complete


def test_the_script_takes_the_flags_of_the_specification(archive: Path) -> None:
    """sanitize-export.sh --input ... --output ..."""
    done = subprocess.run(
        [SCRIPT, "--input", archive.name, "--output", "20250621-143000-sanitized.tar.gz"],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path("20250621-143000-sanitized.tar.gz").exists()


def test_rules_are_suggested_without_a_key(
    archive: Path, mediatool: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YAML on stdout, or in a new file that --rules takes; a file that is there stays."""
    monkeypatch.delenv("MEDIATOOL_MASKING_KEY")
    result = mediatool("sanitize", "--suggest", "--input", archive)
    assert (result.code, result.err) == (0, "")
    assert "email: pseudonym email # e-mail addresses; text; 1 different" in result.out
    assert "Ashgrove" not in result.out
    words = ("sanitize", "--suggest", "--input", archive, "--output", "ours.yaml")
    assert mediatool(*words).code == 0
    assert Path("ours.yaml").read_text() == result.out
    assert mediatool(*words).code == 5
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", KEY)
    taken = mediatool(
        "sanitize", "--input", archive, "--output", "copy.tar.gz", "--rules", "ours.yaml"
    )
    assert taken.code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [((), "--output is missing"), (("--suggest", "--json"), "leave --rules and --json out")],
)
def test_what_does_not_go_together(
    archive: Path, mediatool: Run, words: tuple[str, ...], says: str
) -> None:
    """Wrong usage, with what to do."""
    result = mediatool("sanitize", "--input", archive, *words)
    assert (result.code, len(result.lines)) == (2, 1)
    assert says in result.err
