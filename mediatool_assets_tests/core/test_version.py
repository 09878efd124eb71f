"""Versions: what is one, what is not, and the day that each belongs to."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.version import Version

MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones())


@given(MOMENTS)
def test_str_and_parse_are_inverse(moment: datetime) -> None:
    """Whatever the moment and its zone, a version's text gives the same version back."""
    version = Version.at(moment)
    assert Version.parse(str(version)) == version
    assert len(str(version)) == 15


@given(MOMENTS, MOMENTS)
def test_order(one: datetime, other: datetime) -> None:
    """Versions, and their texts, are in order of time."""
    a, b = Version.at(one), Version.at(other)
    assert (a < b) == (str(a) < str(b)) == (a.moment < b.moment)


def test_the_day_is_of_utc() -> None:
    """The export of 01:30 in Helsinki belongs to the UTC day before."""
    helsinki = timezone(timedelta(hours=2))
    version = Version.at(datetime(2025, 6, 22, 1, 30, tzinfo=helsinki))
    assert (str(version), version.partition) == ("20250621-233000", "2025-06-21")


def test_seconds_are_cut() -> None:
    """A version is a whole second, never a later one."""
    assert (
        str(Version.at(datetime(2025, 6, 21, 14, 30, 0, 999_999, tzinfo=UTC))) == "20250621-143000"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20250621",
        "2025-06-21",
        "20250621-1430",
        "20250621-143000 ",
        "20250621-143000\n",
        "20250621_143000",
        "20251301-000000",
        "20250230-000000",
        "20250621-240000",
        "00000101-000000",
        "٢٠٢٥٠٦٢١-١٤٣٠٠٠",
        "٢٠٢٥0621-143000",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """What is not a version is Misuse, and is quoted."""
    with pytest.raises(Misuse) as caught:
        Version.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2025, 6, 21),  # the naive moment is the mistake
        datetime(2025, 6, 21, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2025, 6, 21, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_other_moments_are_refused(moment: datetime) -> None:
    """A version is made of a whole second in UTC and of nothing else."""
    with pytest.raises(Misuse):
        Version(moment)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mediatool_20250621-143000.tar.gz", "20250621-143000"),
        ("20250621-143000.tar.gz", None),
        ("mediatool_20250621-143000", None),
        ("mediatool_backup.tar.gz", None),
        ("mediatool_.tar.gz", None),
        ("mediatool_20250621-143000-sample", None),
        ("of-others_20250621-143000.tar.gz", None),
    ],
)
def test_the_version_in_a_name(name: str, found: str | None) -> None:
    """A name that is not prefix, version and suffix holds none."""
    version = Version.of_name(name, "mediatool_", ".tar.gz")
    assert version == (None if found is None else Version.parse(found))
