"""Alerts: grouped, told once in a window, never lost, and without anything that is private."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.alerts.messages import (
    Alert,
    Channel,
    Kind,
    Observations,
    OpenProblems,
    Problem,
    Success,
    lines,
    payload,
    without_private_data,
    wording,
)

START = datetime(2026, 11, 24, 2, 5, tzinfo=UTC)
WINDOW = timedelta(hours=6)
CHECK = "raw/campaigns: as_usual"


def minutes(number: float) -> datetime:
    """So long after the first alert."""
    return START + timedelta(minutes=number)


def news(
    *problems: Problem, at: datetime = START, well: tuple[Success, ...] = (), day: int = 24
) -> Observations:
    """News of one version of one day."""
    return Observations(at, problems, well, f"202611{day}-020000", f"2026-11-{day}", "run")


def red(thing: str = CHECK, kind: Kind = "check", day: int = 24, at: datetime = START) -> Problem:
    """A thing that is not well."""
    return Problem(kind, thing, "is empty", partition=f"2026-11-{day}", began=at)


def alert(*problems: Problem, at: datetime = START, day: int = 24) -> Alert:
    """The alert of one version."""
    made = news(*problems, at=at, day=day).alert()
    assert made is not None
    return made


def posts(channel: Channel, now: datetime) -> list[Alert]:
    """What a channel that works posts."""
    due = list(channel.due(now, WINDOW))
    for one in due:
        channel.posted(one, now)
    return due


def test_what_one_version_caused_is_one_alert() -> None:
    """Of the kind of the gravest; nothing is no alert."""
    warning = Problem("warnings", "warning", "a new column", "warning")
    made = alert(warning, red(), red("export", "run"))
    assert (made.kind, made.severity) == ("run", "error")
    assert [problem.kind for problem in made.problems] == ["run", "check", "warnings"]
    assert news().alert() is None
    assert alert(warning).severity == "warning"


def test_the_same_trouble_of_another_night_is_the_same_alert() -> None:
    """The fingerprint is of what, not of when; another thing or another cause is another alert."""
    assert alert(red()).fingerprint == alert(red(day=25), day=25).fingerprint
    assert alert(red()).fingerprint != alert(red("raw/users: as_usual")).fingerprint
    other = msgspec.structs.replace(red(), cause="step load Unreachable")
    assert alert(red()).fingerprint != alert(other).fingerprint


def test_a_flood_is_one_post_and_says_at_its_end_how_many_it_was() -> None:
    """The first is posted at once; the newest of the others when the window is over."""
    channel = Channel()
    for number in range(50):
        channel.take(alert(red(day=10 + number % 10), at=minutes(number)))
        assert len(posts(channel, minutes(number))) == (number == 0)
    assert posts(channel, START + WINDOW - timedelta(seconds=1)) == []
    [last] = posts(channel, START + WINDOW)
    assert (last.at, last.suppressed) == (minutes(49), 48)
    assert lines(last)[-1] == "48 more like this were not posted"
    assert posts(channel, START + 3 * WINDOW) == []


def test_what_comes_in_one_tick_is_one_post() -> None:
    """It says for how many it stands."""
    channel = Channel()
    for day in range(10, 15):
        channel.take(alert(red(day=day), day=day))
    [only] = posts(channel, START)
    assert (only.partition, only.suppressed) == ("2026-11-14", 4)


def test_a_post_that_failed_opens_no_window() -> None:
    """It is due again at the next tick, and stands for what came meanwhile."""
    channel = Channel()
    channel.take(alert(red()))
    assert len(list(channel.due(START, WINDOW))) == 1
    channel.take(alert(red(day=25), at=minutes(1), day=25))
    [again] = posts(channel, minutes(2))
    assert (again.partition, again.suppressed) == ("2026-11-25", 1)
    assert posts(channel, minutes(3)) == []


def test_what_is_well_again_is_told_once_and_closes_the_window() -> None:
    """The next failure is news."""
    open_, channel = OpenProblems(), Channel()
    for made in open_.learn(news(red(), red("dump: dumped"))):
        channel.take(made)
    assert [one.kind for one in posts(channel, START)] == ["check"]
    half = news(well=(Success("check", CHECK, "2026-11-24", minutes(9)),), at=minutes(10))
    assert list(open_.learn(half)) == []
    rest = (Success("check", "dump: dumped", "2026-11-24", minutes(19)),)
    [recovery] = open_.learn(news(well=rest, at=minutes(20)))
    assert (recovery.kind, recovery.severity) == ("recovery", "information")
    assert "recovered (was not in 2026-11-24)" in lines(recovery)[-1]
    channel.take(recovery)
    assert [one.kind for one in posts(channel, minutes(20))] == ["recovery"]
    assert list(open_.learn(news(well=rest, at=minutes(30)))) == []
    channel.take(alert(red(), red("dump: dumped"), at=minutes(40)))
    assert [one.kind for one in posts(channel, minutes(40))] == ["check"]


@pytest.mark.parametrize(
    "well",
    [
        Success("check", "raw/users: as_usual", "2026-11-24", minutes(1)),
        Success("run", CHECK, "2026-11-24", minutes(1)),
        Success("check", CHECK, "2026-11-23", minutes(1)),
        Success("check", CHECK, "2026-11-25", minutes(1)),
        Success("check", CHECK, None, minutes(1)),
        Success("check", CHECK, "2026-11-24", minutes(-1)),
    ],
)
def test_other_good_news_end_nothing(well: Success) -> None:
    """Another thing, another day, or a run that began before the failure was seen."""
    open_ = OpenProblems()
    assert len(list(open_.learn(news(red())))) == 1
    assert list(open_.learn(news(well=(well,), at=minutes(2)))) == []


def test_each_day_is_well_again_by_itself() -> None:
    """The same trouble of two days ends twice; a day that is never made again stays, up to 200."""
    open_ = OpenProblems()
    for number in range(10, 30):
        assert len(list(open_.learn(news(red(day=number), day=number)))) == 1
    for day in (12, 29):
        well = (Success("check", CHECK, f"2026-11-{day}", minutes(1)),)
        [recovery] = open_.learn(news(well=well, at=minutes(2), day=day))
        assert [problem.partition for problem in recovery.problems] == [f"2026-11-{day}"]
    for number in range(300):
        list(open_.learn(news(red(f"raw/t{number}: as_usual"))))
    assert len(open_.alerts) == 200


def test_warnings_are_never_well_again() -> None:
    """A version keeps them."""
    open_ = OpenProblems()
    assert len(list(open_.learn(news(Problem("warnings", "warning", "x", "warning"))))) == 1
    assert open_.alerts == {}


def test_a_recovery_that_waits_does_not_swallow_the_next_failure() -> None:
    """A channel that was down tells both, and the failure last."""
    open_, channel = OpenProblems(), Channel()
    for made in open_.learn(news(red())):
        channel.take(made)
    posts(channel, START)
    well = (Success("check", CHECK, "2026-11-24", minutes(9)),)
    for made in open_.learn(news(well=well, at=minutes(10))):
        channel.take(made)
    for made in open_.learn(news(red(day=26, at=minutes(20)), at=minutes(20), day=26)):
        channel.take(made)
    assert [one.kind for one in posts(channel, minutes(21))] == ["recovery"]
    assert [one.kind for one in posts(channel, minutes(22))] == ["check"]


def test_a_recovery_says_what_was_not_posted() -> None:
    """What was suppressed since is counted with it, and not posted any more."""
    open_, channel = OpenProblems(), Channel()
    for number in range(3):
        at = minutes(number)
        for made in open_.learn(news(red(at=at), at=at)):
            channel.take(made)
        posts(channel, at)
    well = (Success("check", CHECK, "2026-11-24", minutes(9)),)
    for made in open_.learn(news(well=well, at=minutes(10))):
        channel.take(made)
    [recovery] = posts(channel, minutes(10))
    assert (recovery.kind, recovery.suppressed) == ("recovery", 2)
    assert posts(channel, START + 2 * WINDOW) == []


def test_what_a_channel_remembers_does_not_grow() -> None:
    """A window that is over and of which nothing waits is forgotten."""
    channel = Channel()
    channel.take(alert(red()))
    posts(channel, START)
    channel.forget(minutes(1), WINDOW)
    assert channel.waiting
    channel.forget(START + WINDOW, WINDOW)
    assert channel.waiting == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 300), st.sampled_from("abc"), st.booleans(), st.booleans()),
        max_size=40,
    )
)
def test_nothing_is_lost_and_nothing_is_repeated_within_a_window(
    ticks: list[tuple[int, str, bool, bool]],
) -> None:
    """Whenever a channel works: what was posted and what was counted is all that there was."""
    channel, now = Channel(), START
    taken = told = 0
    posted: dict[str, datetime] = {}
    for wait, thing, is_new, works in [*ticks, (10_000, "a", False, True)]:
        now += timedelta(minutes=wait)
        if is_new:
            channel.take(alert(red(thing), at=now))
            taken += 1
        channel = msgspec.json.decode(msgspec.json.encode(channel), type=Channel)  # a restart
        for one in posts(channel, now) if works else ():
            told += 1 + one.suppressed
            last = posted.get(one.fingerprint)
            assert last is None or now - last >= WINDOW
            posted[one.fingerprint] = now
        channel.forget(now, WINDOW)
    assert told == taken


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://me:secret@host/db is down", "postgresql://me:***@host/db is down"),
        ("users 7: column name: 'Ann Å' is too long", "users 7: column name: … is too long"),
        ('dup key: { email: "a@b.se" }', "dup key: …"),
        ("Key (email)=(a@b.se) already exists", "Key (email)… already exists"),
        ("written by ann@example.org", "written by …"),
        (r"name: 'Ann O\'Neil' is odd, and 'x' too", "name: … is odd, and … too"),
        ("the table's rows and the model's", "the table's rows and the model's"),
    ],
)
def test_nothing_private_is_told(text: str, told: str) -> None:
    """No password, nothing that an error quotes, no address."""
    assert without_private_data(text) == told


def test_a_warning_is_the_same_each_night() -> None:
    """Whatever its figures are."""
    assert wording("users: 12 orphans") == wording("users: 7 orphans")
    assert len(without_private_data("x" * 5000)) == 400


def test_slack_gets_no_more_than_it_takes() -> None:
    """Its 50 blocks of 3,000 characters; all problems stand in the fields of our own."""
    made = alert(*(red(f"raw/t{n:03}: as_usual") for n in range(120)))
    blocks = payload(made)["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) == 23
    assert blocks[-1]["text"]["text"] == "and 100 more"
    assert len(str(payload(made)["problems"]).split("as_usual")) == 121
