"""Daily metrics: exactly what changed, against the right versions, and the same bytes again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from mediatool_assets import pages as storage
from mediatool_assets.core.comparison import Figure
from mediatool_assets.core.errors import BadArchive, Misuse, NotFound
from mediatool_assets.core.metrics import DailyMetrics, KeyColumn, TableMetrics
from mediatool_assets.core.model import Model
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.schema import ForeignKey
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key, comparison_key, report_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.pages import html, markdown
from mediatool_assets.reports.flow import (
    MetricsWithComparison,
    ReportTools,
    compare_versions,
    daily_metrics,
    judged,
)
from mediatool_assets.reports.report import compared, page, written
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.complete_versions import USERS, complete, publish_metadata, users
from mediatool_assets_tests.demo.edits import printed, reported
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.twins import DirectoryObjects

MODEL = Model("model.yaml", {}, {}, metrics=("users", "line_items"))
NOW = datetime(2025, 6, 30, tzinfo=UTC)
CAMPAIGNS = msgspec.structs.replace(
    table("campaigns", id="integer", owner="integer", title="text"),
    foreign_keys=(ForeignKey("owner_fk", ("owner",), "users", ("id",)),),
)


@pytest.fixture
def bucket_twin(tmp_path: Path) -> DirectoryObjects:
    """An empty bucket."""
    return DirectoryObjects(tmp_path / "objects")


def daily(
    objects: ObjectStore, scratch: Path, version: Version, pool: Workspace | None = None
) -> MetricsWithComparison:
    """The report of a version, made in this process unless told otherwise."""
    scratch.mkdir(exist_ok=True)
    if pool is not None:
        tools = ReportTools(objects, replace(pool, clock=lambda: NOW), load_model(Settings().model))
        return daily_metrics(tools, version)
    with ThreadPoolExecutor(1) as own:
        return daily_metrics(
            ReportTools(objects, Workspace(own, scratch, clock=lambda: NOW), MODEL), version
        )


def test_the_first_day_has_no_predecessor_and_says_so(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """Nothing is invented: no change, no week before, and what is there is told."""
    version = complete(bucket_twin, "20250621-020000", {USERS: users("a", "b")})
    made = daily(bucket_twin, tmp_path / "scratch", version)
    report = made.metrics
    assert (report.previous, report.week_before, made.comparison) == (None, None, None)
    assert report.notes == (
        "20250621-020000 is the first version of its source: there is nothing to compare it with",
        "there is no version of 2025-06-14, the same weekday a week before",
    )
    assert report.current.totals["total_records"] == report.current.totals["users"] == 2
    assert (report.current.totals["line_items"], "campaigns" in report.current.totals) == (
        None,
        False,
    )
    assert [card.name for card in page(report).cards][:3] == ["Rows", "Users", "Data (JSON)"]
    assert [point.version for point in report.history] == [str(version)]
    for text in (html(page(report)), markdown(page(report))):
        assert "is the first version of its source" in text
    first = compared(version, made.comparison)
    assert "no version before" in html(first.page)
    assert "no version before" in markdown(first.page)


def test_each_version_is_held_against_its_own_predecessor_and_weekday(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """A backfilled day too, whatever came after it; of a day with several, the newest counts."""
    for day, name in (("14-010000", "x"), ("14-020000", "y"), ("20-020000", "z")):
        complete(bucket_twin, f"202506{day}", {USERS: users(name)})
    complete(bucket_twin, "20250622-020000", {USERS: users("far", "later")})
    version = complete(bucket_twin, "20250621-020000", {USERS: users("z", "new")})
    report = daily(bucket_twin, tmp_path / "scratch", version).metrics
    assert report.previous is not None and report.week_before is not None
    assert report.previous.version == "20250620-020000"
    assert report.week_before.version == "20250614-020000"
    assert [point.version[6:8] for point in report.history] == ["14", "14", "20", "21"]
    change = report.previous.tables["users"]
    assert (change.added, change.removed, change.changed) == (1, 0, 0)
    assert report.week_before.tables["users"].added is None
    assert report.previous.metrics["total_records"] == Figure(1, 2, 1, 100.0)


def test_key_columns_tell_nulls_and_different_values(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """Keys and references only; of both versions, and of a table that was empty before."""
    complete(bucket_twin, "20250620-020000", {USERS: users("a"), CAMPAIGNS: []})
    rows = [{"id": i, "owner": o, "title": "t"} for i, o in ((1, 1), (2, 1), (3, None), (4, 2))]
    version = complete(bucket_twin, "20250621-020000", {USERS: users("a"), CAMPAIGNS: rows})
    report = daily(bucket_twin, tmp_path / "scratch", version).metrics
    found = report.current.tables["campaigns"]
    assert found.key_columns == {"id": KeyColumn(0, 4), "owner": KeyColumn(1, 2)}
    assert report.previous is not None
    change = report.previous.tables["campaigns"].key_columns["owner"]
    assert (change.nulls, change.distinct) == (Figure(0, 1, 1, None), Figure(0, 2, 2, None))


def test_the_same_versions_give_the_same_bytes(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """Also once an earlier report is there, of which what was counted is taken over."""
    first = complete(bucket_twin, "20250620-020000", {USERS: users("a", "b")})
    version = complete(bucket_twin, "20250621-020000", {USERS: users("a", "c", "d")})
    scratch = tmp_path / "scratch"
    one = daily(bucket_twin, scratch, version).metrics
    kept = daily(bucket_twin, scratch, first).metrics
    key = report_key("daily-metrics-comparison", first.partition)
    storage.keep(bucket_twin, key, msgspec.json.encode(kept))
    two = daily(bucket_twin, scratch, version).metrics
    assert msgspec.json.encode(one) == msgspec.json.encode(two)
    assert html(page(one)) == html(page(two))
    assert not list(scratch.iterdir())


def test_what_a_report_counted_is_not_counted_again(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """A table whose fingerprint is known is taken over from its version's own report."""
    version = complete(bucket_twin, "20250620-020000", {USERS: users("a", "b")})
    made = daily(bucket_twin, tmp_path / "scratch", version).metrics
    known = {"users": TableMetrics(2, 1, {"id": KeyColumn(7, 7)})}
    other = msgspec.structs.replace(made.current, tables=known)
    forged = msgspec.structs.replace(made, current=other)
    key = report_key("daily-metrics-comparison", version.partition)
    storage.keep(bucket_twin, key, msgspec.json.encode(forged))
    again = daily(bucket_twin, tmp_path / "scratch", version).metrics
    assert again.current.tables["users"].key_columns == {"id": KeyColumn(7, 7)}


def test_a_lost_table_fails_its_threshold(bucket_twin: DirectoryObjects, tmp_path: Path) -> None:
    """The verdict is the worst one, what did not hold stands first, and the check is red."""
    names = [f"n{i}" for i in range(50)]
    for day in range(17, 21):
        complete(bucket_twin, f"202506{day}-020000", {USERS: users(*names)})
    version = complete(bucket_twin, "20250621-020000", {USERS: []})
    report = daily(bucket_twin, tmp_path / "scratch", version).metrics
    assert report.verdict == "failed"
    lost = {one.thing for one in report.thresholds if one.outcome == "failed"}
    assert {"raw/users", "total_records"} <= lost
    assert "is empty, and had 50 rows" in markdown(page(report))
    assert "Thresholds exceeded" in html(page(report))
    key = report_key("daily-metrics-comparison", version.partition)
    storage.keep(bucket_twin, key, msgspec.json.encode(report))
    finding = judged(bucket_twin, version.partition)
    assert finding.outcome == "failed"
    assert "is empty, and had 50 rows" in finding.reason
    with pytest.raises(NotFound, match="does not exist"):
        judged(bucket_twin, "2025-06-20")


def test_an_earlier_version_that_is_gone_or_damaged_is_unknown_not_equal(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """The rest of the report is made, and says what could not be compared."""
    for earlier in ("20250614-020000", "20250620-020000"):
        complete(bucket_twin, earlier, {USERS: users("a")})
    version = complete(bucket_twin, "20250621-020000", {USERS: users("a")})
    gone = archive_key("raw", Version.parse("20250614-020000"))
    (bucket_twin.root / "objects" / gone).unlink()
    damaged = bucket_twin.root / "objects" / archive_key("raw", Version.parse("20250620-020000"))
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-50])
    made = daily(bucket_twin, tmp_path / "scratch", version)
    report = made.metrics
    assert made.comparison is not None and made.comparison.verdict == "unknown"
    assert report.previous is not None and report.week_before is not None
    assert [problem.damaged for problem in report.previous.errors] == [True]
    assert [problem.damaged for problem in report.week_before.errors] == [False]
    assert report.previous.tables == {}
    assert "Since the version before: not compared" in html(page(report))


def test_a_version_that_cannot_be_read_has_no_report(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """There is nothing to say of it, and that is an error."""
    version = complete(bucket_twin, "20250621-020000", {USERS: users("a")})
    path = bucket_twin.root / "objects" / archive_key("raw", version)
    path.chmod(0o600)
    path.write_bytes(b"no archive")
    with pytest.raises(BadArchive):
        daily(bucket_twin, tmp_path / "scratch", version)


def test_reports_are_decoded_as_they_were_encoded(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """JSON is the whole report; the figures for plots are plain numbers."""
    complete(bucket_twin, "20250620-020000", {USERS: users("a", "b")})
    version = complete(bucket_twin, "20250621-020000", {USERS: users("a", "<b>")})
    report = daily(bucket_twin, tmp_path / "scratch", version).metrics
    assert DailyMetrics.from_json(msgspec.json.encode(report)) == report
    figures = written(report).figures
    assert (figures["rows_changed"], figures["previous"]) == (1, "20250620-020000")


def test_two_versions_are_compared_on_request(
    bucket_twin: DirectoryObjects, tmp_path: Path
) -> None:
    """JSON and HTML lie on the day of the later one, and may be made again."""
    one = complete(bucket_twin, "20250620-020000", {USERS: users("a")})
    two = complete(bucket_twin, "20250621-020000", {USERS: users("b")})
    with ThreadPoolExecutor(1) as executor:
        tools = ReportTools(bucket_twin, Workspace(executor, tmp_path, clock=lambda: NOW), MODEL)
        for _ in range(2):
            made = compare_versions(tools, str(one), str(two))
        with pytest.raises(Misuse, match="name two versions"):
            compare_versions(tools, str(one), str(one))
    assert made.comparison.summary.rows_changed == 1
    assert made.html == bucket_twin.uri(comparison_key(one, two, "html"))
    assert b"different" in bucket_twin.get(comparison_key(one, two, "html"))[0]


@pytest.mark.parametrize("day", [2, 4, 5])
def test_a_day_s_report_shows_exactly_the_edits_of_the_seed(
    bucket_twin: DirectoryObjects,
    tmp_path: Path,
    postgres_database: Url,
    pool: Workspace,
    day: int,
) -> None:
    """Per table, rows added, removed and changed are those that ``seed --day`` prints.

    On day 4 a column is new, on day 5 a table: of that one the report has the rows, and no change.
    """
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    source = PostgresSource.of(
        Settings.parse({"MEDIATOOL_POSTGRES_URL": postgres_database.reveal()})
    )
    for number in (day - 1, day):
        seeded = seed(postgres_database, scale=0.001, full=True, day=number)
        version = Version.parse(f"202506{20 + number}-020000")
        export(source, bucket_twin, pool, version, exclude=frozenset())
        publish_metadata(bucket_twin, version)
    report = daily(bucket_twin, scratch, version, pool).metrics
    assert reported(msgspec.to_builtins(report)) == printed(seeded.edits[day])
    assert report.previous is not None
    new = [str(change) for change in report.previous.schema_changes]
    assert len(new) == len(seeded.edits[day]["schema"])
