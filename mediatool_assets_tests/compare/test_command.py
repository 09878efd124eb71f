"""``compare`` on archives in files and in a bucket: reports, exit codes, wrong input."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.version import metadata_key
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.compared import ONE, TWO, archive
from mediatool_assets_tests.documents import ROOT
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.raw_archives import raw_archive, table

pytestmark = pytest.mark.usefixtures("as_any_other_process")

USERS = table("users", id="integer", score="integer")
EARLIER = {"count_v1", "count_v2", "count_diff", "count_diff_percent", "added", "removed"}
Words = tuple[str, ...]


def _rows(*scores: int) -> list[dict[str, int]]:
    return [{"id": number, "score": score} for number, score in enumerate(scores)]


@pytest.fixture
def words(nowhere: Path) -> Words:
    """The options that name two archives which differ in one value, with no server anywhere."""
    one = archive(nowhere, ONE, {USERS: _rows(1, 2, 3)})
    two = archive(nowhere, TWO, {USERS: _rows(1, 2, 4)})
    return ("compare", "--version1", one.name, "--version2", two.name)


def test_json_report_keeps_the_earlier_fields(mediatool: Run, words: Words, nowhere: Path) -> None:
    """The fields of the earlier report are there with their names, and it reads back as it was."""
    result = mediatool(*words, "--output", "r.json")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("different: 1 of 1 tables have other rows")
    data = (nowhere / "r.json").read_bytes()
    report = json.loads(data)
    assert (report["version1"], report["version2"]) == (str(ONE), str(TWO))
    assert {"timestamp", "summary", "details"} < report.keys()
    assert report["summary"]["collections_with_changes"] == 1
    assert report["summary"]["total_records_v1"] == report["summary"]["total_records_v2"] == 3
    details = report["details"]["users"]
    assert details.keys() >= EARLIER
    assert details["field_changes"] == {"score": 1}
    assert Comparison.from_json(data).to_json() == data


def test_json_option_prints_the_report(mediatool: Run, words: Words, nowhere: Path) -> None:
    """--json prints one document, the one that the file holds."""
    result = mediatool(*words, "--output", "r.json", "--json")
    assert json.loads(result.out) == json.loads((nowhere / "r.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("r.html", (), "<!doctype html>"),
        ("r.md", (), "# "),
        ("r.txt", (), "{"),
        ("r.txt", ("--format", "html"), "<!doctype html>"),
        ("r.json", ("--format", "markdown"), "# "),
    ],
)
def test_format_is_the_option_s_or_the_name_s(
    mediatool: Run, words: Words, nowhere: Path, name: str, options: Words, begins: str
) -> None:
    """What the name ends with decides, unless --format does; JSON is what is left."""
    assert mediatool(*words, "--output", name, *options).code == 0
    assert (nowhere / name).read_text().startswith(begins)
    assert not list(nowhere.glob(".mediatool-*"))


@pytest.mark.parametrize(("scores", "code"), [((1, 2, 3), 0), ((1, 2, 4), 1)])
def test_fail_on_difference(
    mediatool: Run, nowhere: Path, scores: tuple[int, ...], code: int
) -> None:
    """A difference is exit code 1 where that was asked for, and the report is written."""
    one = archive(nowhere, ONE, {USERS: _rows(1, 2, 3)})
    two = archive(nowhere, TWO, {USERS: _rows(*scores)})
    words = ("compare", "--version1", one.path, "--version2", two.path, "--output", "r.json")
    assert mediatool(*words, "--fail-on-difference").code == code
    assert mediatool(*words).code == 0
    assert (nowhere / "r.json").exists()


def test_damaged_archive_is_unknown_and_exit_code_3(mediatool: Run, nowhere: Path) -> None:
    """The report is written and says unknown; the message names the archive."""
    one = archive(nowhere, ONE, {USERS: _rows(1)})
    two = archive(nowhere, TWO, {USERS: _rows(1)})
    two.path.write_bytes(two.path.read_bytes()[:-100])
    words = ("compare", "--version1", one.path, "--version2", two.path, "--output", "r.json")
    result = mediatool(*words)
    assert result.code == 3
    assert two.name in result.err
    assert json.loads((nowhere / "r.json").read_bytes())["verdict"] == "unknown"


def test_same_version_twice_is_wrong_usage(mediatool: Run, nowhere: Path) -> None:
    """Nobody means that."""
    words = ("compare", "--version1", str(ONE), "--version2", str(ONE), "--output", "r.json")
    result = mediatool(*words)
    assert result.code == 2
    assert "name two versions" in result.err


@pytest.mark.parametrize(
    ("version", "code", "says"),
    [("yesterday", 2, "is not a version"), ("gone-raw.tar.gz", 3, "does not exist")],
)
def test_name_of_nothing_is_told(
    mediatool: Run, words: Words, version: str, code: int, says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What is no version and no file is named in the answer."""
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", "unused")
    result = mediatool(*words[:-1], version, "--output", "r.json")
    assert result.code == code
    assert version in result.err
    assert says in result.err
    assert not Path("r.json").exists()


@pytest.mark.parametrize("output", ["missing/r.json", "file/r.json", "."])
def test_output_that_cannot_be_written_is_wrong_usage(
    mediatool: Run, words: Words, nowhere: Path, output: str
) -> None:
    """It is told before anything is compared, and names the place."""
    (nowhere / "file").write_text("")
    result = mediatool(*words, "--output", output)
    assert result.code == 2
    assert output.split("/", maxsplit=1)[0] in result.err


def test_unknown_version_in_the_bucket(
    mediatool: Run, bucket: str, stack: Stack, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that is not complete is bad input; the answer names the list."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", bucket)
    result = mediatool(
        "compare", "--version1", str(ONE), "--version2", str(TWO), "--output", "r.json"
    )
    assert result.code == 3
    assert str(ONE) in result.err
    assert "`mediatool versions`" in result.err


def test_versions_in_the_bucket_are_compared(
    mediatool: Run, objects: S3Objects, nowhere: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack
) -> None:
    """Two complete versions by name; a version can be held against a file, too."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    for version, scores in ((ONE, (1, 2)), (TWO, (1, 3, 5))):
        raw_archive(objects, {USERS: _rows(*scores)}, version=version)
        objects.put(metadata_key(version), example(str(version)).to_json())
    fetched = archive(nowhere, ONE, {USERS: _rows(1, 2)})
    for one, other in ((str(ONE), str(TWO)), (fetched.path, str(TWO)), (fetched.path, str(ONE))):
        words = ("--version1", one, "--version2", other, "--output", "r.json")
        assert mediatool("compare", *words).code == 0
        details = json.loads((nowhere / "r.json").read_bytes())["details"]["users"]
        assert (details["added"], details["changed"]) == ((1, 1) if other == str(TWO) else (0, 0))


def test_script_takes_the_specified_flags(words: Words, nowhere: Path) -> None:
    """compare-exports.sh --version1 --version2 --output, from anywhere."""
    script = ROOT / "scripts" / "production-pipeline" / "compare-exports.sh"
    environment = {"PATH": os.environ["PATH"], "HOME": str(nowhere)}
    done = subprocess.run(
        [script, *words[1:], "--output", "comparison-report.json"],
        env=environment, cwd=nowhere, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((nowhere / "comparison-report.json").read_bytes())["verdict"] == "different"
