"""The daily reports in Dagster: in the bucket as JSON and HTML, in the UI as Markdown."""

import json

import dagster as dg

from mediatool_assets.core.version import comparison_key, report_key
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets_tests.complete_versions import USERS, complete, users
from mediatool_assets_tests.fixtures.dagster_day import Day, environment


def test_a_day_has_its_reports_as_json_html_and_markdown(
    day: Day, bucket_objects: ObjectStore
) -> None:
    """Both lie under the day, and say of which version they are: its newest."""
    newest = catalog.latest(bucket_objects, day.partition).version  # other tests make some
    for report, asset in (
        ("daily-metrics-comparison", "daily_metrics_comparison"),
        ("version-comparison", "version_comparison"),
    ):
        data, _ = bucket_objects.get(f"comparison-reports/{day.partition}/{report}.json")
        page, _ = bucket_objects.get(f"comparison-reports/{day.partition}/{report}.html")
        content = json.loads(data)
        facts = day.metadata(asset)
        assert content.get("version", content.get("version2")) == str(newest)
        assert page.startswith(b"<!doctype html>")
        assert facts["dagster/uri"] == bucket_objects.uri(
            f"comparison-reports/{day.partition}/{report}.json"
        )
        assert str(day.version) in str(facts["report"])


def test_reports_are_made_after_the_version_is_complete(day: Day) -> None:
    """They speak of complete versions only, and read what was published."""
    steps = [event.step_key for event in day.result.all_events if event.is_step_start]
    assert steps.index("publish") < steps.index("report_metrics")
    assert steps.index("report_metrics") < steps.index("check_daily_metrics_comparison")


def test_any_two_versions_are_compared_from_the_launchpad(
    defs: dg.Definitions, instance: dg.DagsterInstance, bucket: str, objects: ObjectStore
) -> None:
    """A job of one step, which makes no version; the later day links the report."""
    one = complete(objects, "20250620-020000", {USERS: users("a")})
    two = complete(objects, "20250621-020000", {USERS: users("b")})
    config = {"version1": str(one), "version2": str(two)}
    with environment(MEDIATOOL_S3_BUCKET=bucket):
        compared = defs.resolve_job_def("compare_versions").execute_in_process(
            instance=instance, run_config={"ops": {"compare": {"config": config}}}
        )
    assert compared.success
    found, _ = objects.get(comparison_key(one, two))
    assert json.loads(found)["details"]["users"]["changed"] == 1
    page, _ = objects.get(comparison_key(one, two, "html"))
    assert b"href='../index.html'" in page
    overview, _ = objects.get("comparison-reports/2025-06-21/index.html")
    assert f"href='{one}-{two}.html'".encode() in overview


def test_a_past_day_is_reported_on_again_against_its_own_predecessor(
    defs: dg.Definitions, instance: dg.DagsterInstance, bucket: str, objects: ObjectStore
) -> None:
    """The reports alone, of the partition's newest version, over the ones that were there."""
    for day, names in (("20", "a"), ("21", "ab"), ("22", "xyz")):
        complete(objects, f"202506{day}-020000", {USERS: users(*names)})
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey("daily_metrics_comparison"), dg.AssetKey("version_comparison")}
    )
    with environment(MEDIATOOL_S3_BUCKET=bucket):
        for _ in range(2):
            made = job.execute_in_process(partition_key="2025-06-21", instance=instance)
            assert made.success
    report = json.loads(objects.get(report_key("daily-metrics-comparison", "2025-06-21"))[0])
    assert (report["version"], report["previous"]["version"]) == (
        "20250621-020000",
        "20250620-020000",
    )
    assert report["previous"]["tables"]["users"]["added"] == 1


def test_a_comparison_of_a_version_that_is_not_there_fails_with_the_reason(day: Day) -> None:
    """The step's failure says what is missing."""
    config = {"version1": "20200101-000000", "version2": str(day.version)}
    failed = day.defs.resolve_job_def("compare_versions").execute_in_process(
        instance=day.instance,
        run_config={"ops": {"compare": {"config": config}}},
        raise_on_error=False,
    )
    [failure] = [e for e in failed.all_events if e.event_type is dg.DagsterEventType.STEP_FAILURE]
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert "is not a complete version" in (said.description or "")


def test_the_site_has_the_day(day: Day, bucket_objects: ObjectStore) -> None:
    """Its index, the day's page, and every report of it with links to the others."""
    job = day.defs.resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection={dg.AssetKey("report_site")})
    assert alone.execute_in_process(partition_key=day.partition, instance=day.instance).success
    index, _ = bucket_objects.get("comparison-reports/index.html")
    assert f"{day.partition}/index.html" in index.decode()
    assert str(day.version) in index.decode()
    for name in ("index", "daily-metrics-comparison", "data-integrity-report"):
        page, _ = bucket_objects.get(f"comparison-reports/{day.partition}/{name}.html")
        assert b"href='version-comparison.html'" in page
    uri = bucket_objects.uri("comparison-reports/index.html")
    assert day.metadata("report_site")["html"] == uri
