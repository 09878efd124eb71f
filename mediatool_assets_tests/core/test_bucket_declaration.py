"""The spec's lifecycle table, line by line, and what AWS has to say about what is declared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.bucket.rules import SPEC, additional_rules
from mediatool_assets.core.authenticity import entry_key
from mediatool_assets.core.bucket import (
    LIFECYCLE,
    Declaration,
    LifecycleRule,
    State,
    Transition,
    canonical,
    prefix_of,
    problems,
)
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import (
    MARKS_KEY,
    RECORDS_PREFIX,
    REGISTRY_KEY,
    RESTORES_PREFIX,
    STAGING_PREFIX,
    VERDICTS_PREFIX,
    Version,
    archive_key,
    metadata_key,
)

VERSION = Version.parse("20250621-143000")
RULES = {rule.id: rule for rule in LIFECYCLE}


def tier(rule: LifecycleRule, day: int) -> str:
    """The storage class of an object that is so many days old; ``deleted`` when it is gone."""
    if rule.expire_days is not None and day >= rule.expire_days:
        return "deleted"
    passed = [step.storage_class for step in rule.transitions if day >= step.days]
    return passed[-1] if passed else "STANDARD"


RAW = [
    ("Keep latest 30 days in STANDARD storage", 29, "STANDARD"),
    ("Move to STANDARD_IA after 30 days", 30, "STANDARD_IA"),
    ("still there the day before the next", 89, "STANDARD_IA"),
    ("Move to GLACIER after 90 days", 90, "GLACIER"),
    ("kept until then", 729, "GLACIER"),
    ("Delete after 2 years", 730, "deleted"),
]


@pytest.mark.parametrize(("line", "day", "where"), RAW, ids=[line for line, *_ in RAW])
def test_raw_exports(line: str, day: int, where: str) -> None:
    """Raw exports go where the spec says, on the day that it says."""
    assert tier(RULES["raw"], day) == where
    assert tier(SPEC[0], day) == where


TRANSFORMED = [
    ("Keep latest 7 days in STANDARD storage", 6, "STANDARD", "STANDARD"),
    ("Move to STANDARD_IA after 7 days", 7, "STANDARD_IA", "GLACIER_IR"),
    ("Move to GLACIER after 30 days", 30, "GLACIER", "GLACIER_IR"),
    ("kept until then", 364, "GLACIER", "GLACIER_IR"),
    ("Delete after 1 year", 365, "deleted", "deleted"),
]


@pytest.mark.parametrize(
    ("line", "day", "spec", "here"), TRANSFORMED, ids=[line for line, *_ in TRANSFORMED]
)
def test_transformed_exports(line: str, day: int, spec: str, here: str) -> None:
    """Transformed exports leave STANDARD and go on the spec's days, to another class."""
    assert tier(SPEC[1], day) == spec
    assert tier(RULES["transformed"], day) == here


def test_the_spec_is_refused_for_transformed_exports_only() -> None:
    """AWS takes the spec's rule for raw exports, and refuses that for transformed ones."""
    raw, transformed = SPEC
    unversioned = State(versioned=False)
    assert problems([raw], unversioned) == ()
    assert next(problem.says for problem in problems([transformed], unversioned)) == (
        "'Days' in Transition action must be greater than or equal to 30 for storageClass "
        "'STANDARD_IA'"
    )


def test_metadata() -> None:
    """Keep in STANDARD storage indefinitely (small files)."""
    assert tier(RULES["metadata"], 100_000) == "STANDARD"


def test_test_exports() -> None:
    """Delete test/development exports after 7 days."""
    rule = RULES["testing"]
    assert (rule.tag, rule.prefix) == (("purpose", "testing"), "")
    assert (tier(rule, 6), tier(rule, 7)) == ("STANDARD", "deleted")


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        (archive_key("raw", VERSION), "raw"),
        (archive_key("transformed", VERSION), "transformed"),
        (archive_key("dump", VERSION), "dumps"),
        (archive_key("sanitized", VERSION), "sanitized"),
        (metadata_key(VERSION), "metadata"),
        (REGISTRY_KEY, "registry"),
        (RESTORES_PREFIX + "2025-06-21/20250621-143000-x.json", "restores"),
        (VERDICTS_PREFIX + "2025-06-21/x.json", "verdicts"),
        (entry_key(1), "chain"),
        (MARKS_KEY, "marks"),
        ("comparison-reports/2025-06-21/data-integrity-report.json", "reports"),
        ("postgres-exports/rds-exports/2025-06-21/export-20250621-143000/x", "rds-exports"),
        (STAGING_PREFIX + "export-1f/0-0-2e", "staging"),
        (RECORDS_PREFIX + "posture/2025-06-21.json", "records"),
        ("dagster-logs/storage/run/compute_logs/x.out", "dagster-logs"),
    ],
)
def test_every_key_has_its_rule(key: str, rule: str) -> None:
    """Of the rules by prefix exactly one is for each object that there can be."""
    prefixed = [each for each in LIFECYCLE if each.prefix]
    assert [each.id for each in prefixed if key.startswith(each.prefix)] == [rule]


@pytest.mark.parametrize("lock_days", [None, 8])
def test_nothing_is_wrong_with_the_declaration(lock_days: int | None) -> None:
    """AWS takes it, and it does what it seems to; Object Lock to the shortest life included."""
    declared = Declaration("b", lock_days=lock_days)
    assert problems(declared.lifecycle, declared.state) == ()


def test_a_lock_beyond_the_shortest_life() -> None:
    """A longer lock is told of, by every rule that it holds up."""
    declared = Declaration("b", lock_days=38)
    found = problems(declared.lifecycle, declared.state)
    assert {problem.rule for problem in found} == {"sanitized", "rds-exports", "staging", "testing"}
    assert not any(problem.refused for problem in found)


def test_every_choice_has_its_reason() -> None:
    """Where the spec's table says nothing of a rule, the reason for what was chosen is there."""
    assert set(additional_rules()) == set(RULES) - {"raw", "transformed", "metadata"}


def test_of_settings() -> None:
    """Bucket, key, lock and target of the logs come from the settings."""
    environ = {
        "S3_BUCKET": "b",
        "S3_KMS_KEY_ID": "k",
        "S3_OBJECT_LOCK_DAYS": "30",
        "S3_LOG_BUCKET": "logs",
    }
    settings = Settings.parse({f"MEDIATOOL_{name}": value for name, value in environ.items()})
    assert Declaration.of(settings) == Declaration("b", "k", 30, "logs")
    assert Declaration.of(settings).state == State(True, False, 30)


NUMBERS = st.none() | st.integers(1, 4000)


@given(
    st.builds(
        LifecycleRule,
        id=st.text(min_size=1, max_size=9),
        prefix=st.sampled_from(["", "p/", "p/q/"]),
        tag=st.none() | st.just(("k", "v")),
        larger_than=NUMBERS,
        smaller_than=NUMBERS,
        transitions=st.sampled_from(
            [(), (Transition(3, "GLACIER"), Transition(93, "DEEP_ARCHIVE"))]
        ),
        expire_days=NUMBERS,
        markers=st.booleans(),
        noncurrent_days=NUMBERS,
        abort_days=NUMBERS,
    )
)
def test_a_rule_survives_its_document(rule: LifecycleRule) -> None:
    """What is put is in the one form in which rules are compared, whatever the rule says."""
    assert canonical(rule.document()) == rule.document()
    assert prefix_of(rule.document()) == rule.prefix


def test_documents_of_rules() -> None:
    """One condition stands alone in a filter, several stand below And."""
    tagged = LifecycleRule("a", tag=("k", "v"), expire_days=1)
    assert tagged.document()["Filter"] == {"Tag": {"Key": "k", "Value": "v"}}
    both = LifecycleRule("a", "p/", ("k", "v"), 1, 2, (Transition(1, "GLACIER"),), 3, False, 4)
    assert both.document() == {
        "ID": "a",
        "Status": "Enabled",
        "Filter": {
            "And": {
                "Prefix": "p/",
                "Tags": [{"Key": "k", "Value": "v"}],
                "ObjectSizeGreaterThan": 1,
                "ObjectSizeLessThan": 2,
            }
        },
        "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}],
        "Expiration": {"Days": 3},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 4},
    }


def test_every_source_of_a_bucket_has_the_rules() -> None:
    """By its prefix; what is about the whole bucket is declared once, and AWS takes all of it."""
    settings = Settings.parse({"MEDIATOOL_SOURCE": "shop", "MEDIATOOL_S3_PREFIXES": "/,shop/"})
    declared = Declaration.of(settings)
    assert declared.place == "media-tool-backups/shop"
    assert problems(declared.lifecycle, declared.state) == problems(LIFECYCLE, declared.state)
    found = {rule.id: rule for rule in declared.lifecycle}
    assert len(found) == 2 * len(LIFECYCLE) - 3
    assert found["shop/raw"].prefix == "shop/postgres-exports/raw/"
    assert found["raw"] == RULES["raw"]
    assert additional_rules(declared.lifecycle)["shop/dumps"] == additional_rules()["dumps"]
    assert Declaration.of(Settings.parse({})).lifecycle == LIFECYCLE
