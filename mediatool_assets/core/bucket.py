"""The bucket as it should be: its declaration, AWS's rules, and its lifecycle as documents.

The declared configuration of the bucket.

AWS's rules for lifecycle rules, checked before any call: emulators accept what AWS refuses.

Sources: "Transitioning objects using Amazon S3 Lifecycle", "Lifecycle configuration elements" and
"How Amazon S3 handles conflicts in lifecycle configurations" in the S3 user guide, and AWS's own
answers as its users have reported them. For MFA delete, the number of rules and size filters no
reported answer was found; there the message is the guide's sentence, or modelled on a similar one.

Lifecycle rules as values, and as the documents of S3's API.

Parses the lifecycle rules of a live bucket; unsupported rules are reported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any, Literal, NamedTuple, get_args

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import (
    CHAIN_PREFIX,
    DUMPS_PREFIX,
    LOGS_PREFIX,
    MARKS_KEY,
    METADATA_PREFIX,
    RAW_PREFIX,
    RDS_EXPORTS_PREFIX,
    RECORDS_PREFIX,
    REGISTRY_KEY,
    REPORTS_PREFIX,
    RESTORES_PREFIX,
    SANITIZED_PREFIX,
    STAGING_PREFIX,
    TRANSFORMED_PREFIX,
    VERDICTS_PREFIX,
)

StorageClass = Literal[
    "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"
]

Document = Mapping[str, Any]
"""JSON as the S3 API and `aws s3api` take it."""

SIZE_FLOOR = "all_storage_classes_128K"
"""AWS's default since September 2024: nothing smaller than 128 KB changes its storage class."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Objects move to ``storage_class`` this many days after their creation."""

    days: int
    storage_class: StorageClass


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """One lifecycle rule. Days count from an object's creation, or from its replacement.

    ``tag`` is a key and its value; ``larger_than`` and ``smaller_than`` are bytes. ``markers``:
    remove delete markers without any noncurrent version. ``abort_days``: abort multipart uploads
    that are still unfinished after this many days.
    """

    id: str
    prefix: str = ""
    tag: tuple[str, str] | None = None
    larger_than: int | None = None
    smaller_than: int | None = None
    transitions: tuple[Transition, ...] = ()
    expire_days: int | None = None
    markers: bool = False
    noncurrent_days: int | None = None
    abort_days: int | None = None

    def document(self) -> dict[str, Any]:
        """The rule in the form of S3's API."""
        document: dict[str, Any] = {"ID": self.id, "Status": "Enabled", "Filter": self._filter()}
        if self.transitions:
            document["Transitions"] = [
                {"Days": step.days, "StorageClass": step.storage_class} for step in self.transitions
            ]
        expiration: dict[str, Any] = {}
        if self.expire_days is not None:
            expiration["Days"] = self.expire_days
        if self.markers:
            expiration["ExpiredObjectDeleteMarker"] = True
        if expiration:
            document["Expiration"] = expiration
        if self.noncurrent_days is not None:
            document["NoncurrentVersionExpiration"] = {"NoncurrentDays": self.noncurrent_days}
        if self.abort_days is not None:
            document["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": self.abort_days}
        return document

    def _filter(self) -> dict[str, Any]:
        """One condition is written directly; several are written below ``And``."""
        parts: dict[str, Any] = {"Prefix": self.prefix} if self.prefix else {}
        if self.tag:
            parts["Tag"] = {"Key": self.tag[0], "Value": self.tag[1]}
        if self.larger_than is not None:
            parts["ObjectSizeGreaterThan"] = self.larger_than
        if self.smaller_than is not None:
            parts["ObjectSizeLessThan"] = self.smaller_than
        if len(parts) < 2:
            return parts or {"Prefix": ""}
        if "Tag" in parts:
            parts["Tags"] = [parts.pop("Tag")]
        return {"And": parts}

    def __str__(self) -> str:
        """What the rule does, in a line."""
        steps = [f"{step.storage_class} at {step.days} d" for step in self.transitions]
        if self.expire_days is not None:
            steps.append(f"expires at {self.expire_days} d")
        elif not self.abort_days:
            steps.append("kept")
        if self.noncurrent_days is not None:
            steps.append(f"replaced or deleted versions expire after {self.noncurrent_days} d")
        if self.markers:
            steps.append("delete markers without versions are removed")
        if self.abort_days is not None:
            steps.append(f"unfinished uploads are aborted after {self.abort_days} d")
        return ", ".join(steps)


def configuration(rules: Sequence[LifecycleRule]) -> dict[str, Any]:
    """The document to put: the rules, and that objects below 128 KB are not moved."""
    return {"Rules": [rule.document() for rule in rules], "SizeFloor": SIZE_FLOOR}


def canonical(rule: Document) -> dict[str, Any]:
    """A rule of a live bucket in the form of ``LifecycleRule.document``, for comparison.

    Older rules have their prefix outside the filter; servers return empty filters in several forms.
    """
    plain = {key: value for key, value in rule.items() if value not in (None, [], {})}
    where = dict(rule.get("Filter") or {})
    if "Prefix" in plain:
        where.setdefault("Prefix", plain.pop("Prefix"))
    both = where.get("And")
    if both is not None and len(both) == 1 and "Prefix" in both:
        where = dict(both)
    plain["Filter"] = where or {"Prefix": ""}
    if "Transitions" in plain:
        plain["Transitions"] = sorted(plain["Transitions"], key=lambda step: step.get("Days", 0))
    if expiration := plain.get("Expiration"):
        kept = {key: value for key, value in expiration.items() if value not in (None, False)}
        plain["Expiration"] = kept
    return plain


def prefix_of(rule: Document) -> str:
    """The prefix of a rule in its canonical form; empty if it applies to every key."""
    where = rule["Filter"]
    prefix: str = where.get("Prefix") or where.get("And", {}).get("Prefix") or ""
    return prefix


def rules_below(configuration: Document, prefix: str) -> dict[str, Any]:
    """The rules that reach objects below a prefix, with their own prefixes relative to it."""
    found = []
    for rule in map(canonical, configuration.get("Rules", ()) if prefix else ()):
        whole, where = prefix_of(rule), rule["Filter"]
        if whole.startswith(prefix) or prefix.startswith(whole):
            rest = {"Prefix": whole[len(prefix) :]}
            both = {"And": where["And"] | rest} if "And" in where else where | rest
            found.append(rule | {"Filter": both})
    return {**configuration, "Rules": found} if prefix else dict(configuration)


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


TESTING = ("purpose", "testing")
"""The tag of every object of a version with the purpose ``testing``."""

UNDO_DAYS = 30
"""For how many days a replaced or deleted object can be restored. A month: then a look at the
bucket once a month is enough. Each day costs one day of storage in the object's class.
"""

LIFECYCLE = (
    LifecycleRule(
        id="raw",
        prefix=RAW_PREFIX,
        transitions=(Transition(30, "STANDARD_IA"), Transition(90, "GLACIER")),
        expire_days=730,
        noncurrent_days=UNDO_DAYS,
    ),
    LifecycleRule(
        id="transformed",
        prefix=TRANSFORMED_PREFIX,
        transitions=(Transition(7, "GLACIER_IR"),),  # see departures
        expire_days=365,
        noncurrent_days=UNDO_DAYS,
    ),
    LifecycleRule(id="metadata", prefix=METADATA_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="registry", prefix=REGISTRY_KEY, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="marks", prefix=MARKS_KEY, noncurrent_days=UNDO_DAYS),
    LifecycleRule(
        id="dumps",
        prefix=DUMPS_PREFIX,
        transitions=(Transition(7, "GLACIER_IR"),),
        expire_days=365,
        noncurrent_days=UNDO_DAYS,
    ),
    LifecycleRule(id="reports", prefix=REPORTS_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="restores", prefix=RESTORES_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="chain", prefix=CHAIN_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="verdicts", prefix=VERDICTS_PREFIX, noncurrent_days=UNDO_DAYS),
    LifecycleRule(id="records", prefix=RECORDS_PREFIX, expire_days=730, noncurrent_days=7),
    LifecycleRule(
        id="sanitized",
        prefix=SANITIZED_PREFIX,
        expire_days=30,
        noncurrent_days=7,
    ),
    LifecycleRule(
        id="rds-exports",
        prefix=RDS_EXPORTS_PREFIX,
        expire_days=30,
        noncurrent_days=7,
    ),
    LifecycleRule(id="staging", prefix=STAGING_PREFIX, expire_days=7, noncurrent_days=1),
    LifecycleRule(id="dagster-logs", prefix=LOGS_PREFIX, expire_days=90, noncurrent_days=7),
    LifecycleRule(id="testing", tag=TESTING, expire_days=7, noncurrent_days=1),
    LifecycleRule(id="clean-up", markers=True, abort_days=7),
)

_OF_THE_BUCKET = {"dagster-logs", "testing", "clean-up"}
"""Rules that are declared once, however many sources are in the bucket."""


def lifecycle_of(prefixes: Sequence[str]) -> tuple[LifecycleRule, ...]:
    """The rules of a bucket with sources below these prefixes: ``raw``, and ``shop/raw``."""
    return (
        *(
            replace(rule, id=prefix + rule.id, prefix=prefix + rule.prefix)
            for prefix in prefixes
            for rule in LIFECYCLE
            if rule.id not in _OF_THE_BUCKET
        ),
        *(rule for rule in LIFECYCLE if rule.id in _OF_THE_BUCKET),
    )


@dataclass(frozen=True, slots=True)
class SnapshotExportAccess:
    """What an export of RDS snapshots needs: the instance, the role that writes, and the key."""

    instance: str
    role_arn: str
    key_id: str

    @classmethod
    def of(cls, settings: Settings) -> "SnapshotExportAccess | None":
        """Taken from the settings; None unless all three are set."""
        parts = (settings.rds_instance, settings.rds_export_role_arn, settings.rds_kms_key_id)
        instance, role, key = parts
        return None if instance is None or role is None or key is None else cls(instance, role, key)


@dataclass(frozen=True, slots=True)
class Declaration:
    """The complete declared configuration of the bucket.

    ``kms_key_id`` None means SSE-S3. ``lock_days`` None means no Object Lock, else it is the
    default retention in GOVERNANCE mode. ``log_bucket`` None leaves access logging to the bucket's
    owner. The pipeline's role also gets rights for ``rds`` and ``alert_topic_arn``. Roles have
    rights below ``prefix``, that of one source. ``prefixes`` are those of all sources in the
    bucket.
    """

    bucket: str
    kms_key_id: str | None = None
    lock_days: int | None = None
    log_bucket: str | None = None
    lifecycle: tuple[LifecycleRule, ...] = LIFECYCLE
    rds: SnapshotExportAccess | None = None
    alert_topic_arn: str | None = None
    prefix: str = ""
    prefixes: tuple[str, ...] = ("",)

    @classmethod
    def of(cls, settings: Settings) -> "Declaration":
        """The declaration for the bucket that the settings name."""
        return cls(
            bucket=settings.s3_bucket,
            kms_key_id=settings.s3_kms_key_id,
            lock_days=settings.s3_object_lock_days,
            log_bucket=settings.s3_log_bucket,
            lifecycle=lifecycle_of(settings.s3_prefixes),
            rds=SnapshotExportAccess.of(settings),
            alert_topic_arn=settings.alert_sns_topic_arn,
            prefix=settings.s3_prefix,
            prefixes=settings.s3_prefixes,
        )

    @property
    def place(self) -> str:
        """The bucket, or the folder of one source in it, for display."""
        return f"{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def arn(self) -> str:
        """The bucket's Amazon resource name."""
        return f"arn:aws:s3:::{self.bucket}"

    @property
    def state(self) -> State:
        """The declared properties of the bucket that decide which lifecycle rules are valid."""
        return State(versioned=True, mfa_delete=False, lock_days=self.lock_days)


_UNDERSTOOD = {
    "ID",
    "Status",
    "Filter",
    "Transitions",
    "Expiration",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
}


@dataclass(frozen=True, slots=True)
class ParsedRules:
    """The enabled rules. ``floor``: whether AWS moves no object below 128 KB.

    ``not_understood`` holds a sentence for each rule, or part of one, that a LifecycleRule cannot
    hold.
    """

    rules: tuple[LifecycleRule, ...]
    floor: bool
    not_understood: tuple[str, ...]


def read(document: Document) -> ParsedRules:
    """Every enabled rule of a lifecycle configuration."""
    rules, doubts = [], []
    for number, each in enumerate(document.get("Rules", ())):
        if each.get("Status") != "Enabled":
            continue
        plain = canonical(each)
        name = plain.get("ID") or f"#{number + 1}"
        doubt = _doubt(plain)
        if doubt is None:
            rules.append(_rule(name, plain))
        else:
            doubts.append(f"rule {name} is left out: {doubt}")
    floor = document.get("SizeFloor", SIZE_FLOOR) == SIZE_FLOOR
    return ParsedRules(tuple(rules), floor, tuple(doubts))


def _doubt(plain: Document) -> str | None:
    """Why a rule in its canonical form cannot be a LifecycleRule; None if it can."""
    if more := sorted(set(plain) - _UNDERSTOOD):
        return f"{', '.join(more)} is not supported here"
    where = plain["Filter"].get("And", plain["Filter"])
    if len(where.get("Tags", ())) > 1:
        return "it asks for several tags"
    if plain.get("NoncurrentVersionExpiration", {}).get("NewerNoncurrentVersions"):
        return "it keeps a number of noncurrent versions"
    steps = [*plain.get("Transitions", ()), plain.get("Expiration", {})]
    if any("Date" in step for step in steps):
        return "it names a date"
    known = {*get_args(StorageClass)}
    if other := [s["StorageClass"] for s in steps[:-1] if s["StorageClass"] not in known]:
        return f"{', '.join(other)} is not a known storage class"
    return None


def _rule(name: str, plain: Document) -> LifecycleRule:
    where: dict[str, Any] = plain["Filter"].get("And", plain["Filter"])
    tag = where.get("Tag") or next(iter(where.get("Tags", ())), None)
    expiration = plain.get("Expiration", {})
    return LifecycleRule(
        id=name,
        prefix=where.get("Prefix", ""),
        tag=(tag["Key"], tag["Value"]) if tag else None,
        larger_than=where.get("ObjectSizeGreaterThan"),
        smaller_than=where.get("ObjectSizeLessThan"),
        transitions=tuple(
            Transition(step["Days"], step["StorageClass"]) for step in plain.get("Transitions", ())
        ),
        expire_days=expiration.get("Days"),
        markers=expiration.get("ExpiredObjectDeleteMarker", False),
        noncurrent_days=plain.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"),
        abort_days=plain.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
    )
