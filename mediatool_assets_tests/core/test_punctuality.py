"""Whether a day has its version in time."""

from datetime import UTC, date, datetime

import pytest

from mediatool_assets.core.outcomes import Completion, Outcome, Timetable, on_time
from mediatool_assets.core.version import Version

DUE = Timetable().due(date(2026, 11, 23))
NIGHT, NOON = Version.parse("20261123-020000"), Version.parse("20261123-120000")


@pytest.mark.parametrize(
    ("now", "begun", "complete", "since", "outcome", "says"),
    [
        ("02:59:59", None, None, None, "warned", "has no version; it is due at 03:00"),
        ("03:00:00", None, None, None, "failed", "has no version; it was due at 03:00"),
        ("02:30:00", NIGHT, None, None, "warned", "20261123-020000 was begun and is not"),
        ("03:00:00", NIGHT, None, None, "failed", "20261123-020000 was begun and is not"),
        ("03:00:00", NIGHT, NIGHT, "02:20:00", "passed", "20261123-020000 is there, complete"),
        ("03:00:00", None, NIGHT, "02:20:00", "passed", "20261123-020000 is there, complete"),
        ("05:00:00", NIGHT, NIGHT, "04:20:00", "passed", "is there, late, complete since"),
        ("13:00:00", NOON, NIGHT, "02:20:00", "failed", "20261123-120000 was begun and is not"),
    ],
)
def test_the_newest_version_of_the_day_is_there_and_complete(
    now: str,
    begun: Version | None,
    complete: Version | None,
    since: str | None,
    outcome: Outcome,
    says: str,
) -> None:
    """From three o'clock on what is missing has failed; what came late is there, and says so."""
    day = date(2026, 11, 23)
    at = datetime.fromisoformat(f"{day}T{now}").replace(tzinfo=UTC)
    completion = Completion(complete, f"{day}T{since}Z") if complete else None
    found = on_time(day, at, DUE, begun, completion)
    assert found.outcome == outcome
    assert says in found.reason
    assert found.figures["due"] == "2026-11-23T03:00:00+00:00"


@pytest.mark.parametrize(
    ("timetable", "day", "due"),
    [
        (Timetable(), date(2026, 11, 23), "2026-11-23T03:00Z"),
        (Timetable(22, "America/New_York"), date(2026, 11, 23), "2026-11-23T04:00Z"),
        (Timetable(22, "America/New_York"), date(2026, 7, 23), "2026-07-23T03:00Z"),
        (Timetable(4, "Asia/Tokyo"), date(2026, 11, 23), "2026-11-23T20:00Z"),
        (Timetable(23), date(2026, 11, 23), "2026-11-24T00:00Z"),
        (Timetable(0, "Europe/London"), date(2026, 10, 25), "2026-10-26T01:00Z"),
    ],
)
def test_a_version_is_due_an_hour_after_its_export_begins(
    timetable: Timetable, day: date, due: str
) -> None:
    """In any time zone; a day of UTC in which no export begins ends before it is due."""
    assert timetable.due(day) == datetime.fromisoformat(due)
