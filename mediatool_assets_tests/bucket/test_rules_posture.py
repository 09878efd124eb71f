"""Verdicts: pass for what is surely as declared, fail for what differs, unknown for the rest."""

from collections import Counter
from typing import Any

import pytest

from mediatool_assets.bucket.rules import Control, controls
from mediatool_assets.core.bucket import LIFECYCLE, Declaration
from mediatool_assets.core.bucket_policies import ASPECTS, Aspect, LiveAspect, LoggingTrails
from mediatool_assets_tests.bucket_twin import RECORDED, as_declared, unknown

PLAIN = Declaration("b")
FULL = Declaration("b", "alias/backups", 8, "logs")

ABOUT: dict[Aspect, set[str]] = {
    "ownership": {"ownership"},
    "public-access": {"public-access"},
    "encryption": {"encryption-kms"},
    "versioning": {"versioning"},
    "object-lock": {"object-lock"},
    "logging": {"access-logging"},
    "lifecycle": {f"lifecycle:{rule.id}" for rule in LIFECYCLE} | {"lifecycle:undeclared"},
    "policy": {"tls-only", "delete-needs-mfa", "no-public-statement"},
}


def verdicts(found: tuple[Control, ...], verdict: str) -> set[str]:
    """The names of the controls with that verdict."""
    return {control.name for control in found if control.verdict == verdict}


@pytest.mark.parametrize("declared", [PLAIN, FULL], ids=["plain", "full"])
def test_all_pass(declared: Declaration) -> None:
    """A bucket that is just as declared passes every control, each of which is there once."""
    found = controls(declared, as_declared(declared), RECORDED)
    assert {control.verdict for control in found} == {"passed"}
    assert set(Counter(control.name for control in found).values()) == {1}
    assert not any(control.commands for control in found)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_unknown_is_never_safe(aspect: Aspect) -> None:
    """Of an aspect that cannot be looked at no control passes, and no other suffers."""
    found = controls(FULL, as_declared(FULL) | unknown(aspect), RECORDED)
    assert verdicts(found, "unknown") == ABOUT[aspect]
    assert verdicts(found, "failed") == set()
    assert {control.says for control in found if control.verdict == "unknown"} == {"access denied"}


@pytest.mark.parametrize("aspect", ASPECTS)
def test_what_is_not_set_fails(aspect: Aspect) -> None:
    """Every aspect that is not set fails its controls, and the command that sets it is told."""
    found = controls(FULL, as_declared(FULL) | {aspect: LiveAspect()}, RECORDED)
    passing = {"no-public-statement", "lifecycle:undeclared"}  # nothing is there that could fail
    assert verdicts(found, "failed") == ABOUT[aspect] - passing
    for control in found:
        if control.verdict == "failed":
            assert control.commands[0].startswith("aws s3api put-")
            assert " --bucket b " in control.commands[0]


DIFFERENT: dict[str, tuple[Aspect, Any, str]] = {
    "acls": ("ownership", {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}, "ownership"),
    "a block off": (
        "public-access",
        {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": True,
        },
        "public-access",
    ),
    "suspended": ("versioning", {"Status": "Suspended"}, "versioning"),
    "another key": (
        "encryption",
        {
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {
                        "SSEAlgorithm": "aws:kms",
                        "KMSMasterKeyID": "alias/other",
                    }
                }
            ]
        },
        "encryption-kms",
    ),
    "a shorter lock": (
        "object-lock",
        {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
        "object-lock",
    ),
    "a lock without retention": ("object-lock", {"ObjectLockEnabled": "Enabled"}, "object-lock"),
    "other logs": ("logging", {"LoggingEnabled": {"TargetBucket": "x"}}, "access-logging"),
}


@pytest.mark.parametrize("example", DIFFERENT)
def test_what_differs_fails(example: str) -> None:
    """What is there and is not as declared fails its control, and no other."""
    aspect, document, name = DIFFERENT[example]
    found = controls(FULL, as_declared(FULL) | {aspect: LiveAspect(document)}, RECORDED)
    assert verdicts(found, "failed") == {name}


def edited(change: Any) -> dict[Aspect, LiveAspect]:
    """The declared lifecycle, changed by hand."""
    live = as_declared(PLAIN)
    document = live["lifecycle"].document
    assert document is not None
    rules = [dict(rule) for rule in document["Rules"]]
    more = change({rule["ID"]: rule for rule in rules}) or []
    return live | {"lifecycle": LiveAspect({**document, "Rules": [*rules, *more]})}


def test_a_rule_that_is_switched_off() -> None:
    """A rule that is disabled fails, and the others stand."""
    live = edited(lambda rules: rules["raw"].update(Status="Disabled"))
    assert verdicts(controls(PLAIN, live, RECORDED), "failed") == {"lifecycle:raw"}


def test_a_rule_with_other_days() -> None:
    """A rule that deletes on another day fails."""
    live = edited(lambda rules: rules["dumps"].update(Expiration={"Days": 366}))
    assert verdicts(controls(PLAIN, live, RECORDED), "failed") == {"lifecycle:dumps"}


def test_a_rule_that_nobody_declared() -> None:
    """A rule beside the declared ones is found by name."""
    live = edited(lambda _: [{"ID": "mine", "Status": "Enabled", "Expiration": {"Days": 1}}])
    (control,) = (c for c in controls(PLAIN, live, RECORDED) if c.verdict == "failed")
    assert (control.name, control.says) == (
        "lifecycle:undeclared",
        "rules that are not declared: mine",
    )


def test_small_objects_that_move() -> None:
    """A bucket that moves small objects too is not as declared."""
    live = as_declared(PLAIN)
    document = {**(live["lifecycle"].document or {}), "SizeFloor": "varies_by_storage_class"}
    found = controls(PLAIN, live | {"lifecycle": LiveAspect(document)}, RECORDED)
    assert verdicts(found, "failed") == {"lifecycle:undeclared"}


def test_other_spellings_of_a_rule() -> None:
    """Empty filters, prefixes outside of them and transitions out of order are the same rule."""

    def change(rules: dict[str, Any]) -> None:
        rules["raw"].pop("Filter")
        rules["raw"].update(Prefix="postgres-exports/raw/")
        rules["raw"].update(Transitions=rules["raw"]["Transitions"][::-1])
        rules["clean-up"].update(Filter={})
        rules["dumps"].update(Filter={"And": {"Prefix": "mongodb-dumps/"}})
        rules["dumps"]["Expiration"] = {"Days": 365, "ExpiredObjectDeleteMarker": False}

    assert verdicts(controls(PLAIN, edited(change), RECORDED), "failed") == set()


def test_a_statement_that_opens_the_bucket() -> None:
    """Whatever else the policy says, allowing something to everybody fails."""
    live = as_declared(PLAIN)
    policy = live["policy"].document or {}
    opening = {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    opened = {**policy, "Statement": [*policy["Statement"], opening]}
    (control,) = (
        c
        for c in controls(PLAIN, live | {"policy": LiveAspect(opened)}, RECORDED)
        if c.verdict == "failed"
    )
    assert control.name == "no-public-statement"
    assert "Open" in control.says


def test_a_condition_that_nobody_knows() -> None:
    """Is never shown as safe."""
    live = as_declared(PLAIN)
    policy = live["policy"].document or {}
    tls = {"Bool": {"aws:SecureTransport": "true"}}
    odd = {"Sid": "Odd", "Effect": "Allow", "Principal": "*", "Condition": tls}
    odd_policy = {**policy, "Statement": [*policy["Statement"], odd]}
    found = controls(PLAIN, live | {"policy": LiveAspect(odd_policy)}, RECORDED)
    (control,) = (c for c in found if c.name == "no-public-statement")
    assert control.verdict == "unknown"
    assert "Odd" in control.says


@pytest.mark.parametrize(
    ("trails", "verdict"),
    [
        (LoggingTrails(), "failed"),
        (LoggingTrails(unknown="access denied"), "unknown"),
        (RECORDED, "passed"),
    ],
)
def test_data_events(trails: LoggingTrails, verdict: str) -> None:
    """CloudTrail is looked at; the commands that record data events are told unless they are."""
    *_, control = controls(FULL, as_declared(FULL), trails)
    assert (control.name, control.verdict) == ("data-events", verdict)
    assert [line.split()[2] for line in control.commands] == (
        [] if verdict == "passed" else ["create-trail", "put-event-selectors", "start-logging"]
    )


def test_a_key_by_its_resource_name() -> None:
    """A key that was declared by its id is the one that the bucket tells by its full name."""
    for key, name in (
        ("12-ab", "arn:aws:kms:eu-west-1:1:key/12-ab"),
        ("alias/x", "arn:aws:kms:eu-west-1:1:alias/x"),
    ):
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": name}
        live = as_declared(PLAIN) | {
            "encryption": LiveAspect({"Rules": [{"ApplyServerSideEncryptionByDefault": default}]})
        }
        found = controls(Declaration("b", key), live, RECORDED)
        assert "encryption-kms" in verdicts(found, "passed")


def test_ids_of_other_tools() -> None:
    """Controls name the checks of Prowler and Checkov that they answer to."""
    found = {c.name: c for c in controls(FULL, as_declared(FULL), RECORDED)}
    assert "CKV_AWS_145" in found["encryption-kms"].checkov
    assert "CKV_AWS_300" in found["lifecycle:clean-up"].checkov
    assert found["tls-only"].prowler == ("s3_bucket_secure_transport_policy",)
    assert all(control.prowler or control.checkov for control in found.values())
