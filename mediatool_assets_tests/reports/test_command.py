"""``report``, and what ``show`` says of reports."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from mediatool_assets import pages as storage
from mediatool_assets.core.model import Model
from mediatool_assets.core.version import Report, Version, report_key
from mediatool_assets.pages import ReportForms
from mediatool_assets.reports.flow import ReportTools, daily_metrics
from mediatool_assets.reports.report import compared, written
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.complete_versions import USERS, complete, users
from mediatool_assets_tests.conftest import empty_bucket, objects_of
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")

ONE, TWO, OTHER = "20250620-020000", "20250621-020000", "20250621-010000"


@pytest.fixture(scope="module")
def filled(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Objects]:
    """Two days and their reports, which no test changes; the second has an older version too."""
    with empty_bucket(stack) as bucket, ThreadPoolExecutor(1) as executor:
        objects = objects_of(stack, bucket)
        made = [complete(objects, v, {USERS: users(*n)}) for v, n in ((ONE, "a"), (OTHER, "b"))]
        made = [made[0], complete(objects, TWO, {USERS: users("b", "c")})]
        workspace = Workspace(executor, tmp_path_factory.mktemp("scratch"))
        tools = ReportTools(objects, workspace, Model("m", {}, {}))
        for version in made:
            daily = daily_metrics(tools, version)
            _keep(objects, "daily-metrics-comparison", version, written(daily.metrics))
            _keep(objects, "version-comparison", version, compared(version, daily.comparison))
        yield objects


@pytest.fixture
def reported(stack: Stack, filled: S3Objects, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    """That bucket, named by the environment."""
    for name, value in (stack.environment | {"MEDIATOOL_S3_BUCKET": filled.bucket}).items():
        monkeypatch.setenv(name, value)
    return filled


def _keep(objects: S3Objects, report: Report, version: Version, made: ReportForms) -> None:
    data = msgspec.json.encode(made.content)
    storage.keep(objects, report_key(report, version.partition), data)
    storage.keep_twin(objects, report, version.partition, made.page)


def test_the_newest_day_s_metrics_are_printed(mediatool: Run, reported: S3Objects) -> None:
    """Without a word more, as Markdown that reads in a terminal."""
    result = mediatool("report")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("# Daily metrics of 2025-06-21")
    assert "20250621-010000" in result.out


@pytest.mark.parametrize("which", [ONE, "2025-06-20"])
@pytest.mark.parametrize("name", ["metrics", "comparison"])
def test_a_version_or_a_day_is_named(
    mediatool: Run, reported: S3Objects, which: str, name: str
) -> None:
    """Both mean the same; the first version's reports say that it is the first."""
    result = mediatool("report", which, "--name", name)
    assert result.code == 0
    assert ONE in result.out
    document = json.loads(mediatool("report", which, "--name", name, "--json").out)
    assert ONE in (document.get("version"), document.get("version2"))


def test_a_file_s_name_says_the_format(mediatool: Run, reported: S3Objects, tmp_path: Path) -> None:
    """The page is the one that lies in the bucket."""
    page = tmp_path / "out.html"
    assert mediatool("report", TWO, "--name", "comparison", "--output", page).code == 0
    stored, _ = reported.get("comparison-reports/2025-06-21/version-comparison.html")
    assert page.read_bytes() == stored
    text = tmp_path / "out.md"
    assert mediatool("report", TWO, "--name", "comparison", "--output", text).code == 0
    assert text.read_text().startswith(f"# {OTHER} → {TWO}: different")


def test_the_site_is_written_into_a_folder(
    mediatool: Run, reported: S3Objects, tmp_path: Path
) -> None:
    """Its index is printed; again, it is written over the earlier one."""
    for _ in range(2):
        result = mediatool("report", "--site", tmp_path / "site")
        assert (result.code, result.err) == (0, "")
        assert result.out == f"{tmp_path / 'site' / 'index.html'}\n"
    assert TWO in (tmp_path / "site" / "index.html").read_text("utf-8")
    assert (tmp_path / "site" / "2025-06-21" / "daily-metrics-comparison.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((OTHER,), 3, "are about its newest version, 20250621-020000"),
        (("2025-06-22",), 3, "does not exist; materialize"),
        (("2025-02-30",), 2, "is not a date"),
        (("tomorrow",), 2, "is not a version"),
        ((TWO, "--json", "--format", "html"), 2, "leave one out"),
        ((TWO, "--site", "site"), 2, "--site writes every report"),
        (("--site", "site", "--json"), 2, "--site writes every report"),
        ((TWO, "--name", "integrity"), 3, "data-integrity-report.json does not exist"),
    ],
)
def test_what_is_not_there_is_said(
    mediatool: Run, reported: S3Objects, words: tuple[str, ...], code: int, says: str
) -> None:
    """One line that names it and the next step."""
    result = mediatool("report", *words)
    assert (result.code, result.out) == (code, "")
    assert says in result.err


def test_show_names_the_reports_of_its_version(mediatool: Run, reported: S3Objects) -> None:
    """Of the day's newest version, and of no other."""
    uri = reported.uri("comparison-reports/2025-06-21/daily-metrics-comparison.html")
    assert uri in mediatool("show", TWO).out
    assert json.loads(mediatool("show", TWO, "--json").out)["reports"][
        "daily-metrics-comparison"
    ] == (uri)
    assert "comparison-reports" not in mediatool("show", OTHER).out
