"""Costs of the bucket as pure functions: bill, growth, life of objects, strategies, retrieval.

The bill: what objects in storage classes cost in each month, by the hour.

The measured growth, and the objects to expect from it.

The storage classes of an object over time, by the lifecycle rules.

The four cost strategies of the storage description, and what each saves in the next year.

The cost of retrieving a version from its storage class.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from mediatool_assets.bucket.rules import Prices, RetrievalPrice
from mediatool_assets.core.bucket import TESTING, WATERFALL, LifecycleRule, Transition
from mediatool_assets.core.inventory import ActiveRules, BilledInventory, Cohort, hour
from mediatool_assets.core.version import (
    ARCHIVE_PREFIXES,
    DUMPS_PREFIX,
    RAW_PREFIX,
    TRANSFORMED_PREFIX,
)

DAY = 24
GRACE = 2 * DAY
"""Hours that S3 may take to execute a rule: it processes a bucket about once a day."""

_COLDER = {name: place for place, name in enumerate(("STANDARD", *WATERFALL))}


@dataclass(frozen=True, slots=True)
class ClassPeriod:
    """The hours of an object in one storage class; ``end`` is None if no rule ends it.

    ``moved``: a transition moved it to this class, at ``begin``.
    """

    storage_class: str
    begin: int
    end: int | None
    entered: int
    moved: bool


def midnight(hours: int, days: int) -> int:
    """The time ``days`` later, rounded up to the next midnight UTC, as S3 counts."""
    return -(-(hours + days * DAY) // DAY) * DAY


def whole_life(cohort: Cohort, active: ActiveRules) -> tuple[ClassPeriod, ...]:
    """The whole life of a cohort under the rules, from its creation."""
    end = _end(cohort, active)
    until = cohort.superseded if cohort.superseded is not None else _expiry(cohort)
    marks = [(cohort.made, "STANDARD")]
    for at, name in sorted(_steps(cohort, active), key=lambda step: (step[0], _COLDER[step[1]])):
        if (until is not None and at >= until) or _COLDER[name] <= _COLDER[marks[-1][1]]:
            continue
        marks.append((at, name))
    if cohort.storage_class not in {name for _, name in marks}:
        marks = _started_elsewhere(marks, cohort)
    found = []
    for place, (at, name) in enumerate(marks):
        following = marks[place + 1][0] if place + 1 < len(marks) else end
        if following is None or following > at:
            found.append(ClassPeriod(name, at, following, at, place > 0))
    return tuple(found)


def remaining_life(cohort: Cohort, active: ActiveRules, now: int) -> tuple[ClassPeriod, ...]:
    """The remaining life from ``now`` on, starting in the class that it is in.

    Overdue actions take place now. An object in a colder class than the rules ask for stays there.
    """
    found: list[ClassPeriod] = []
    real = _COLDER.get(cohort.storage_class, 0)
    for stay in whole_life(cohort, active):
        if stay.end is not None and stay.end <= now:
            continue
        colder = _COLDER[stay.storage_class] < real
        name = cohort.storage_class if colder else stay.storage_class
        begin = max(stay.begin, now)
        here = name == cohort.storage_class
        entered = stay.entered if here or stay.begin > now else now
        if found and found[-1].storage_class == name:
            found[-1] = replace(found[-1], end=stay.end)
        else:
            found.append(ClassPeriod(name, begin, stay.end, entered, moved=not here))
    return tuple(found)


def due(cohort: Cohort, active: ActiveRules, now: int) -> str | None:
    """The state that is overdue: a class, ``noncurrent`` or ``gone``; None if nothing is."""
    then = now - GRACE
    life = whole_life(cohort, active)
    if life and life[-1].end is not None and life[-1].end <= then:
        return "gone"
    expiry = _expiry(cohort) if cohort.state == "current" else None
    if expiry is not None and expiry <= then:
        return "noncurrent"
    standing = [stay for stay in life if stay.begin <= then]
    if standing and _COLDER[standing[-1].storage_class] > _COLDER.get(cohort.storage_class, 0):
        return standing[-1].storage_class
    return None


def _started_elsewhere(marks: list[tuple[int, str]], cohort: Cohort) -> list[tuple[int, str]]:
    """The same life for an object that was written to another class than STANDARD."""
    real = _COLDER.get(cohort.storage_class, 0)
    rest = [mark for mark in marks[1:] if _COLDER[mark[1]] > real]
    return [(cohort.made, cohort.storage_class), *rest]


def _steps(cohort: Cohort, active: ActiveRules) -> Iterator[tuple[int, str]]:
    """The transitions of a version: the hour, and the class."""
    if cohort.state not in {"current", "noncurrent"}:
        return
    for rule in cohort.rules:
        sized = rule.larger_than is not None or rule.smaller_than is not None
        if cohort.small and active.read.floor and not sized:
            continue
        for step in rule.transitions:
            yield midnight(cohort.made, step.days), step.storage_class


def _expiry(cohort: Cohort) -> int | None:
    """The hour at which a current version expires."""
    days = [rule.expire_days for rule in cohort.rules if rule.expire_days is not None]
    return midnight(cohort.made, min(days)) if days and cohort.state != "upload" else None


def _end(cohort: Cohort, active: ActiveRules) -> int | None:
    """The hour at which its bytes are deleted; None if never."""
    match cohort.state:
        case "upload":
            days = [r.abort_days for r in cohort.rules if r.abort_days is not None]
            return midnight(cohort.made, min(days)) if days else None
        case "marker":
            return None
        case "lone marker":
            return midnight(cohort.made, 0) if any(r.markers for r in cohort.rules) else None
        case _:
            since = cohort.superseded if cohort.superseded is not None else _expiry(cohort)
            if since is None or (cohort.superseded is None and not active.versioned):
                return since
            days = [r.noncurrent_days for r in cohort.rules if r.noncurrent_days is not None]
            return midnight(since, min(days)) if days else None


PART = 8 << 20
"""Bytes of one part of an upload. Larger parts of archives above 3 GB would save only cents."""

NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Charges:
    """Dollars by what they are paid for."""

    storage: Decimal = NONE
    small_objects: Decimal = NONE
    early_deletion: Decimal = NONE
    transitions: Decimal = NONE
    requests: Decimal = NONE

    @property
    def total(self) -> Decimal:
        """The sum of all amounts."""
        whole = self.storage + self.small_objects + self.early_deletion
        return whole + self.transitions + self.requests

    def __add__(self, other: "Charges") -> "Charges":
        """The sum of two."""
        return Charges(
            self.storage + other.storage,
            self.small_objects + other.small_objects,
            self.early_deletion + other.early_deletion,
            self.transitions + other.transitions,
            self.requests + other.requests,
        )


@dataclass(slots=True)
class Month:
    """One calendar month: its first hour, the hour after its last, and what is billed in it."""

    name: str
    begin: int
    end: int
    areas: dict[str, Charges] = field(default_factory=dict)

    @property
    def amounts(self) -> Charges:
        """The sum of all areas."""
        return sum(self.areas.values(), Charges())

    def add(self, area: str, amounts: Charges) -> None:
        """Add amounts to one area, which is a prefix of the bucket."""
        self.areas[area] = self.areas.get(area, Charges()) + amounts


def months(now: datetime, count: int = 12) -> tuple[Month, ...]:
    """The whole calendar months after the month of ``now``."""
    found, first = [], _following(now)
    for _ in range(count):
        after = _following(first)
        found.append(Month(f"{first:%Y-%m}", hour(first), hour(after)))
        first = after
    return tuple(found)


def _following(day: datetime) -> datetime:
    year, month = divmod(day.year * 12 + day.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bill:
    """Twelve months, to which cohorts of objects are charged under given rules and prices."""

    calendar: tuple[Month, ...]
    active: ActiveRules
    prices: Prices

    @property
    def total(self) -> Decimal:
        """Dollars of all months."""
        return sum((month.amounts.total for month in self.calendar), NONE)

    def holding(self, cohorts: Iterable[Cohort], now: int) -> None:
        """Charge the remaining life of existing objects."""
        for cohort in cohorts:
            self._charge(cohort, remaining_life(cohort, self.active, now))

    def receiving(self, cohorts: Iterable[Cohort]) -> None:
        """Charge the whole life of future objects, and the requests that write them."""
        for cohort in cohorts:
            self._add(cohort, cohort.made, Charges(requests=requests(cohort, self.prices)))
            self._charge(cohort, remaining_life(cohort, self.active, cohort.made))

    def _charge(self, cohort: Cohort, life: Iterable[ClassPeriod]) -> None:
        for stay in life:
            name = stay.storage_class
            storage = self.prices.storage(name, cohort.bytes)
            extra = self.prices.overhead(name, cohort.bytes, cohort.count)
            for month in self.calendar:
                until = month.end if stay.end is None else min(stay.end, month.end)
                hours = until - max(stay.begin, month.begin)
                if hours > 0:
                    share = Decimal(hours) / (month.end - month.begin)
                    month.add(cohort.area, Charges(storage * share, extra * share))
            if stay.moved:
                fee = cohort.count * self.prices.transition_1000.get(name, NONE) / 1000
                self._add(cohort, stay.begin, Charges(transitions=fee))
            if stay.end is not None:
                early = (storage + extra) * minimum_months(stay, stay.end, self.prices)
                self._add(cohort, stay.end, Charges(early_deletion=early))

    def _add(self, cohort: Cohort, at: int, amounts: Charges) -> None:
        for month in self.calendar:
            if month.begin <= at < month.end:
                month.add(cohort.area, amounts)


def minimum_months(stay: ClassPeriod, at: int, prices: Prices) -> Decimal:
    """The months of 30 days that a class still bills for an object that leaves it at that hour."""
    least = stay.entered + prices.minimum_days.get(stay.storage_class, 0) * DAY
    return Decimal(max(least - at, 0)) / (30 * DAY)


def requests(cohort: Cohort, prices: Prices) -> Decimal:
    """Dollars of the write requests: one, or those of a multipart upload."""
    parts = -(-int(cohort.bytes / cohort.count) // PART)
    writes = 1 if parts <= 1 else parts + 2
    return cohort.count * writes * prices.put_1000[cohort.storage_class] / 1000


WINDOW = 30
"""The window of the measurement, in days."""

TREND_DAYS = 14
"""The least number of days with objects for a trend; with fewer, the size stays constant."""

_Of = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class DailyUploads:
    """The objects written every day: ``count`` of them with ``bytes`` in total, and their growth.

    ``like`` is the newest cohort of this kind. ``lasting`` is the number of hours for which such an
    object stays current, None if nothing replaces it. ``slope`` is the growth of the bytes a day,
    each day.
    """

    like: Cohort
    lasting: int | None
    days: int
    count: Decimal
    bytes: Decimal
    slope: Decimal


def recent_arrivals(
    held: Iterable[Cohort], active: ActiveRules, now: int
) -> tuple[DailyUploads, ...]:
    """What arrived in the last 30 days, or since the first object; today is included."""
    held = [each for each in held if each.state in {"current", "noncurrent"}]
    today = now // DAY
    first = max(today - WINDOW + 1, min((each.made // DAY for each in held), default=today))
    kinds: dict[_Of, list[Cohort]] = {}
    for each in held:
        if first <= each.made // DAY <= today:
            of = (each.area, each.state, each.small, each.rules)
            kinds.setdefault(of, []).append(each)
    found = (_stream(kind, active, first, today) for kind in kinds.values())
    return tuple(stream for stream in found if stream.count)


def _stream(kind: list[Cohort], active: ActiveRules, first: int, today: int) -> DailyUploads:
    newest = max(kind, key=lambda each: each.made)
    lasting = None
    if newest.state == "noncurrent":
        gaps = [each.superseded - each.made for each in kind if each.superseded is not None]
        lasting = sum(gaps) // len(gaps)
    life = whole_life(newest, active)
    gone = life[-1].end if life else None
    if gone is not None:  # objects that live shorter than the window are missing in its first days
        first = max(first, today - max(gone - newest.made, DAY) // DAY + 1)
    daily = dict.fromkeys(range(first, today + 1), Decimal(0))
    count = Decimal(0)
    for each in kind:
        if each.made // DAY >= first:
            daily[each.made // DAY] += each.bytes
            count += each.count
    days = len(daily)
    mean, slope = _trend(list(daily.values()))
    return DailyUploads(newest, lasting, days, count / days, mean, slope)


def _trend(daily: list[Decimal]) -> tuple[Decimal, Decimal]:
    """Bytes a day at the end of the window, and their growth a day: a least-squares line."""
    days = len(daily)
    mean = sum(daily, Decimal(0)) / days
    if sum(1 for each in daily if each) < TREND_DAYS:
        return mean, Decimal(0)
    middle = Decimal(days - 1) / 2
    spread = sum((n - middle) ** 2 for n in range(days))
    slope = sum(((n - middle) * each for n, each in enumerate(daily)), Decimal(0)) / spread
    return mean + slope * middle, slope


def future_cohorts(stream: DailyUploads, now: int, until: int) -> Iterator[Cohort]:
    """A cohort for each day from tomorrow to ``until``, at the newest one's time of day."""
    like = stream.like
    start = (now // DAY + 1) * DAY + like.made % DAY
    for ahead, made in enumerate(range(start, until, DAY), 1):
        size = max(stream.bytes + stream.slope * ahead, Decimal(0))
        yield Cohort(
            like.area,
            like.state,
            "STANDARD",
            made,
            None if stream.lasting is None else made + stream.lasting,
            like.small,
            like.rules,
            stream.count,
            size,
        )


_COLD = {"GLACIER", "DEEP_ARCHIVE"}


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy; ``saves`` in dollars of the twelve months, None if it cannot be estimated."""

    name: str
    saves: Decimal | None
    says: str


def strategies(
    inventory: BilledInventory,
    areas: Mapping[str, Decimal],
    year_under: Callable[[ActiveRules], Decimal],
) -> tuple[Strategy, ...]:
    """All four in order. ``areas``: the year's cost by prefix; ``year_under``: with other rules."""
    active = inventory.rules
    none = replace(active, read=replace(active.read, rules=()))
    more = _each(active, _earliest)
    untested = _without(active, lambda rule: rule.tag == TESTING)
    warm = _each(active, _warm)
    bolder = _rounded(year_under(active) - year_under(more))
    return (
        _compress(inventory, areas),
        Strategy(
            "use lifecycle policies aggressively",
            _rounded(year_under(none) - year_under(active)),
            "compared with a bucket without rules, where no object changes its class or expires; "
            f"GLACIER_IR from the first day on would save ${bolder:.2f} more",
        ),
        Strategy(
            "delete test exports after 7 days",
            _rounded(year_under(untested) - year_under(active)),
            "compared with keeping them as long as daily ones",
        ),
        Strategy(
            "use GLACIER for long-term storage",
            _rounded(year_under(warm) - year_under(active)),
            "compared with leaving them in the class before",
        ),
    )


def without_transitions(active: ActiveRules) -> ActiveRules:
    """The same rules without transitions."""
    return _each(active, lambda rule: replace(rule, transitions=()))


def _compress(inventory: BilledInventory, areas: Mapping[str, Decimal]) -> Strategy:
    name, newest = "compress exports", inventory.newest
    if newest is None:
        return Strategy(name, None, "there is no complete version to measure it by")
    saved, packed, unpacked = Decimal(0), 0, 0
    for kind, size in newest.packed.items():
        packed, unpacked = packed + size, unpacked + newest.unpacked[kind]
        if size:
            times = Decimal(newest.unpacked[kind]) / size
            saved += areas.get(ARCHIVE_PREFIXES[kind], Decimal(0)) * (times - 1)
    share = 1 - Decimal(packed) / unpacked if unpacked else Decimal(0)
    says = f"archives are {share:.0%} smaller than their files (version {newest.version})"
    return Strategy(name, _rounded(saved), says)


def _each(active: ActiveRules, change: Callable[[LifecycleRule], LifecycleRule]) -> ActiveRules:
    rules = tuple(change(rule) for rule in active.read.rules)
    return replace(active, read=replace(active.read, rules=rules))


def _without(active: ActiveRules, leave_out: Callable[[LifecycleRule], bool]) -> ActiveRules:
    rules = tuple(rule for rule in active.read.rules if not leave_out(rule))
    return replace(active, read=replace(active.read, rules=rules))


def _earliest(rule: LifecycleRule) -> LifecycleRule:
    """The earliest transitions that AWS accepts with every object readable at once for 90 days."""
    if not rule.transitions:
        return rule
    least = WATERFALL.index("GLACIER_IR")
    colder = (s for s in rule.transitions if WATERFALL.index(s.storage_class) > least)
    later = tuple(replace(step, days=max(step.days, 90)) for step in colder)
    return replace(rule, transitions=(Transition(0, "GLACIER_IR"), *later))


def _warm(rule: LifecycleRule) -> LifecycleRule:
    kept = tuple(step for step in rule.transitions if step.storage_class not in _COLD)
    return replace(rule, transitions=kept)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.000001"))


COPY_DAYS = 7
"""Days for which a copy restored from an archive class is stored, and billed, in STANDARD."""

_THAWED = {"GLACIER", "DEEP_ARCHIVE"}

ARCHIVES = (RAW_PREFIX, TRANSFORMED_PREFIX, DUMPS_PREFIX)


@dataclass(frozen=True, slots=True)
class RetrievalCost:
    """Retrieving the newest archive of a prefix from one class: by which tier, how fast, its cost.

    ``versions`` counts the archives in that class; ``bytes`` is the size of the newest. The cost
    holds within the region: data transfer out of AWS is not included.
    """

    area: str
    storage_class: str
    versions: int
    bytes: int
    option: str
    takes: str
    dollars: Decimal


def retrieval_costs(held: Iterable[Cohort], prices: Prices) -> tuple[RetrievalCost, ...]:
    """For each prefix of archives and each class with some of them, every retrieval tier."""
    found: dict[tuple[str, str], list[Cohort]] = {}
    for each in held:
        if each.area in ARCHIVES and each.state == "current":
            found.setdefault((each.area, each.storage_class), []).append(each)
    return tuple(
        RetrievalCost(
            area,
            name,
            int(sum(each.count for each in those)),
            int(size := _newest(those)),
            way.option,
            way.hours,
            cost(size, name, way, prices).quantize(Decimal("0.000001")),
        )
        for (area, name), those in sorted(found.items())
        for way in prices.retrieval[name]
    )


def _newest(those: list[Cohort]) -> Decimal:
    newest = max(those, key=lambda each: each.made)
    return newest.bytes / newest.count


def cost(size: Decimal, name: str, way: RetrievalPrice, prices: Prices) -> Decimal:
    """Dollars for one object: its bytes, its requests, and its copy in STANDARD if there is one.

    A restored object needs one request; an object that is readable at once is read in parts.
    """
    gigabytes = size / (1 << 30)
    reads = Decimal(max(-(-int(size) // PART), 1))
    read = reads * prices.retrieval["STANDARD"][0].request_1000 / 1000
    if name not in _THAWED:
        return gigabytes * way.gb + reads * way.request_1000 / 1000
    copy = prices.storage("STANDARD", size) * COPY_DAYS / 30
    return gigabytes * way.gb + way.request_1000 / 1000 + copy + read
