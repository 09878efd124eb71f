"""What a night brings is told when it is news: red checks, warnings, and what is well again."""

import dagster as dg

from mediatool_assets_tests.fixtures.alert_platform import REPORT, RUN, STATISTICS, Platform
from mediatool_assets_tests.receiver import Receiver


def test_a_good_night_posts_nothing(platform: Platform, hook: Receiver) -> None:
    """And what was before the first tick is told to nobody."""
    platform.night("well")
    assert platform.tick() == "webhook: 0 posted, 0 waiting"
    fresh = Platform(platform.instance)
    platform.night("empty")
    assert platform.tick() == "webhook: 1 posted, 0 waiting"
    assert fresh.said == "webhook: 0 posted, 0 waiting"
    assert hook.kinds == ["check"]


def test_a_red_check_of_a_run_that_succeeds_is_told_once(
    platform: Platform, hook: Receiver
) -> None:
    """With version, partition, asset, check, figures, and links to the run and the report."""
    run = platform.night("empty")
    assert run.success
    platform.tick()
    platform.tick()
    [found] = hook.arrived
    assert (found["kind"], found["severity"]) == ("check", "error")
    assert (found["version"], found["partition"]) == ("20250624-020000", "2025-06-24")
    [problem] = found["problems"]
    assert (problem["asset"], problem["check"]) == ("raw/users", "as_usual")
    assert (problem["reason"], problem["figures"]) == ("users: is empty", {"rows": 0})
    assert found["links"] == {
        "run": RUN + run.run_id,
        "raw/users": (
            "http://dagster.example:3000/assets/raw/users?view=checks&partition=2025-06-24"
        ),
        "data-integrity-report": "s3://backups/report.html",
    }


def test_what_is_quoted_in_a_check_is_not_told(platform: Platform, hook: Receiver) -> None:
    """Nor a text among its figures."""
    platform.night("leaking")
    platform.tick()
    assert hook.arrived[0]["problems"][0]["reason"] == "users: … is gone"
    assert "Ann" not in str(hook.arrived)


def test_a_version_with_warnings_is_told(platform: Platform, hook: Receiver) -> None:
    """As a warning, and not again within the window although its figures differ."""
    platform.night("warned")
    platform.tick()
    platform.night("warned", day=25)
    platform.tick()
    [found] = hook.arrived
    assert (found["kind"], found["severity"]) == ("warnings", "warning")
    assert found["problems"][0]["reason"] == "users: 12 … too many"


def test_what_is_well_again_is_told(platform: Platform, hook: Receiver) -> None:
    """When a later version of the day passes what failed; then a failure is news again."""
    for goes, day in (
        ("empty", 24),
        ("unreachable", 24),
        ("well", 25),
        ("well", 24),
        ("empty", 26),
    ):
        platform.night(goes, day=day)
        platform.tick()
    assert hook.kinds == ["check", "run", "recovery", "check"]
    recovery = hook.arrived[2]
    assert recovery["version"] == "20250624-020000"
    things = {problem["thing"] for problem in recovery["problems"]}
    assert things == {"raw/users: as_usual", "step made"}


def test_what_was_not_made_is_not_well_again(platform: Platform, hook: Receiver) -> None:
    """By other assets of the day, by the asset of another day, though all run as one ad-hoc job."""
    assert not platform.materialize([REPORT], goes="unreachable").success
    platform.tick()
    for keys, day in ([STATISTICS], 24), ([REPORT], 25):
        assert platform.materialize(keys, day=day).success
        platform.tick()
    assert hook.kinds == ["run"]
    assert platform.materialize([REPORT]).success
    platform.tick()
    assert hook.kinds == ["run", "recovery"]


def test_the_platform_has_the_sensor_on(defs: dg.Definitions) -> None:
    """It launches nothing, and needs nothing but the instance."""
    found = defs.resolve_sensor_def("alert_sensor")
    assert found.default_status is dg.DefaultSensorStatus.RUNNING
