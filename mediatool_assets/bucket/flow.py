"""Plans, checks and sets the configuration of the bucket.

Records the posture of the bucket every day, and how it changed.

``postgres-exports/bucket/posture/{date}.json`` and ``.html`` hold the last record of the day.

Takes the inventory of the bucket: all billed objects, and the lifecycle rules.

The inventory of each day as a Parquet file in the bucket.

The key is ``postgres-exports/bucket/inventory/{date}.parquet``. The file's metadata holds, under
``mediatool``, the bucket, the time, the rules and the newest version's archives as JSON, so that
costs can be calculated again from the file alone.

Reads a table of prices: the shipped one, or a user's own.
"""

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from mediatool_assets import pages as storage
from mediatool_assets.bucket.rules import (
    Change,
    Control,
    Departure,
    Drift,
    PostureRecord,
    Prices,
    additional_rules,
    changes,
    controls,
    departures,
    drift,
    monthly_cost,
)
from mediatool_assets.core import bucket_policies
from mediatool_assets.core.bucket import (
    WATERFALL,
    Declaration,
    State,
    configuration,
    problems,
    read,
    rules_below,
)
from mediatool_assets.core.bucket_policies import (
    ASPECTS,
    Aspect,
    Live,
    LiveAspect,
    declared_documents,
)
from mediatool_assets.core.errors import BadSettings, DamagedInput, NotFound, Refused
from mediatool_assets.core.inventory import ActiveRules, ArchiveSizes, BilledInventory, StoredItem
from mediatool_assets.core.metadata import instant, uncompressed_bytes
from mediatool_assets.core.outcomes import worst
from mediatool_assets.core.texts import decoded
from mediatool_assets.core.version import RECORDS_PREFIX, Version
from mediatool_assets.pages import Card, Items, OutcomeCell, Page, Section, grid, html
from mediatool_assets.pages import keep as keep_page
from mediatool_assets.stores.ports import BucketSettings, ObjectStore
from mediatool_assets.versions import catalog


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """One lifecycle rule: what it does, and its cost in dollars a month per GB written each day.

    A cost of None means that it grows without limit, since nothing expires. ``reason`` is set for
    the rules that this package defines.
    """

    id: str
    applies_to: str
    does: str
    monthly: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The declaration as it would be set, with AWS's rules applied, costs and remarks."""

    bucket: str
    prices: Prices
    lifecycle: tuple[PlannedRule, ...]
    warnings: tuple[str, ...]
    departures: tuple[Departure, ...]
    settings: dict[Aspect, dict[str, Any]]
    documents: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Applied:
    """What was set, what already matched, and what could not be set: the reason and the command."""

    set: tuple[Aspect, ...]
    unchanged: tuple[Aspect, ...]
    failed: dict[Aspect, str]
    commands: tuple[str, ...]


def plan(declared: Declaration, prices: Prices) -> Plan:
    """Return the declaration with AWS's rules applied; contacts no server. Raises BadSettings."""
    reasons = additional_rules(declared.lifecycle)
    return Plan(
        bucket=declared.bucket,
        prices=prices,
        lifecycle=tuple(
            PlannedRule(
                rule.id,
                "=".join(rule.tag) if rule.tag else rule.prefix or "(everything)",
                str(rule),
                monthly_cost(rule, prices),
                reasons.get(rule.id),
            )
            for rule in declared.lifecycle
        ),
        warnings=_validated(declared, declared.state),
        departures=departures(declared, prices),
        settings=declared_documents(declared, {"policy": LiveAspect()}),
        documents=bucket_policies.documents(declared),
    )


def check(declared: Declaration, bucket: BucketSettings) -> tuple[Control, ...]:
    """Compare the live bucket with the declaration; changes nothing."""
    return controls(declared, read_aspects(bucket), bucket.trails())


def read_aspects(bucket: BucketSettings) -> dict[Aspect, LiveAspect]:
    """Read every aspect of the live bucket."""
    return {aspect: bucket.read(aspect) for aspect in ASPECTS}


def apply(
    declared: Declaration,
    bucket: BucketSettings,
    allowed: Collection[str],
    announce: Callable[[Change], None],
) -> Applied:
    """Set every aspect that differs, and announce all changes before the first is made.

    A second call sets nothing. Raises BadSettings if AWS would reject the rules, and Refused if a
    change weakens the bucket and its aspect is not in ``allowed``. In both cases nothing was set.
    """
    _validated(declared, declared.state._replace(mfa_delete=bool(bucket.mfa_delete())))
    live = read_aspects(bucket)
    found = changes(declared, live, secure=bucket.secure)
    for change in found:
        announce(change)
    _refuse(found, allowed)
    failed: dict[Aspect, str] = {}
    for change in found:
        if (why := bucket.write(change.aspect, change.after)) is not None:
            failed[change.aspect] = why
    want = declared_documents(declared, live)
    unseen = {each: seen.unknown for each, seen in live.items() if seen.unknown and each in want}
    return Applied(
        set=tuple(change.aspect for change in found if change.aspect not in failed),
        unchanged=_unchanged(want, live, found),
        failed={**failed, **unseen},
        commands=tuple(change.command for change in found if change.aspect in failed),
    )


def _unchanged(
    want: dict[Aspect, dict[str, Any]], live: Live, found: tuple[Change, ...]
) -> tuple[Aspect, ...]:
    changed = {change.aspect for change in found}
    return tuple(each for each in want if each not in changed and live[each].unknown is None)


def _validated(declared: Declaration, state: State) -> tuple[str, ...]:
    """Return warnings about rules that AWS accepts; raises BadSettings for those it rejects."""
    found = problems(declared.lifecycle, state)
    refused = [str(problem) for problem in found if problem.refused]
    if refused:
        raise BadSettings([*refused, "the bucket was not contacted; correct the declaration"])
    return tuple(str(problem) for problem in found)


def _refuse(found: tuple[Change, ...], allowed: Collection[str]) -> None:
    objected = [change for change in found if change.objections and change.aspect not in allowed]
    if objected:
        reasons = "; ".join(f"{each.aspect}: {', '.join(each.objections)}" for each in objected)
        options = " ".join(f"--allow {each.aspect}" for each in objected)
        raise Refused(
            f"this would weaken the bucket: {reasons}; nothing was set; to do it anyway, run "
            f"`mediatool bucket apply {options}`"
        )


POSTURE_PREFIX = RECORDS_PREFIX + "posture/"
COMMANDS = "Commands"
"""The title of the section with the commands to paste."""


@dataclass(frozen=True, slots=True)
class PostureChange:
    """The posture now, the last recorded posture, and the changes between them."""

    now: PostureRecord
    earlier: PostureRecord | None
    drift: tuple[Drift, ...]
    key: str


def record(
    declared: Declaration, bucket: BucketSettings, objects: ObjectStore, now: datetime
) -> PostureChange:
    """Check the bucket, compare it with the last record, and store the result as today's record."""
    found = PostureRecord(declared.bucket, instant(now), check(declared, bucket))
    earlier = last(objects)
    changed = drift(earlier, found)
    day = f"{POSTURE_PREFIX}{now:%Y-%m-%d}"
    keep_page(objects, f"{day}.json", found.to_json())
    keep_page(objects, f"{day}.html", html(page(found, changed)).encode())
    return PostureChange(found, earlier, changed, f"{day}.json")


def last(objects: ObjectStore) -> PostureRecord | None:
    """The newest record; None where there is none. Raises DamagedInput."""
    keys = [info.key for info in objects.list(POSTURE_PREFIX) if info.key.endswith(".json")]
    if not keys:
        return None
    try:
        return PostureRecord.from_json(objects.get(keys[-1])[0])
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(keys[-1])} cannot be read ({error}); delete it to use the "
            "previous record"
        ) from error


def page(found: PostureRecord, changed: Sequence[Drift] = ()) -> Page:
    """The page of controls, those that did not pass first, with the commands that set them."""
    controls = sorted(found.controls, key=lambda each: each.verdict == "passed")
    counts = {
        word: sum(each.verdict == word for each in controls)
        for word in ("passed", "failed", "unknown")
    }
    rows = (
        (
            OutcomeCell(each.verdict),
            each.name,
            each.says,
            " ".join((*each.prowler, *each.checkov)),
        )
        for each in controls
    )
    commands = tuple(dict.fromkeys(line for each in controls for line in each.commands))
    return Page(
        f"Bucket {found.bucket}",
        worst(each.verdict for each in controls),
        f"{counts['passed']} of {len(controls)} controls passed.",
        [f"Read at {found.taken}. Unknown: the setting could not be read, so it may be unsafe."],
        [Card(word.capitalize(), str(count)) for word, count in counts.items()],
        [
            Section("Changed since the last record", [Items(tuple(map(str, changed)))]),
            Section(
                "Controls",
                [grid(("Outcome", "Control", "Found", "Checks of Prowler and Checkov"), rows)],
                detail="summary",
            ),
            Section(
                COMMANDS,
                [Items(commands, code=True)],
                "`mediatool bucket apply` runs the allowed ones; run the others by hand.",
                detail="summary",
            ),
        ],
    )


def take_inventory(
    declared: Declaration,
    objects: ObjectStore,
    listed: Iterable[StoredItem],
    bucket: BucketSettings,
    now: datetime,
) -> BilledInventory:
    """Everything at this moment; nothing is changed. Raises DamagedInput, Unreachable.

    ``listed`` is every version, marker and unfinished upload of the bucket.
    """
    tagged = {
        key
        for version in _testing(objects)
        for key in catalog.keys_of(version, objects.database_names)
    }
    items = tuple(replace(item, testing=item.key in tagged) for item in listed)
    return BilledInventory(
        declared.place, now, items, active_rules(declared, bucket), _newest(objects)
    )


def active_rules(declared: Declaration, bucket: BucketSettings) -> ActiveRules:
    """The bucket's own rules, or the declared ones if it has none or they cannot be read.

    Of several sources in one bucket, only the rules that reach this one's objects.
    """
    live, versioning = bucket.read("lifecycle"), bucket.read("versioning")
    status = (versioning.document or {}).get("Status")
    versioned = status == "Enabled" if versioning.unknown is None else True
    if live.document is not None and live.document.get("Rules"):
        return ActiveRules(
            read(rules_below(live.document, bucket.prefix)), "bucket", "they are active", versioned
        )
    reason = live.unknown or "the bucket has none; `mediatool bucket apply` sets the declared ones"
    rules = read(rules_below(configuration(declared.lifecycle), bucket.prefix))
    return ActiveRules(rules, "declaration", reason, declared.state.versioned)


def _testing(objects: ObjectStore) -> Iterator[Version]:
    """The testing versions, whose objects are tagged."""
    for entry in catalog.registry(objects):
        if entry.purpose == "testing":
            yield Version.parse(entry.version)


def _newest(objects: ObjectStore) -> ArchiveSizes | None:
    """Compressed and uncompressed sizes of the newest complete version's archives."""
    try:
        found = catalog.latest(objects)
    except NotFound:
        return None
    archives = found.exports.by_archive
    return ArchiveSizes(
        found.timestamp,
        {kind: export.size_bytes for kind, export in archives.items()},
        {kind: uncompressed_bytes(export) for kind, export in archives.items()},
    )


INVENTORY_PREFIX = RECORDS_PREFIX + "inventory/"

_ABOUT = b"mediatool"
_MOMENT = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("storage_class", pa.string(), nullable=False),
        pa.field("modified", _MOMENT, nullable=False),
        pa.field("superseded", _MOMENT),
        pa.field("testing", pa.bool_(), nullable=False),
        pa.field("lone", pa.bool_(), nullable=False),
    ]
)


class _About(msgspec.Struct, frozen=True):
    """The facts that are not in the rows."""

    bucket: str
    taken: datetime
    rules: ActiveRules
    newest: ArchiveSizes | None


def inventory_key(inventory: BilledInventory) -> str:
    """The key of the inventory of its day."""
    return f"{INVENTORY_PREFIX}{inventory.taken:%Y-%m-%d}.parquet"


def keep(objects: ObjectStore, inventory: BilledInventory) -> str:
    """Store it as its day's inventory, replacing an earlier one; returns the key."""
    storage.keep(objects, key := inventory_key(inventory), inventory_to_parquet(inventory))
    return key


def inventory_to_parquet(inventory: BilledInventory) -> bytes:
    """The inventory as a Parquet file."""
    about = _About(inventory.bucket, inventory.taken, inventory.rules, inventory.newest)
    schema = _SCHEMA.with_metadata({_ABOUT: msgspec.json.encode(about)})
    columns = {name: [getattr(item, name) for item in inventory.items] for name in schema.names}
    out = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), out, compression="zstd")
    return out.getvalue()


def inventory_from_parquet(data: bytes, name: str) -> BilledInventory:
    """Read an inventory back; raises DamagedInput, naming the file, on anything else."""
    try:
        table = pq.read_table(io.BytesIO(data))
        about = decoded((table.schema.metadata or {})[_ABOUT], _About)
        rows: list[dict[str, Any]] = table.to_pylist()
        items = tuple(
            StoredItem(**row | {"modified": row["modified"].astimezone(UTC)}) for row in rows
        )
    except (pa.ArrowException, msgspec.MsgspecError, KeyError, TypeError) as error:
        raise DamagedInput(
            f"{name} is not an inventory of `bucket/costs` ({type(error).__name__}: {error}); "
            "name another day's"
        ) from error
    return BilledInventory(about.bucket, about.taken, items, about.rules, about.newest)


SHIPPED_PRICES = Path(__file__).parents[1] / "prices" / "s3-us-east-1.json"


def read_prices(path: Path) -> Prices:
    """Read a price table from a file; raises BadSettings if it is invalid or lacks a class."""
    step = f"compare it with {SHIPPED_PRICES}"
    try:
        prices = decoded(path.read_bytes(), Prices)
    except msgspec.DecodeError as error:
        raise BadSettings([f"{path} is not a table of prices: {error}", step]) from error
    for part, needed in (
        ("gb_month", {"STANDARD", *WATERFALL}),
        ("put_1000", {"STANDARD", *WATERFALL}),
        ("retrieval", {"STANDARD", *WATERFALL}),
        ("transition_1000", set(WATERFALL)),
    ):
        if missing := needed - set(getattr(prices, part)):
            names = ", ".join(sorted(missing))
            raise BadSettings([f"{path} has no price of {names} in {part}", step])
    return prices
