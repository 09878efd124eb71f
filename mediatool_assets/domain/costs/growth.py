"""The measured growth, and the objects to expect from it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from mediatool_assets.domain.costs.inventory import ActiveRules, Cohort
from mediatool_assets.domain.costs.object_lifetime import DAY, whole_life

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
