"""AWS's rules about lifecycle rules: its published examples pass, what it refuses is refused."""

import pytest

from mediatool_assets.core.bucket import LifecycleRule, State, Transition, problems

UNVERSIONED = State(versioned=False)

RIGHT = {
    "filter": LifecycleRule(
        "a", "tax/", transitions=(Transition(365, "GLACIER"),), expire_days=3650
    ),
    "same day": LifecycleRule("a", transitions=(Transition(0, "GLACIER"),)),
    "tiering down": LifecycleRule(
        "a",
        "logs/",
        transitions=(Transition(30, "STANDARD_IA"), Transition(90, "GLACIER")),
        expire_days=365,
    ),
    "tag": LifecycleRule(
        "a", tag=("key", "value"), transitions=(Transition(0, "INTELLIGENT_TIERING"),)
    ),
    "abort": LifecycleRule("a", "SomeKeyPrefix/", abort_days=7),
    "size": LifecycleRule("a", larger_than=1 << 20, transitions=(Transition(90, "GLACIER"),)),
    "glacier to deep archive": LifecycleRule(
        "a", transitions=(Transition(1, "GLACIER"), Transition(91, "DEEP_ARCHIVE"))
    ),
    "instant retrieval at once": LifecycleRule("a", transitions=(Transition(0, "GLACIER_IR"),)),
}


@pytest.mark.parametrize("example", RIGHT)
def test_published_examples(example: str) -> None:
    """What AWS's user guide shows has nothing wrong with it."""
    assert problems([RIGHT[example]], UNVERSIONED) == ()


def test_versioned_examples() -> None:
    """Nor has the guide's rule that removes lone delete markers and what lies behind them."""
    rule = LifecycleRule("a", "logs/", markers=True, noncurrent_days=30)
    assert problems([rule]) == ()


def steps(*pairs: tuple[int, str]) -> LifecycleRule:
    """A rule of transitions alone."""
    return LifecycleRule("a", "p/", transitions=tuple(Transition(*pair) for pair in pairs))  # type: ignore[arg-type]  # mypy widens the class of a literal


BEYOND_IA = (
    "'Days' in the 'Transition' action for StorageClass '{}' for filter '(prefix=p/)' must be "
    "{} days more than 'filter '(prefix=p/)'' in the 'Transition' action for StorageClass '{}'"
)
TOO_EARLY = "'Days' in Transition action must be greater than or equal to 30 for storageClass '{}'"
NOT_AFTER = (
    "'Days' in the Expiration action for filter '(prefix=p/)' must be greater than 'Days' in the "
    "Transition action"
)
MALFORMED = (
    "The XML you provided was not well-formed or did not validate against our published schema "
    "(ExpiredObjectDeleteMarker cannot be specified with {})"
)

WRONG = {
    "early IA": (steps((7, "STANDARD_IA")), TOO_EARLY.format("STANDARD_IA")),
    "one day early": (steps((29, "ONEZONE_IA")), TOO_EARLY.format("ONEZONE_IA")),
    "IA too short": (
        steps((30, "STANDARD_IA"), (59, "GLACIER")),
        BEYOND_IA.format("GLACIER", 30, "STANDARD_IA"),
    ),
    "IA to deep archive": (
        steps((30, "ONEZONE_IA"), (31, "DEEP_ARCHIVE")),
        BEYOND_IA.format("DEEP_ARCHIVE", 30, "ONEZONE_IA"),
    ),
    "GLACIER too short": (
        steps((0, "GLACIER"), (89, "DEEP_ARCHIVE")),
        BEYOND_IA.format("DEEP_ARCHIVE", 90, "GLACIER"),
    ),
    "uphill": (
        steps((10, "GLACIER"), (100, "GLACIER_IR")),
        BEYOND_IA.format("GLACIER", 0, "GLACIER_IR").replace("be 0 days more", "be greater"),
    ),
    "class twice": (
        steps((30, "GLACIER"), (60, "GLACIER")),
        "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter "
        "'(prefix=p/)'",
    ),
    "negative": (
        steps((-1, "GLACIER")),
        "'Days' in Transition action must be nonnegative",
    ),
    "expiry before transition": (
        LifecycleRule("a", "p/", transitions=(Transition(90, "GLACIER"),), expire_days=60),
        NOT_AFTER,
    ),
    "expiry with transition": (
        LifecycleRule("a", "p/", transitions=(Transition(90, "GLACIER"),), expire_days=90),
        NOT_AFTER,
    ),
    "no days": (
        LifecycleRule("a", "p/", expire_days=0, abort_days=1),
        "'Days' for Expiration action must be a positive integer",
    ),
    "no noncurrent days": (
        LifecycleRule("a", "p/", noncurrent_days=0, abort_days=1),
        "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
    ),
    "no days to abort": (
        LifecycleRule("a", "p/", noncurrent_days=1, abort_days=0),
        "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive "
        "integer",
    ),
    "no action": (LifecycleRule("a", "p/"), "At least one action needs to be specified in a rule"),
    "abort by tag": (
        LifecycleRule("a", tag=("k", "v"), abort_days=7),
        "AbortIncompleteMultipartUpload cannot be specified with Tags.",
    ),
    "abort by size": (
        LifecycleRule("a", larger_than=1, abort_days=7),
        "AbortIncompleteMultipartUpload cannot be specified with Object Size.",
    ),
    "markers and days": (
        LifecycleRule("a", "p/", markers=True, expire_days=9),
        MALFORMED.format("Days"),
    ),
    "markers by tag": (LifecycleRule("a", tag=("k", "v"), markers=True), MALFORMED.format("Tags")),
    "markers by size": (
        LifecycleRule("a", smaller_than=9, markers=True),
        MALFORMED.format("Object Size"),
    ),
    "sizes crossed": (
        LifecycleRule("a", "p/", larger_than=500, smaller_than=500, expire_days=5),
        "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'",
    ),
    "long id": (
        LifecycleRule("a" * 256, "p/", expire_days=5),
        "ID length should not exceed allowed limit of 255",
    ),
}


@pytest.mark.parametrize("example", WRONG)
def test_refused_in_the_words_of_aws(example: str) -> None:
    """What AWS answers with 400 is refused before any call, and the message is AWS's."""
    rule, says = WRONG[example]
    found = [problem for problem in problems([rule], UNVERSIONED) if problem.refused]
    assert [problem.says for problem in found] == [says]
    assert str(found[0]) == f"lifecycle rule {rule.id}: AWS answers: {says}"


def test_the_longest_that_pass() -> None:
    """The limits themselves are allowed: 30 days, 30 and 90 apart, 255 letters, 1000 rules."""
    longest = LifecycleRule("a" * 255, "p/", transitions=(Transition(30, "STANDARD_IA"),))
    apart = steps((30, "STANDARD_IA"), (60, "GLACIER"), (150, "DEEP_ARCHIVE"))
    many = [LifecycleRule(str(n), f"{n:04}/", abort_days=1) for n in range(1000)]
    for rules in ([longest], [apart], many):
        assert problems(rules, UNVERSIONED) == ()


def test_too_many_rules() -> None:
    """The 1001st rule is refused."""
    many = [LifecycleRule(str(n), f"{n:04}/", abort_days=1) for n in range(1001)]
    assert "must not exceed the allowed limit of 1000" in problems(many, UNVERSIONED)[0].says


def test_duplicate_ids() -> None:
    """Two rules of one name are refused."""
    rules = [LifecycleRule("a", "p/", expire_days=5), LifecycleRule("a", "q/", expire_days=5)]
    (found,) = problems(rules, UNVERSIONED)
    assert (found.rule, found.refused) == ("a", True)
    assert found.says == "Rule ID must be unique. Found same ID for more than one rule"


def test_overlapping_prefixes() -> None:
    """Two rules that expire the same objects: AWS takes them, and the sooner one counts."""
    rules = [LifecycleRule("all", expire_days=365), LifecycleRule("logs", "logs/", expire_days=30)]
    (found,) = problems(rules, UNVERSIONED)
    assert not found.refused
    assert "Found overlapping prefixes '' and 'logs/' for same action type 'Expiration'" in str(
        found
    )


@pytest.mark.parametrize(
    "rules",
    [
        [
            LifecycleRule("1", expire_days=365),
            LifecycleRule("2", "l/", transitions=(Transition(30, "STANDARD_IA"),)),
        ],
        [LifecycleRule("1", "logs/", expire_days=5), LifecycleRule("2", "data/", expire_days=5)],
        [
            LifecycleRule("1", "logs/", expire_days=50),
            LifecycleRule("2", tag=("k", "v"), expire_days=5),
        ],
    ],
    ids=["other actions", "other prefixes", "an exception by tag"],
)
def test_no_conflict(rules: list[LifecycleRule]) -> None:
    """Rules that do different things, or to different objects, may stand together."""
    assert problems(rules, UNVERSIONED) == ()


def test_mfa_delete() -> None:
    """No lifecycle stands on a bucket with MFA delete."""
    state = State(versioned=False, mfa_delete=True)
    (found,) = problems([LifecycleRule("a", "p/", expire_days=5)], state)
    assert found.says == "Lifecycle configuration on MFA-enabled buckets is not supported"
    assert found.refused


UNWISE = {
    "bytes behind markers": (LifecycleRule("a", "p/", expire_days=5), State(), "billed, for ever"),
    "nothing to clean": (
        LifecycleRule("a", "p/", noncurrent_days=5),
        UNVERSIONED,
        "the bucket is not versioned",
    ),
    "locked longer": (
        LifecycleRule("a", "p/", expire_days=5, noncurrent_days=2),
        State(lock_days=8),
        "before Object Lock releases them after 8 days",
    ),
    "below the floor": (
        LifecycleRule("a", "p/", smaller_than=128 << 10, transitions=(Transition(1, "GLACIER"),)),
        UNVERSIONED,
        "it has no effect",
    ),
    "billed as 128 KB": (
        LifecycleRule("a", "p/", larger_than=500, transitions=(Transition(1, "GLACIER_IR"),)),
        UNVERSIONED,
        "billed as 131072",
    ),
}


@pytest.mark.parametrize("example", UNWISE)
def test_taken_but_not_what_it_seems(example: str) -> None:
    """What AWS takes and does not do as it seems is told, and is no refusal."""
    rule, state, says = UNWISE[example]
    (found,) = problems([rule], state)
    assert says in found.says
    assert not found.refused
    assert "AWS answers" not in str(found)


def test_locked_as_long() -> None:
    """Object Lock as long as the object's life is no conflict."""
    rule = LifecycleRule("a", "p/", expire_days=5, noncurrent_days=2)
    assert problems([rule], State(lock_days=7)) == ()
