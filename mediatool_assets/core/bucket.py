"""AWS's rules for lifecycle rules, checked before any call: emulators accept what AWS refuses.

Sources: "Transitioning objects using Amazon S3 Lifecycle", "Lifecycle configuration elements" and
"How Amazon S3 handles conflicts in lifecycle configurations" in the S3 user guide, and AWS's own
answers as its users have reported them. For MFA delete, the number of rules and size filters no
reported answer was found; there the message is the guide's sentence, or modelled on a similar one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

from mediatool_assets.domain.bucket.lifecycle import LifecycleRule, StorageClass, Transition

WATERFALL: tuple[StorageClass, ...] = (
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
"""Objects move in this direction only."""

MINIMUM_DAYS = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
FROM_INFREQUENT_ACCESS = 30  # days in STANDARD_IA or ONEZONE_IA before a later class
FROM_GLACIER = 90  # days in GLACIER before DEEP_ARCHIVE
SMALLEST_MOVED = 128 << 10  # bytes; smaller objects are billed as this in IA and GLACIER_IR
MOST_RULES = 1000
LONGEST_ID = 255


class State(NamedTuple):
    """Properties of the bucket that affect its lifecycle; ``lock_days``: default retention."""

    versioned: bool = True
    mfa_delete: bool = False
    lock_days: int | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationProblem:
    """One problem of a configuration.

    ``refused``: AWS answers 400 with the message ``says``. Otherwise AWS accepts the rule, which
    has no effect or an unexpected one.
    """

    rule: str
    says: str
    refused: bool = True

    def __str__(self) -> str:
        """One line."""
        return f"lifecycle rule {self.rule}: {'AWS answers: ' if self.refused else ''}{self.says}"


AS_DECLARED = State()


def problems(
    rules: Sequence[LifecycleRule], state: State = AS_DECLARED
) -> tuple[ConfigurationProblem, ...]:
    """Every problem of the rules on a bucket in that state.

    The default state is a versioned bucket without MFA delete and without Object Lock.
    """
    found = [*_of_all(rules, state), *_overlaps(rules)]
    for rule in rules:
        for says in (*_of_numbers(rule), *_of_transitions(rule), *_of_filter(rule)):
            found.append(ConfigurationProblem(rule.id, says))
        for says in _unwise(rule, state):
            found.append(ConfigurationProblem(rule.id, says, refused=False))
    return tuple(found)


def _of_all(rules: Sequence[LifecycleRule], state: State) -> Iterator[ConfigurationProblem]:
    if len(rules) > MOST_RULES:
        says = f"The number of lifecycle rules must not exceed the allowed limit of {MOST_RULES}"
        yield ConfigurationProblem("(all)", says)
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            yield ConfigurationProblem(
                rule.id, "Rule ID must be unique. Found same ID for more than one rule"
            )
        seen.add(rule.id)
        if len(rule.id) > LONGEST_ID:
            yield ConfigurationProblem(
                rule.id, f"ID length should not exceed allowed limit of {LONGEST_ID}"
            )
    if state.mfa_delete and rules:
        says = "Lifecycle configuration on MFA-enabled buckets is not supported"
        yield ConfigurationProblem("(all)", says)


def _of_numbers(rule: LifecycleRule) -> Iterator[str]:
    if any(step.days < 0 for step in rule.transitions):
        yield "'Days' in Transition action must be nonnegative"
    for name, action, days in (
        ("Days", "Expiration", rule.expire_days),
        ("NoncurrentDays", "NoncurrentVersionExpiration", rule.noncurrent_days),
        ("DaysAfterInitiation", "AbortIncompleteMultipartUpload", rule.abort_days),
    ):
        if days is not None and days < 1:
            yield f"'{name}' for {action} action must be a positive integer"
    if not (
        rule.transitions or rule.expire_days or rule.markers or rule.noncurrent_days
        or rule.abort_days
    ):  # fmt: skip
        yield "At least one action needs to be specified in a rule"


def _of_transitions(rule: LifecycleRule) -> Iterator[str]:
    where = f"(prefix={rule.prefix})"
    classes = [step.storage_class for step in rule.transitions]
    if len(set(classes)) < len(classes):
        yield f"'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '{where}'"  # noqa: E501  # AWS's own words
    for step in rule.transitions:
        least = MINIMUM_DAYS.get(step.storage_class, 0)
        if 0 <= step.days < least:
            yield f"'Days' in Transition action must be greater than or equal to {least} for storageClass '{step.storage_class}'"  # noqa: E501  # AWS's own words
    order = sorted(rule.transitions, key=lambda step: WATERFALL.index(step.storage_class))
    for earlier, later in pairwise(order):
        if earlier.storage_class != later.storage_class:
            yield from _of_pair(where, earlier, later)
    last = max((step.days for step in rule.transitions), default=None)
    if rule.expire_days is not None and last is not None and rule.expire_days <= last:
        yield f"'Days' in the Expiration action for filter '{where}' must be greater than 'Days' in the Transition action"  # noqa: E501  # AWS's own words


def _of_pair(where: str, earlier: Transition, later: Transition) -> Iterator[str]:
    """Problems of two consecutive transitions."""
    apart = later.days - earlier.days
    least = 0
    if earlier.storage_class in MINIMUM_DAYS:
        least = FROM_INFREQUENT_ACCESS
    elif earlier.storage_class == "GLACIER":
        least = FROM_GLACIER
    if least and apart < least:
        yield f"'Days' in the 'Transition' action for StorageClass '{later.storage_class}' for filter '{where}' must be {least} days more than 'filter '{where}'' in the 'Transition' action for StorageClass '{earlier.storage_class}'"  # noqa: E501  # AWS's own words
    elif apart <= 0:
        yield f"'Days' in the 'Transition' action for StorageClass '{later.storage_class}' for filter '{where}' must be greater than 'filter '{where}'' in the 'Transition' action for StorageClass '{earlier.storage_class}'"  # noqa: E501  # AWS's own words


def _of_filter(rule: LifecycleRule) -> Iterator[str]:
    sized = rule.larger_than is not None or rule.smaller_than is not None
    if rule.abort_days is not None and (rule.tag or sized):
        what = "Tags" if rule.tag else "Object Size"
        yield f"AbortIncompleteMultipartUpload cannot be specified with {what}."
    if rule.markers and rule.expire_days is not None:
        yield (
            "The XML you provided was not well-formed or did not validate against our published "
            "schema (ExpiredObjectDeleteMarker cannot be specified with Days)"
        )
    if rule.markers and (rule.tag or sized):
        what = "Tags" if rule.tag else "Object Size"
        yield (
            "The XML you provided was not well-formed or did not validate against our published "
            f"schema (ExpiredObjectDeleteMarker cannot be specified with {what})"
        )
    if (
        rule.larger_than is not None
        and rule.smaller_than is not None
        and rule.smaller_than <= rule.larger_than
    ):
        yield "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'"


def _unwise(rule: LifecycleRule, state: State) -> Iterator[str]:
    """Rules that AWS accepts but that do not do what they seem to."""
    if rule.transitions and rule.smaller_than is not None and rule.smaller_than <= SMALLEST_MOVED:
        yield (
            f"moves only objects below {rule.smaller_than} bytes, and AWS moves none below "
            f"{SMALLEST_MOVED} by default: it has no effect"
        )
    elif rule.transitions and rule.larger_than is not None and rule.larger_than < SMALLEST_MOVED:
        yield (
            f"moves objects from {rule.larger_than} bytes, which are billed as {SMALLEST_MOVED} "
            "in STANDARD_IA, ONEZONE_IA and GLACIER_IR"
        )
    if not state.versioned and rule.noncurrent_days is not None:
        yield "cleans up noncurrent versions, and the bucket is not versioned: it has no effect"
    if state.versioned and rule.expire_days is not None and rule.noncurrent_days is None:
        yield (
            "expires objects of a versioned bucket without NoncurrentVersionExpiration: the bytes "
            "stay behind delete markers, and are billed, for ever"
        )
    if (
        state.lock_days is not None
        and rule.expire_days is not None
        and rule.expire_days + (rule.noncurrent_days or 0) < state.lock_days
    ):
        yield (
            f"expires objects before Object Lock releases them after {state.lock_days} days: "
            "they stay, and are billed, until then"
        )


def _overlaps(rules: Sequence[LifecycleRule]) -> Iterator[ConfigurationProblem]:
    """Pairs of rules with the same action on the same objects; S3 takes the sooner or cheaper one.

    A rule with a tag or a size is an intended exception. Two plain prefixes are a mistake.
    """
    plain = [rule for rule in rules if not (rule.tag or rule.larger_than or rule.smaller_than)]
    for one, other in combinations(plain, 2):
        if not (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)):
            continue
        for action in _actions(one) & _actions(other):
            yield ConfigurationProblem(
                other.id,
                f"Found overlapping prefixes '{one.prefix}' and '{other.prefix}' for same action "
                f"type '{action}' (rule {one.id}); S3 takes the sooner or the cheaper of the two",
                refused=False,
            )


def _actions(rule: LifecycleRule) -> set[str]:
    done = {
        "Transition": bool(rule.transitions),
        "Expiration": rule.expire_days is not None,
        "ExpiredObjectDeleteMarker": rule.markers,
        "NoncurrentVersionExpiration": rule.noncurrent_days is not None,
        "AbortIncompleteMultipartUpload": rule.abort_days is not None,
    }
    return {action for action, does in done.items() if does}
