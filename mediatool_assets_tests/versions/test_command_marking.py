"""``annotate``, ``keep``, ``promote``, ``rollback`` and ``prune`` from the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediatool_assets.core.metadata import Purpose
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import (
    AS_DESCRIBED,
    MARKS_KEY,
    REGISTRY_KEY,
    Version,
    metadata_key,
)
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.documents import ROOT, blocks
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.metadata_examples import example

pytestmark = pytest.mark.usefixtures("as_any_other_process")

TEST, OLD, NEW = "20230611-143000", "20230621-143000", "20230622-080000"


@pytest.fixture
def three(
    objects: S3Objects,
    documents: MongoDocuments,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[S3Objects]:
    """A bucket with a test and two daily versions, these with their databases, all named."""
    purposes: dict[str, Purpose] = {TEST: "testing", OLD: "daily_backup", NEW: "daily_backup"}
    for name, purpose in purposes.items():
        version = Version.parse(name)
        for key in catalog.keys_of(version, AS_DESCRIBED)[1:]:
            objects.put(key, b"archive")
        metadata = msgspec.structs.replace(example(name), purpose=purpose)
        objects.put(metadata_key(version), metadata.to_json())
    for name in (OLD, NEW):
        database = mongodb_database(Version.parse(name))
        documents.begin(database, "one")
        documents.mark(database, "one", {"_id": name, "archive": "x"})
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    monkeypatch.setenv("MEDIATOOL_S3_ENDPOINT_URL", objects.endpoint_url or "")
    monkeypatch.setenv("MEDIATOOL_MONGODB_URL", settings.required_url("mongodb_url").reveal())
    monkeypatch.setenv("MEDIATOOL_HOME", str(tmp_path / "home"))
    yield objects
    for name in (OLD, NEW):
        documents.drop(mongodb_database(Version.parse(name)))


def test_notes_and_pins_are_told(mediatool: Run, three: S3Objects, tmp_path: Path) -> None:
    """versions, show and latest tell what was said later; the metadata file stays as it was."""
    before = three.get(metadata_key(Version.parse(NEW)))
    assert (
        mediatool("annotate", NEW, "--notes", "the good one").out
        == f"the notes of {NEW} are replaced\n"
    )
    said = json.loads(mediatool("keep", NEW, "--json").out)
    assert (said["notes"], said["pinned"], said["promoted"]) == ("the good one", True, None)
    line = next(line for line in mediatool("versions").out.splitlines() if NEW in line)
    assert "pinned" in line
    assert "the good one" in line
    shown = mediatool("show", NEW).out
    assert "daily_backup (the good one)" in shown
    assert "pinned" in shown
    assert json.loads(mediatool("latest", "--json").out)["pinned"] is True
    assert json.loads(mediatool("unkeep", NEW, "--json").out)["pinned"] is False
    assert json.loads(mediatool("show", NEW, "--json").out)["marks"] == {
        "notes": "the good one",
        "pinned": False,
        "promoted": False,
    }
    assert three.get(metadata_key(Version.parse(NEW))) == before
    local = tmp_path / "home" / "mongodb-versions.json"
    assert local.read_bytes() == three.get(REGISTRY_KEY)[0]


def looked_up(objects: S3Objects) -> str:
    """What an application finds with the Python of docs/how-to/promote.md."""
    names: dict[str, Any] = {}
    (block,) = [
        b for b in blocks("python", ROOT / "docs/how-to/promote.md") if "promoted" in b.text
    ]
    exec(block.text, names)  # noqa: S102  # the document's own code is what is tested
    found: str = names["promoted_database"](objects.client, objects.bucket)
    return found


def test_applications_look_the_promoted_version_up(mediatool: Run, three: S3Objects) -> None:
    """The lines of docs/how-to/promote.md find the promoted database, also after a rollback."""
    for version in (OLD, NEW):
        done = f"promoted: mediatool_{version} is the version for applications now\n"
        assert mediatool("promote", version).out == done
        assert looked_up(three) == f"mediatool_{version}"
    assert json.loads(mediatool("latest", "--json").out)["promoted"] is True
    said = json.loads(mediatool("rollback", "--json").out)
    assert (said["version"], said["rollback_goes_to"]) == (OLD, None)
    assert looked_up(three) == f"mediatool_{OLD}"
    result = mediatool("rollback")
    assert result.code == 5
    assert "`mediatool promote VERSION`" in result.err


def test_the_registry_is_rebuilt(mediatool: Run, three: S3Objects) -> None:
    """--rebuild reads the metadata again, whatever the registry says, and keeps the marks."""
    mediatool("keep", OLD)
    data, etag = three.get(REGISTRY_KEY)
    three.put(REGISTRY_KEY, data.replace(b"Pre-release", b"Wrong"), replacing=etag)
    assert "Wrong" in mediatool("versions").out
    found = json.loads(mediatool("versions", "--rebuild", "--json").out)
    assert [(e["version"], e.get("pinned", False)) for e in found] == [
        (TEST, False),
        (OLD, True),
        (NEW, False),
    ]
    assert three.get(REGISTRY_KEY)[0] == data


def test_prune_shows_its_plan_then_does_it(mediatool: Run, three: S3Objects) -> None:
    """--dry-run changes nothing; then what it said is gone, and a second time there is nothing."""
    dry = json.loads(mediatool("prune", "--dry-run", "--keep-daily", "1", "--json").out)
    mine = {
        d["name"]: d["keep"]
        for d in dry["plan"]
        if d["name"] in {TEST, f"mediatool_{OLD}", f"mediatool_{NEW}"}
    }
    assert mine.keys() == {TEST, f"mediatool_{OLD}", f"mediatool_{NEW}"}
    assert (mine[TEST], mine[f"mediatool_{NEW}"]) == (False, True)
    assert TEST in {d["version"] for d in dry["plan"]}
    assert (dry["dry_run"], dry["done"], dry["policy"]["daily"]) == (True, None, 1)
    assert three.head(metadata_key(Version.parse(TEST))) is not None
    mediatool("keep", OLD)
    result = mediatool("prune")
    assert result.code == 0
    assert [line.split()[:3] for line in result.out.splitlines() if TEST in line] == [
        ["drop", "export", TEST]
    ]
    assert "checked: none of it exists any more" in result.out
    assert "MEDIATOOL_RESTORE_POSTGRES_URL is not set" in result.err
    assert three.head(metadata_key(Version.parse(TEST))) is None
    assert mediatool("prune").out.splitlines()[-1] == "nothing to drop"
    assert json.loads(mediatool("prune", "--json").out)["done"] == {
        "dropped": [],
        "failed": {},
        "left": [],
    }
    assert TEST not in mediatool("versions").out


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["annotate", "20250230-000000", "--notes", "x"], 2, "is not a version"),
        (["annotate", NEW], 2, "--notes"),
        (["annotate", "20230701-000000", "--notes", "x"], 3, "`mediatool versions`"),
        (["keep", "newest"], 2, "'newest' is not a version"),
        (["keep", "20230701-000000"], 3, "20230701-000000 is not a complete version"),
        (["unkeep", "20230701-000000"], 3, "20230701-000000 is not a complete version"),
        (["unkeep"], 2, "VERSION"),
        (["promote", "20230701-000000"], 3, "20230701-000000 is not a complete version"),
        (["promote", TEST], 3, f"`mediatool restore {TEST} --to mongodb`"),
        (["rollback", NEW], 2, NEW),
        (["rollback"], 5, "`mediatool promote VERSION`"),
        (["prune", "--keep-daily", "-1"], 2, "--keep-daily"),
        (["prune", "--keep-daily", "some"], 2, "--keep-daily"),
        (["prune", "--keep-testing-days", "0"], 2, "--keep-testing-days"),
        (
            ["prune", "--keep-testing-days", "8"],
            5,
            "rule testing deletes test exports after 7 days",
        ),
        (["prune", "--keep-sanitized-days", "31"], 5, "nothing was dropped"),
    ],
)
def test_wrong_input_is_named(
    mediatool: Run, three: S3Objects, words: list[str], code: int, named: str
) -> None:
    """One or two lines that name what is wrong, the contract's exit code, and nothing written."""
    result = mediatool(*words)
    assert result.code == code
    assert named in result.err
    assert len(result.lines) <= 2
    assert result.out == ""
    assert three.head(MARKS_KEY) is None
    assert three.head(REGISTRY_KEY) is None


def test_wrong_settings_are_told_together(
    mediatool: Run, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong count is named in one answer."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", "b")
    monkeypatch.setenv("MEDIATOOL_KEEP_DAILY", "-1")
    monkeypatch.setenv("MEDIATOOL_KEEP_TESTING_DAYS", "0")
    result = mediatool("prune", "--dry-run")
    assert result.code == 2
    assert "MEDIATOOL_KEEP_DAILY" in result.err
    assert "MEDIATOOL_KEEP_TESTING_DAYS" in result.err


@pytest.mark.parametrize(
    "words", [["keep", NEW], ["promote", NEW], ["rollback"], ["prune", "--dry-run"]]
)
def test_a_server_that_does_not_answer(mediatool: Run, unreachable: None, words: list[str]) -> None:
    """Exit code 4, and no secret in the answer."""
    result = mediatool(*words)
    assert result.code == 4
    assert "hunter2" not in result.err
    assert len(result.lines) <= 2


STEERING = "title\x1b]0;owned\x07 \x9b2J\u202efdp.exe\r\n<b>"


@pytest.mark.parametrize("command", [["versions"], ["show", NEW], ["show", NEW, "--json"]])
def test_notes_do_not_steer_a_terminal(
    mediatool: Run, three: S3Objects, command: list[str]
) -> None:
    """Escapes are shown as escapes; JSON holds the notes as they are."""
    assert mediatool("annotate", NEW, "--notes", STEERING).code == 0
    out = mediatool(*command).out
    assert not set("\x1b\x07\x9b\u202e\r") & set(out)
    if "--json" in command:
        assert json.dumps(STEERING) in json.dumps(json.loads(out))
    else:
        assert r"title\u001b]0;owned\u0007 \u009b2J\u202efdp.exe\u000d\u000a<b>" in out


def test_errors_do_not_steer_a_terminal(mediatool: Run, nowhere: Path) -> None:
    """The name of a file that there is not."""
    words = ("--version1", "a\x1b]0;owned.tar.gz", "--version2", "b.tar.gz", "--output", "c.json")
    (nowhere / words[1]).write_bytes(b"no archive")
    (nowhere / words[3]).write_bytes(b"no archive")
    result = mediatool("compare", *words)
    assert result.code == 3
    assert r"a\u001b]0;owned.tar.gz" in result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize(("notes", "code"), [("é" * 2048, 0), ("é" * 2048 + "x", 2)])
def test_notes_are_no_place_for_documents(
    mediatool: Run, three: S3Objects, notes: str, code: int
) -> None:
    """4 KiB of UTF-8 are taken, and not a byte more."""
    result = mediatool("annotate", NEW, "--notes", notes)
    assert result.code == code
    assert "4,097 bytes, more than 4,096" in result.err or code == 0
