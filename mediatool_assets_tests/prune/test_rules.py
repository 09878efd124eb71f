"""Retention over histories that Hypothesis makes: what must stay stays, and everything is said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.bucket import LIFECYCLE, LifecycleRule, canonical
from mediatool_assets.core.inventory import (
    DatabaseState,
    FoundCopy,
    FoundDatabase,
    FoundExport,
    RetentionInventory,
)
from mediatool_assets.core.metadata import Purpose
from mediatool_assets.core.version import Version, metadata_key
from mediatool_assets.prune.rules import Decision, Kind, Policy, conflicting_rules, decide

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
COUNTS = st.integers(0, 4)
POLICIES = st.builds(Policy, COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 9), st.integers(0, 40))
MINUTES = st.integers(0, 60 * 24 * 500)


def before(minutes: int) -> datetime:
    """A moment so long before now."""
    return NOW - timedelta(minutes=minutes)


@st.composite
def inventories(draw: st.DrawFn) -> RetentionInventory:
    """Months of versions: complete or not, marked, locked, with databases in every state."""
    versions = sorted({Version.at(before(m)) for m in draw(st.lists(MINUTES, max_size=25))})

    def some(reason: str) -> dict[Version, str]:
        chosen = draw(st.sets(st.sampled_from(versions), max_size=3)) if versions else set()
        return {version: f"{reason} {version}" for version in sorted(chosen)}

    purposes: dict[Version, Purpose | None] = {
        v: draw(st.sampled_from(["daily_backup", "daily_backup", "testing", None]))
        for v in versions
    }
    complete = {v: purpose for v, purpose in purposes.items() if purpose is not None}
    states: st.SearchStrategy[DatabaseState] = st.sampled_from(
        ["complete", "complete", "complete", "partial", "unfinished", "foreign"]
    )
    databases = tuple(
        FoundDatabase(
            server,
            f"{server}_{version}",
            version,
            draw(states),
            made=draw(st.none() | MINUTES.map(before)),
            ours=draw(st.booleans()),
            busy=draw(st.sampled_from([None, None, None, "2 sessions use it"])),
            sanitized=draw(st.sampled_from([False, False, False, True])),
        )
        for version in versions
        for server in ("mongodb", "postgres")
        if draw(st.booleans())
    )
    exports = tuple(
        FoundExport(version, (metadata_key(version),), testing=purpose == "testing")
        for version, purpose in purposes.items()
        if purpose != "daily_backup"
    )
    copies = tuple(
        FoundCopy(v, f"{v}-sanitized", before(draw(MINUTES)), draw(st.none() | st.just("locked")))
        for v in versions
        if draw(st.booleans())
    )
    return RetentionInventory(complete, some("pinned"), some("locked"), databases, exports, copies)


def after(found: RetentionInventory, decisions: tuple[Decision, ...]) -> RetentionInventory:
    """What is left when the plan was carried out."""
    kept = {(d.kind, d.name) for d in decisions if d.keep}
    gone = {d.version for d in decisions if d.kind == "export" and not d.keep}
    return RetentionInventory(
        {v: purpose for v, purpose in found.complete.items() if v not in gone},
        found.protected,
        found.locked,
        tuple(d for d in found.databases if (d.server, d.name) in kept),
        tuple(e for e in found.exports if ("export", str(e.version)) in kept),
        tuple(c for c in found.copies if ("sanitized", c.key) in kept),
    )


@given(inventories(), POLICIES)
def test_everything_has_one_decision_and_its_reason(
    found: RetentionInventory, policy: Policy
) -> None:
    """Each database, export and copy is decided on once, and each decision says why."""
    decisions = decide(found, policy, NOW)
    names = [(d.kind, d.name) for d in decisions]
    wanted: list[tuple[Kind, str]] = [(d.server, d.name) for d in found.databases]
    wanted += [("export", str(e.version)) for e in found.exports]
    wanted += [("sanitized", c.key) for c in found.copies]
    assert sorted(names) == sorted(wanted)
    assert all(d.reason for d in decisions)


@given(inventories(), POLICIES)
def test_what_must_stay_stays(found: RetentionInventory, policy: Policy) -> None:
    """The last complete version, the last daily one, what is pinned, locked, in use or not ours."""
    dropped = [d for d in decide(found, policy, NOW) if not d.keep]
    copied = {d.name for d in found.databases if d.sanitized}
    of_versions = {d.version for d in dropped if d.kind != "sanitized" and d.name not in copied}
    daily = [v for v, purpose in found.complete.items() if purpose == "daily_backup"]
    assert of_versions.isdisjoint({max(found.complete, default=None), max(daily, default=None)})
    assert of_versions.isdisjoint(found.protected)
    assert of_versions.isdisjoint(found.locked)
    names = {d.name for d in dropped}
    assert {d.version for d in dropped if d.name in copied}.isdisjoint(found.protected)
    untouchable = (d for d in found.databases if d.state == "foreign" or d.busy)
    assert names.isdisjoint(d.name for d in untouchable)
    assert names.isdisjoint(c.key for c in found.copies if c.lock)
    for server in ("mongodb", "postgres"):
        own = [d for d in found.databases if not d.sanitized]
        whole = [d for d in own if (d.server, d.state) == (server, "complete")]
        newest = max(whole, key=lambda d: d.version, default=None)
        assert newest is None or newest.name not in names


@given(inventories(), POLICIES)
def test_a_day_is_given_to_every_run(found: RetentionInventory, policy: Policy) -> None:
    """Nothing of a version without metadata is dropped before a day has passed.

    A copy, and a whole database of one, are of a version that was complete, with days of their own.
    """
    copied = {d.name for d in found.databases if d.sanitized and d.state != "unfinished"}
    young = (
        decision
        for decision in decide(found, policy, NOW)
        if decision.version not in found.complete
        and decision.kind != "sanitized"
        and decision.name not in copied
        and NOW - decision.version.moment < timedelta(days=1)
    )
    assert all(decision.keep for decision in young)


@given(inventories(), POLICIES)
def test_a_copy_is_kept_for_its_days(found: RetentionInventory, policy: Policy) -> None:
    """Counted from when it was made; a lock holds it longer."""
    kept = {d.name for d in decide(found, policy, NOW) if d.kind == "sanitized" and d.keep}
    days = timedelta(days=policy.sanitized_days)
    assert kept == {c.key for c in found.copies if c.lock or NOW - c.modified < days}


@given(inventories(), POLICIES)
def test_a_second_time_drops_nothing(found: RetentionInventory, policy: Policy) -> None:
    """What a plan leaves, the same policy keeps: with its metadata gone too."""
    left = after(found, decide(found, policy, NOW))
    assert [d for d in decide(left, policy, NOW) if not d.keep] == []


@given(inventories(), POLICIES)
def test_nothing_of_a_daily_version_leaves_the_bucket(
    found: RetentionInventory, policy: Policy
) -> None:
    """Of exports only tests are dropped, and those that failed on a day with a daily version."""
    testing = {e.version for e in found.exports if e.testing}
    days = {v.partition for v, purpose in found.complete.items() if purpose == "daily_backup"}
    failed = {
        e.version
        for e in found.exports
        if e.version not in found.complete and e.version.partition in days
    }
    dropped = {d.version for d in decide(found, policy, NOW) if d.kind == "export" and not d.keep}
    assert dropped <= testing | failed


def nights(count: int, purpose: Purpose = "daily_backup") -> RetentionInventory:
    """So many versions, of 02:00 each night up to today's, each with its MongoDB database."""
    versions = [Version.at(NOW.replace(hour=2) - timedelta(days=n)) for n in range(count)]
    return RetentionInventory(
        dict.fromkeys(versions, purpose),
        {},
        {},
        tuple(FoundDatabase("mongodb", f"mediatool_{v}", v, "complete") for v in versions),
    )


def test_generations() -> None:
    """After 200 nights there are 7 days, 4 Sundays and the last of 3 months, by default."""
    kept = [str(d.version)[:8] for d in decide(nights(200), Policy(), NOW) if d.keep]
    days = ["20261123", "20261122", "20261121", "20261120", "20261119", "20261118", "20261117"]
    assert kept == [*days, "20261115", "20261108", "20261031", "20260930"]


def database(days: float, state: DatabaseState = "complete", **more: Any) -> FoundDatabase:
    """A database of a version so many days old."""
    version = Version.at(NOW - timedelta(days=days))
    return FoundDatabase("mongodb", f"mediatool_{version}", version, state, **more)


@pytest.mark.parametrize(
    ("found", "keep", "reason"),
    [
        (database(0.5, "unfinished"), True, "a run may be in progress"),
        (database(90, "unfinished", made=NOW - timedelta(hours=3)), True, "a run may be"),
        (database(90, "unfinished", made=NOW - timedelta(hours=30)), False, "never finished"),
        (database(90, "unfinished", made=NOW - timedelta(hours=24)), False, "begun 1 day ago"),
        (database(1, "unfinished", made=NOW - timedelta(hours=30)), False, "begun 1 day ago"),
        (database(0.9, "unfinished", made=NOW - timedelta(hours=30)), True, "a run may be in"),
        (database(1), False, "no metadata in the bucket and is 1 day old"),
        (database(2, "unfinished"), False, "never finished: begun 2 days ago"),
        (database(0.9), True, "no metadata yet"),
        (database(3, ours=False), True, "not in this bucket"),
        (database(3), False, "no metadata in the bucket and is 3 days old"),
        (database(3, "foreign"), True, "no load or restore made it"),
        (database(3, busy="2 sessions use it"), True, "2 sessions use it"),
    ],
)
def test_a_database_without_metadata(found: FoundDatabase, keep: bool, reason: str) -> None:
    """It goes after a day, if it is ours; a load of an old version gets its day from its start."""
    newer = database(0.1)
    (decision, _) = decide(RetentionInventory({}, {}, {}, (found, newer)), Policy(), NOW)
    assert decision.keep is keep
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("days", "testing", "others", "keep"),
    [
        (0.9, False, True, True),
        (6.9, False, True, True),
        (7, False, True, False),
        (90, False, False, True),
        (6.9, True, False, True),
        (7, True, False, False),
    ],
)
def test_a_database_without_metadata_is_kept_as_its_archives_are(
    days: float, testing: bool, others: bool, keep: bool
) -> None:
    """While they are there, a run can complete the version with the database as it is."""
    found, newest = database(days), Version.at(NOW)
    export = FoundExport(found.version, ("raw",), testing)
    beside = Version(found.version.moment.replace(hour=0, minute=0, second=0))
    complete: dict[Version, Purpose] = {newest: "daily_backup"}
    if others:
        complete[beside] = "daily_backup"
    inventory = RetentionInventory(complete, {}, {}, (found, database(0)), (export,))
    of_database, _, of_export = decide(inventory, Policy(), NOW)
    assert (of_database.keep, of_database.reason) == (of_export.keep, of_export.reason)
    assert of_database.keep is keep
    foreign = replace(inventory, databases=(replace(found, ours=False), database(0)))
    assert decide(foreign, Policy(), NOW)[0].keep


@pytest.mark.parametrize(
    ("found", "keep", "reason"),
    [
        (database(90, made=NOW - timedelta(days=29), sanitized=True), True, "kept for 30 days"),
        (database(90, made=NOW - timedelta(days=30), sanitized=True), False, "30 days ago"),
        (database(90, "partial", made=NOW - timedelta(days=31), sanitized=True), False, "31 days"),
        (database(90, "foreign", sanitized=True), True, "no load or restore made it"),
        (database(90, busy="1 session", sanitized=True), True, "1 session"),
        (database(2, "unfinished", sanitized=True), False, "never finished"),
        (database(3), True, "the newest complete database of its server"),
    ],
)
def test_a_database_of_a_copy(found: FoundDatabase, keep: bool, reason: str) -> None:
    """It goes as copies go; a newer one never makes a version's own database an older one."""
    newer = database(0, sanitized=True)
    (decision, other) = decide(RetentionInventory({}, {}, {}, (found, newer)), Policy(), NOW)
    assert decision.keep is keep
    assert reason in decision.reason
    assert "newest" not in other.reason


@pytest.mark.parametrize(
    ("age", "others", "keep", "reason"),
    [
        (0.5, {0.2: "daily_backup"}, True, "a run may be in progress"),
        (1, {0.9: "daily_backup"}, True, "never completed, 1 day old, kept for 7 days"),
        (7, {6.9: "daily_backup"}, False, "never completed, 7 days old, kept for 7 days"),
        (
            30.3,
            {},
            True,
            "its day has nothing else: `mediatool export --date 2026-10-23` completes",
        ),
        (30.3, {30.2: "testing"}, True, "its day has nothing else"),
        (30.3, {31.3: "daily_backup"}, True, "its day has nothing else"),
        (30.3, {30.2: "daily_backup"}, False, "kept for 7 days; 20261023-231200 is complete"),
        (30.3, {30.4: "daily_backup"}, False, "never completed"),
        (6.3, {6.4: "daily_backup"}, True, "never completed, 6 days old, kept for 7 days"),
    ],
)
def test_what_a_failed_version_left(
    age: float, others: dict[float, Purpose], keep: bool, reason: str
) -> None:
    """Its archives go after their days where its day has a complete daily version, else never."""
    complete = {Version.at(NOW - timedelta(days=days)): said for days, said in others.items()}
    found = FoundExport(Version.at(NOW - timedelta(days=age)), ("raw",), testing=False)
    inventory = RetentionInventory(
        {**complete, Version.at(NOW): "testing"}, {}, {}, exports=(found,)
    )
    (decision,) = decide(inventory, Policy(), NOW)
    assert (decision.keep, reason in decision.reason) == (keep, True), decision.reason


@pytest.mark.parametrize(("age", "keep"), [(29.99, True), (30, False)])
def test_a_copy_goes_at_its_age(age: float, keep: bool) -> None:
    """Of the moment when it was made, and with its object; a lock holds it, and says so."""
    version, made = Version.at(NOW - timedelta(days=90)), NOW - timedelta(days=age)
    copies = (FoundCopy(version, "a", made), FoundCopy(version, "b", made, "locked until May"))
    decisions = decide(RetentionInventory({}, {}, {}, copies=copies), Policy(), NOW)
    days = 29 if keep else 30
    assert decisions == (
        Decision(
            "sanitized",
            "a",
            version,
            keep,
            f"a sanitized copy, {days} days old; kept for 30 days",
            ("a",),
        ),
        Decision("sanitized", "b", version, True, "locked until May", ("b",)),
    )


NONE = Policy(daily=0, weekly=0, monthly=0)


@pytest.mark.parametrize(
    ("found", "keep", "reason"),
    [
        (database(7, "partial"), False, "a part of its version, 7 days old; kept for 7 days"),
        (database(6.9, "partial"), True, "a part of its version, 6 days old; kept for 7 days"),
        (database(7, made=NOW - timedelta(days=6)), False, "older than 0 daily, 0 weekly, 0 mon"),
        (
            database(7.01, made=NOW - timedelta(days=6)),
            True,
            "restored 6 days ago, kept for 7 days",
        ),
        (database(90, made=NOW - timedelta(days=7)), False, "older than"),
        (database(6.9), False, "older than"),
    ],
)
def test_a_database_of_a_daily_version(found: FoundDatabase, keep: bool, reason: str) -> None:
    """Beyond the generations parts have days from their version, restores from their making."""
    newest = database(0)
    complete: dict[Version, Purpose] = dict.fromkeys(
        (found.version, newest.version), "daily_backup"
    )
    inventory = RetentionInventory(complete, {}, {}, (found, newest))
    (decision, other) = decide(inventory, NONE, NOW)
    assert (decision.keep, other.keep) == (keep, True)
    assert decision.reason.startswith(reason)


def test_every_generation_says_its_place() -> None:
    """The newest of each of the last days, ISO weeks, months and years that have one."""
    nightly = nights(900)
    policy = Policy(daily=1, weekly=2, monthly=3, yearly=4)
    reasons = [(str(d.version)[:8], d.reason) for d in decide(nightly, policy, NOW)[1:] if d.keep]
    assert reasons == [
        ("20261122", "the newest of week 2026-W47, 2 of 2"),
        ("20261031", "the newest of month 2026-10, 2 of 3"),
        ("20260930", "the newest of month 2026-09, 3 of 3"),
        ("20251231", "the newest of year 2025, 2 of 4"),
        ("20241231", "the newest of year 2024, 3 of 4"),
    ]
    two = RetentionInventory(nightly.complete, {}, {}, nightly.databases[1:3])
    reasons = [("", d.reason) for d in decide(two, Policy(), NOW)]
    assert reasons == [
        ("", "the newest complete database of its server"),
        ("", "the newest of day 2026-11-21, 2 of 7"),
    ]


def test_only_whole_databases_of_daily_versions_are_generations() -> None:
    """A part, one of a test and one of a copy take no place of an older one."""
    newest, old = database(0), database(6)
    others = (database(1, "partial"), database(2), database(3, sanitized=True))
    complete: dict[Version, Purpose] = {
        newest.version: "daily_backup",
        old.version: "daily_backup",
        others[0].version: "daily_backup",
        others[1].version: "testing",
        others[2].version: "daily_backup",
    }
    found = RetentionInventory(complete, {}, {}, (newest, *others, old))
    decision = decide(found, Policy(daily=2, weekly=0, monthly=0), NOW)[-1]
    assert (decision.keep, decision.reason) == (True, "the newest of day 2026-11-17, 2 of 2")


def test_the_policy_that_is_shipped() -> None:
    """As docs/how-to/retention.md has it."""
    assert str(Policy()) == "7 daily, 4 weekly, 3 monthly, 0 yearly"
    assert (Policy().testing_days, Policy().sanitized_days) == (7, 30)


def test_the_two_last_versions_have_a_reason_each() -> None:
    """The last complete one, and the last daily one where that is another."""
    daily, test = database(8), database(7.5)
    inventory = RetentionInventory(
        {daily.version: "daily_backup", test.version: "testing"}, {}, {}, (daily, test)
    )
    reasons = [decision.reason for decision in decide(inventory, Policy(), NOW)]
    assert reasons == ["the last complete daily version", "the last complete version"]


@pytest.mark.parametrize(("age", "keep"), [(6.9, True), (7, False)])
def test_tests_and_restores_have_their_days(age: float, keep: bool) -> None:
    """A test's database, a part and a restored old database stay seven days."""
    test = database(age)
    part = database(200, "partial", made=NOW - timedelta(days=age))
    again = database(201, made=NOW - timedelta(days=age))
    complete: dict[Version, Purpose] = {
        test.version: "testing",
        part.version: "daily_backup",
        again.version: "daily_backup",
    }
    nightly = nights(1)
    found = RetentionInventory({**complete, **nightly.complete}, {}, {}, (test, part, again))
    none = Policy(daily=0, weekly=0, monthly=0)
    newest = nightly.databases
    decisions = decide(
        RetentionInventory(found.complete, {}, {}, (*found.databases, *newest)), none, NOW
    )
    assert [d.keep for d in decisions] == [keep, keep, keep, True]


@pytest.mark.parametrize(
    ("policy", "rules", "words"),
    [
        (Policy(), LIFECYCLE, []),
        (Policy(testing_days=3, sanitized_days=1), LIFECYCLE, []),
        (Policy(testing_days=8), LIFECYCLE, ["rule testing deletes test exports after 7 days"]),
        (
            Policy(sanitized_days=31),
            LIFECYCLE,
            ["rule sanitized deletes sanitized copies after 30"],
        ),
        (
            Policy(),
            [LifecycleRule("all", expire_days=5)],
            ["test exports", "sanitized", "metadata"],
        ),
        (
            Policy(),
            [LifecycleRule("m", prefix="postgres-exports/meta", expire_days=900)],
            ["metadata"],
        ),
        (Policy(), [LifecycleRule("other", tag=("a", "b"), expire_days=1)], []),
        (
            Policy(),
            [LifecycleRule("raw", prefix="postgres-exports/raw/", expire_days=2)],
            ["test exports"],
        ),
    ],
)
def test_a_plan_and_the_buckets_rules(
    policy: Policy, rules: list[LifecycleRule], words: list[str]
) -> None:
    """A plan contradicts rules that delete sooner what it keeps; later ones leave it the work."""
    found = list(conflicting_rules(policy, [canonical(rule.document()) for rule in rules]))
    assert len(found) == len(words)
    assert all(word in says for word, says in zip(words, found, strict=True))
    enabled = [canonical(rule.document()) for rule in rules]
    disabled = [{**rule, "Status": "Disabled"} for rule in enabled]
    assert list(conflicting_rules(policy, disabled)) == []
    assert list(conflicting_rules(policy, [*disabled, *enabled])) == found


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)}}, "exports after 0 days"),
        ({"Expiration": {"Days": 2}}, "exports after 2 days"),
    ],
)
def test_a_rule_of_a_date_or_of_several_tags_counts(rule: dict[str, Any], says: str) -> None:
    """At its date it deletes at any age; who tags a test version once more may fall under it."""
    tags = [{"Key": "purpose", "Value": "testing"}, {"Key": "team", "Value": "x"}]
    where = {"Filter": {"And": {"Tags": tags}}, "ID": "mine", "Status": "Enabled"}
    [found] = conflicting_rules(Policy(), [canonical(where | rule)])
    assert says in found
