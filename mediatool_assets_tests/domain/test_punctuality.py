"""Whether a day has its version in time."""

from datetime import UTC, date, datetime

import pytest

from mediatool_assets.domain.outcome import Outcome
from mediatool_assets.domain.punctuality import on_time
from mediatool_assets.domain.version import Version

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
    found = on_time(day, at, begun, complete, f"{day}T{since}Z" if since else None)
    assert found.outcome == outcome
    assert says in found.reason
    assert found.figures["due"] == "2026-11-23T03:00:00+00:00"
