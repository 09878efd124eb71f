"""The function that makes the rows of each table, and the order of its columns.

Rows of the lookups, of people and of the prices.

Rows of what was bought: platform buys, the platforms' entities and the daily metrics.

Rows of what is sold and planned: accounts, campaigns, strategies, line items, media plans.

Earlier versions of a row, computed backwards from the row.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import chain

from mediatool_assets.demo import values as awkward
from mediatool_assets.demo.values import (
    AUDIENCES,
    BRANDS,
    COUNTRIES,
    DAYS_A_BUY,
    EPOCH,
    FIXED,
    FORMATS,
    INDUSTRIES,
    PLACES,
    REGIONS,
    Draw,
    World,
    amount,
    company,
    crm_id,
    moment,
    payload,
    person,
    picked,
    sentences,
    uuid_of,
)

Row = tuple[object, ...]
"""One row's values in the order of the table's columns, generated ones left out."""

CHANNELS = ("Display", "Video", "CTV", "Audio", "Social", "Search", "Out of home")
TACTICS = ("Prospecting", "Retargeting", "Contextual", "Behavioural", "Geofence", "Sponsorship")
PLATFORMS = (
    "Adbridge", "Beacon DSP", "Clickwell", "Dayparter", "Echo Audio", "Framevision", "Gridline",
    "Hyperlocal", "Inkwell Social", "Jumbotron", "Keystone Search", "Lumen CTV", "Mosaic",
    "Nightcast", "Openlane", "Pulse", "Quorum", "Reelhouse", "Signalfire", "Trailhead", "Uplink",
    "Vantage", "Wavelength", "Yonder",
)  # fmt: skip
UNITS = ("CPM", "CPC", "CPV", "CPCV", "CPA", "Flat", "CPE", "dCPM", "Added value")


def channel(_: World, n: int) -> Row:
    """Make one channel."""
    return n + 1, CHANNELS[n]


def tactic(_: World, n: int) -> Row:
    """Make one tactic of a channel."""
    return n + 1, n % len(CHANNELS) + 1, f"{CHANNELS[n % 7]} {TACTICS[n // 7]}"


def media_platform(_: World, n: int) -> Row:
    """Make one platform; codes of two and three letters are padded by their type."""
    name = PLATFORMS[n]
    return n + 1, name, name[: 2 + n % 3].upper() if n % 3 else f"P{n}", n % 11 != 10


def tactic_media_platform(_: World, n: int) -> Row:
    """Make one pair of tactic and platform; all 180 differ."""
    tactics, platforms = FIXED["tactics"], FIXED["media_platforms"]
    return n % tactics + 1, (n // tactics * 5 + n % tactics) % platforms + 1


def unit_price_type(_: World, n: int) -> Row:
    """Make one way of charging."""
    return n + 1, UNITS[n], UNITS[n][:8] if n < 8 else None, "1000.0000" if n == 0 else "1.0000"


def schema_migration(_: World, n: int) -> Row:
    """Make one applied migration, numbered by its day as migration tools do."""
    day = date(2021, 1, 4) + timedelta(days=7 * n)
    applied = EPOCH.replace(tzinfo=None) - timedelta(days=1 + 7 * (213 - n), microseconds=n * 977)
    checksum = bytes.fromhex(uuid_of("migrations", n).replace("-", ""))
    content = awkward.BYTES[n] if n < len(awkward.BYTES) else checksum
    return int(f"{day:%Y%m%d}"), f"migration_{n:03d}", content, applied


def team(_: World, n: int) -> Row:
    """Make one team; every fifth one leads the four after it."""
    draw = Draw("teams", n)
    created = moment(draw, 1500, EPOCH)
    parent = None if n % 5 == 0 else n - n % 5 + 1
    region = draw.of((*REGIONS, "", None))
    return n + 1, f"{draw.of(REGIONS)} team {n + 1}", parent, region, created, created


def has_crm_id(n: int) -> bool:
    """Say whether the n-th user is known to the CRM; one in twenty is not."""
    return n % 20 != 19


def user(_: World, n: int) -> Row:
    """Make one user."""
    draw = Draw("users", n)
    name, email = person(n)
    created = moment(draw, 1500, EPOCH)
    crm = crm_id("users", n) if has_crm_id(n) else None
    modified = None if draw.chance(10) else moment(draw, 200)
    return uuid_of("users", n), crm, name, email, modified, created, modified or created


def rep(_: World, n: int) -> Row:
    """Make one sales rep; their CRM ids are their own."""
    draw = Draw("reps", n)
    name, email = person(300 + n)
    created = moment(draw, 1500, EPOCH)
    address = None if draw.chance(10) else email.replace("@", ".sales@")
    return n + 1, crm_id("reps", n), name, address, n % 9 != 8, created, created


def rep_team(world: World, n: int) -> Row:
    """Make one membership; a rep is in one or two teams."""
    reps, teams = world["reps"], world["teams"]
    team_number = (n % reps * 7 + n // reps * 3) % teams + 1
    since = None if n % 6 == 5 else date(2022, 1, 3) + timedelta(days=n * 5)
    return n % reps + 1, team_number, since


def rate(_: World, n: int) -> Row:
    """Make one price of the rate card; half of them have no end date."""
    draw = Draw("rate_card", n)
    price = awkward.MONEY[n] if n < len(awkward.MONEY) else amount(draw, 60)
    valid_from = date(2023, 1, 1) + timedelta(days=draw.below(700))
    until = "infinity" if n % 2 else str(valid_from + timedelta(days=365))
    platform = None if draw.chance(20) else 1 + draw.below(FIXED["media_platforms"])
    minimum = None if draw.chance(30) else amount(draw, 5000, 4)
    notes = draw.of((None, "", "Minimum of four weeks", "Subject to availability"))
    created = moment(draw, 900, EPOCH)
    return (
        n + 1,
        1 + draw.below(FIXED["tactics"]),
        platform,
        1 + draw.below(FIXED["unit_price_types"]),
        price,
        minimum,
        valid_from,
        until,
        notes,
        n % 23 == 22,
        created,
        created,
    )


_SPAN = timedelta(days=1400) // timedelta(microseconds=1)


def changeset(world: World, n: int) -> Row:
    """Make one changeset; they are numbered in the order of their times."""
    draw = Draw("changesets", n)
    passed = round(
        Fraction(_SPAN * n, world["changesets"])
    )  # a timedelta * n overflows at scale 10
    at = EPOCH - timedelta(microseconds=_SPAN - passed - 1 - n % 997)
    big = awkward.BIGINTS
    transaction = big[n] if n < len(big) else 7_000_000 + n * 13 + draw.below(13)
    who = None if draw.chance(8) else uuid_of("users", draw.below(world["users"]))
    return n + 1, who, transaction, draw.of(("app", "app", "crm-sync", "platform-sync")), at


CAMPAIGNS = 13_417
SALES_REP_UNRESOLVED = 12_975
"""The number of 13,417 campaigns with a sales rep who is in no table."""
MANAGER_UNRESOLVED = 1_529
"""The number of 13,417 campaigns without an account manager who can be found."""
WITH_TRADERS = 66
"""Percent of line items that name media traders."""
STAGES = ("Lead", "Proposal", "Negotiation", "Won", "Live", "Ended", "Ended", "Ended", "Lost")


def account(world: World, n: int) -> Row:
    """Make one account."""
    draw = Draw("accounts", n)
    created = moment(draw, 1500)
    updated = moment(draw, 400) if draw.chance(50) else created
    return (
        crm_id("accounts", n),
        company(draw),
        draw.of((*INDUSTRIES, "", None)),
        None if draw.chance(5) else draw.of(COUNTRIES),
        _owner(world, draw),
        created,
        max(created, updated),
        None if draw.chance(4) else updated,
        n % 97 == 96,
    )


def campaign_number(n: int) -> str:
    """Give the n-th campaign's number; the eighth one repeats the first one's."""
    return f"CN-{46 + (0 if n == 7 else n)}"


def campaign(world: World, n: int) -> Row:
    """Make one campaign, its people by the ids of the CRM."""
    draw = Draw("campaigns", n)
    created = moment(draw, 1400)
    start = created.date() + timedelta(days=14 + draw.below(90))
    end = start + timedelta(days=27 + draw.below(300))
    budget = "0" if picked(n, 2, 100) else amount(draw, 400_000)
    name = f"{company(draw)} - {start.year} {draw.of(AUDIENCES)}"
    lost_account = picked(n, 1, 100)
    updated = created + timedelta(days=draw.below(60), microseconds=draw.below(10**6))
    odd_moment = awkward.MOMENTS[n - 20] if 20 <= n < 20 + len(awkward.MOMENTS) else None
    return (
        crm_id("campaigns", n),
        campaign_number(n),
        awkward.TEXTS[n] if n < len(awkward.TEXTS) else "" if picked(n, 1, 150) else name,
        crm_id("gone", n) if lost_account else _account(world, draw),
        draw.of(("", None, None, crm_id("agencies", draw.below(40)))),
        awkward.NUMERICS[n] if n < len(awkward.NUMERICS) else budget,
        None if draw.chance(20) else f"{draw.below(400_000)}.5000",
        awkward.MONEY[n] if n < len(awkward.MONEY) else None if draw.chance(15) else budget,
        draw.of(STAGES),
        None if picked(n, 3, 100) else start,
        None if picked(n, 4, 100) else end,
        None if draw.chance(15) else sentences(draw, draw.below(6)),
        draw.of((True, False, None)),
        _owner(world, draw),
        _manager(world, draw, n),
        _sales_rep(world, draw, n),
        created,
        min(updated, EPOCH),
        odd_moment or (None if draw.chance(3) else created),
        picked(n, 2, 100),
    )


def strategy(world: World, n: int) -> Row:
    """Make one strategy: the n-th campaign's, or in a few cases that of a campaign long gone."""
    draw = Draw("strategies", n)
    created = moment(draw, 1400)
    campaign_id = crm_id("gone", n) if picked(n, 1, 500) else crm_id("campaigns", n)
    name = sentences(draw, 1) if draw.chance(25) else draw.of(("", *(None,) * 9))
    changed = changeset_of(world, draw)
    return uuid_of("strategies", n), campaign_id, name, changed, n % 60 == 59, created, created


def line_item(world: World, n: int) -> Row:
    """Make one line item."""
    draw = Draw("line_items", n)
    created = moment(draw, 700)
    start, end = _flight(draw, n)
    tactic = draw.below(FIXED["tactics"])
    lost = picked(n, 1, 200)
    strategy_id = uuid_of("gone" if lost else "strategies", draw.below(world["strategies"]))
    name = f"{draw.of(AUDIENCES)} | {draw.of(FORMATS)} | {draw.of(PLACES)}"
    odd = awkward.TEXTS[n % len(awkward.TEXTS)]
    details = awkward.JSONB[n] if n < len(awkward.JSONB) else _pacing(draw)
    price = awkward.NUMERICS[n] if n < len(awkward.NUMERICS) else amount(draw, 90_000, 4)
    return (
        uuid_of("line_items", n),
        strategy_id,
        odd if n < len(awkward.TEXTS) else "" if picked(n, 1, 90) else name,
        odd if len(awkward.TEXTS) <= n < 2 * len(awkward.TEXTS) else sentences(draw, 3),
        None if draw.chance(10) else draw.of(AUDIENCES),
        draw.of((*PLACES, "", None)),
        None if draw.chance(20) else sentences(draw, 2),
        ", ".join(draw.of(FORMATS) for _ in range(draw.below(4))) or None,
        start,
        end,
        "0" if picked(n, 2, 100) else price,
        None if draw.chance(5) else amount(draw, 40, 18),
        None if draw.chance(8) else f"0.{draw.below(8000):04d}",
        draw.of(("even", "front_loaded", "asap", "custom", None)),
        details,
        _traders(world, draw, n),
        _platforms(draw, n),
        None if draw.chance(2) else tactic % 7 + 1,
        None if draw.chance(2) else tactic + 1,
        None if draw.chance(2) else 1 + draw.below(FIXED["unit_price_types"]),
        draw.of((None, "", f"PO-{draw.below(99999):05d}")),
        changeset_of(world, draw),
        n % 31 == 30,
        created,
        min(created + timedelta(days=draw.below(90)), EPOCH),
    )


def line_item_media_buy(world: World, n: int) -> Row:
    """Make one media plan; a third of them has no platform buy yet, a few name a lost one."""
    draw = Draw("line_item_media_buys", n)
    created = moment(draw, 700)
    lost = picked(n, 1, 200)
    buy = uuid_of("gone" if picked(n, 1, 100) else "media_buys", draw.below(world["media_buys"]))
    return (
        uuid_of("line_item_media_buys", n),
        uuid_of("gone" if lost else "line_items", draw.below(world["line_items"])),
        None if picked(n, 1, 3) else buy,
        draw.of(("", None, f"{draw.of(FORMATS)} {draw.of(PLACES)}")),
        awkward.NUMERICS[n] if n < len(awkward.NUMERICS) else amount(draw, 30, 6),
        None if draw.chance(5) else amount(draw, 50_000),
        changeset_of(world, draw),
        n % 41 == 40,
        created,
        created,
    )


def changeset_of(world: World, draw: Draw) -> int | None:
    """Draw a changeset; one row in fifty has none."""
    return None if draw.chance(2) else 1 + draw.below(world["changesets"])


def _crm_user(world: World, draw: Draw) -> str:
    n = draw.below(world["users"])
    return crm_id("users", n if has_crm_id(n) else n - 1)


def _account(world: World, draw: Draw) -> str:
    return crm_id("accounts", draw.below(world["accounts"]))


def _owner(world: World, draw: Draw) -> str | None:
    return crm_id("gone", draw.below(50)) if draw.chance(3) else _crm_user(world, draw)


def _manager(world: World, draw: Draw, n: int) -> str | None:
    if picked(n, MANAGER_UNRESOLVED, CAMPAIGNS):
        return draw.of((None, "", crm_id("gone", draw.below(50))))
    return _crm_user(world, draw)


def _sales_rep(world: World, draw: Draw, n: int) -> str:
    if picked(n, SALES_REP_UNRESOLVED, CAMPAIGNS):
        return crm_id("gone", 100 + draw.below(200))
    return crm_id("reps", draw.below(world["reps"]))


def _flight(draw: Draw, n: int) -> tuple[date | None, date | None]:
    start = date(2024, 1, 1) + timedelta(days=draw.below(500))
    end = start + timedelta(days=draw.below(120))
    if n < len(awkward.DATES):
        return awkward.DATES[n], date(9999, 12, 31) if n % 2 else None
    return None if picked(n, 3, 100) else start, None if picked(n, 5, 100) else end


def _pacing(draw: Draw) -> str | None:
    if draw.chance(25):
        return None
    weeks = ", ".join(
        f'{{"week": {week + 1}, "share": 0.{draw.below(90) + 10}, "spend": {amount(draw, 9000)}}}'
        for week in range(1 + draw.below(4))
    )
    return f'{{"weeks": [{weeks}], "dayparts": ["prime", "late"], "cap": {draw.below(9)}}}'


def _traders(world: World, draw: Draw, n: int) -> list[str | None] | None:
    if picked(n, WITH_TRADERS, 100):
        some = [uuid_of("users", draw.below(world["users"])) for _ in range(1 + draw.below(3))]
        return [*some, draw.of((None, uuid_of("gone", n)))] if draw.chance(3) else list(some)
    without: tuple[list[str | None] | None, ...] = ([], [], None, None, [None])
    return draw.of(without)


def _platforms(draw: Draw, n: int) -> list[int | None] | None:
    some = [1 + draw.below(FIXED["media_platforms"]) for _ in range(draw.below(4))]
    if n % 50 < 3:
        return ([], None, [None, 3])[n % 50]
    return list(some)


ENTITY_TYPES = ("advertiser", "campaign", "insertion_order", "line_item", "creative")
GOALS = ("completed views", "landing page visits", "sign-ups", "reach", "store visits")
METADATA_KEYS = ("source", "brand.safety", "$labels")
NO_ENTITY = 9_000_000_000_000_000_000
"""Ids from here on name entities that the platforms have dropped; a double cannot hold them."""


def platform_of_buy(n: int) -> int:
    """Give the platform of the n-th platform buy; daily rows name both."""
    return n * 5 % FIXED["media_platforms"] + 1


def media_buy(world: World, n: int) -> Row:
    """Make one platform buy."""
    draw = Draw("media_buys", n)
    created = moment(draw, 900)
    start = created.date() + timedelta(days=draw.below(40))
    budget = draw.below(90_000)
    entities = world["media_platform_entities"]
    entity = NO_ENTITY + n if picked(n, 1, 50) else 1 + draw.below(entities)
    name = "_".join(
        (
            company(draw),
            draw.of(AUDIENCES),
            draw.of(PLACES),
            draw.of(FORMATS),
            f"{start:%Y%m%d}",
            f"Optimised for {draw.of(GOALS)} then {draw.of(GOALS)}",
            sentences(draw, 1),
            f"{n:06d}",
        )
    )
    return (
        uuid_of("media_buys", n),
        platform_of_buy(n),
        awkward.TEXTS[n] if n < len(awkward.TEXTS) else name,
        start,
        None if draw.chance(12) else start + timedelta(days=draw.below(120)),
        awkward.NUMERICS[n] if n < len(awkward.NUMERICS) else f"{budget}.00",
        None if draw.chance(10) else f"{budget * draw.below(100) // 100}.{draw.below(10**6):06d}",
        None if draw.chance(4) else entity,
        None if draw.chance(60) else 1 + draw.below(entities),
        _campaign_numbers(world, draw, n),
        changeset_of(world, draw),
        n % 53 == 52,
        created,
        min(created + timedelta(days=draw.below(60)), EPOCH),
    )


def entity(_: World, n: int) -> Row:
    """Make one entity; an entity's parent has a smaller number, where it has one at all."""
    draw = Draw("media_platform_entities", n)
    created = moment(draw, 1100)
    external_id = str(10**15 + n * 15_485_863 + draw.below(9999))
    metadata = payload(draw, n, external_id)
    parent = None if n < 24 else NO_ENTITY + n if picked(n, 1, 100) else n // 7 + 1
    return (
        n + 1,
        n % FIXED["media_platforms"] + 1,
        external_id,
        ENTITY_TYPES[0 if n < 24 else 1 + n % 4],
        parent,
        awkward.TEXTS[n] if n < len(awkward.TEXTS) else f"{draw.of(BRANDS)} {draw.of(FORMATS)}",
        awkward.JSONB[n] if n < len(awkward.JSONB) else None if n % 500 == 499 else metadata,
        created,
        min(created + timedelta(days=draw.below(300)), EPOCH),
    )


def entity_metadata(_: World, n: int) -> Row:
    """Make one remark on an entity; one in fifty is about an entity that is gone."""
    draw = Draw("media_platform_entity_metadata", n)
    key = METADATA_KEYS[n % 3]
    plain = f'{{"score": {draw.below(100)}, "by": "{draw.of(BRANDS)}"}}'
    collected = moment(draw, 300)
    return (
        NO_ENTITY + n // 3 if picked(n // 3, 1, 50) else n // 3 * 5 + 1,
        key,
        awkward.JSON[n] if n < len(awkward.JSON) else plain,
        awkward.DOUBLES[n] if n < len(awkward.DOUBLES) else draw.below(10**9) / 10**9,
        awkward.REALS[n] if n < len(awkward.REALS) else draw.below(1000) / 1000,
        awkward.BIGINTS[n] if n < len(awkward.BIGINTS) else 2**53 + n * 7919,
        awkward.BYTES[n] if n < len(awkward.BYTES) else bytes.fromhex(_digest(n)),
        awkward.TEXT_ARRAYS[n] if n < len(awkward.TEXT_ARRAYS) else [draw.of(BRANDS)],
        collected.replace(tzinfo=None),
        awkward.INFINITE_MOMENTS[n % 2] if n % 200 < 2 else collected + timedelta(days=365),
    )


def daily_impressions(_: World, n: int) -> Row:
    """Make one day of one platform buy."""
    buy, day = _buy_and_day(n)
    return impressions(buy, day)


def impressions(buy: int, day: date) -> Row:
    """Make what the platform reports of a buy on a day."""
    draw = Draw(f"impressions/{day}", buy)
    shown = draw.below(500_000)
    cost = draw.below(shown // 100 + 1)
    odd = buy < len(awkward.BIGINTS)
    return (
        platform_of_buy(buy),
        uuid_of("media_buys", buy),
        day,
        awkward.BIGINTS[buy] if odd else shown,
        shown // (100 + draw.below(900)),
        None if draw.chance(10) else f"{draw.below(90)}.{draw.below(10_000):04d}",
        f"{cost}.{draw.below(10**6):06d}",
        None if draw.chance(5) else f"{cost + cost // 8}.{draw.below(10**6):06d}",
        None if draw.chance(40) else shown * 3 + draw.below(1000),
        EPOCH + timedelta(days=(day - EPOCH.date()).days, hours=6, microseconds=draw.below(10**6)),
    )


def daily_videos(_: World, n: int) -> Row:
    """Make one day of one video buy: every third platform buy is one."""
    buy, day = _buy_and_day(n)
    return videos(buy * 3, day)


def videos(buy: int, day: date) -> Row:
    """Make what the platform reports of a video buy on a day."""
    draw = Draw(f"videos/{day}", buy)
    views = draw.below(90_000)
    seen = [views * share // 100 for share in (92, 80, 64, 51, 43)]
    updated = EPOCH + timedelta(days=(day - EPOCH.date()).days, hours=6)
    return platform_of_buy(buy), uuid_of("media_buys", buy), day, views, *seen, updated


def _buy_and_day(n: int) -> tuple[int, date]:
    buy, turn = divmod(n, DAYS_A_BUY)
    return buy, EPOCH.date() + timedelta(days=buy * 7 % 180 + turn - 200)


def _campaign_numbers(world: World, draw: Draw, n: int) -> list[str | None] | None:
    if n < len(awkward.TEXT_ARRAYS):
        return awkward.TEXT_ARRAYS[n]
    if picked(n, 5, 100):
        return draw.of((None, []))
    if picked(n, 3, 100):
        return [f"CN-9{draw.below(10**6):06d}"]
    some = [campaign_number(draw.below(world["campaigns"])) for _ in range(1 + draw.below(2))]
    return list(some)


def _digest(n: int) -> str:
    return uuid_of("digest", n).replace("-", "")


@dataclass(frozen=True, slots=True)
class HistoryColumns:
    """Places in a base row, from 0: what earlier versions had differently, and the times.

    ``changeset`` is absent where the base table has none, and the history table then has its own
    column; ``flight`` is the place of a start date, followed by an end date, from which the base
    table generates a column that the history table stores; ``flag`` is the place of is_deleted,
    which only the last version may have set.
    """

    varies: int
    created: int
    updated: int
    changeset: int | None = None
    flight: int | None = None
    flag: int | None = None


SHAPES: Mapping[str, HistoryColumns] = {
    "accounts_history": HistoryColumns(varies=1, created=5, updated=6, flag=8),
    "campaigns_history": HistoryColumns(varies=2, created=16, updated=17, flag=19),
    "users_history": HistoryColumns(varies=2, created=5, updated=6),
    "teams_history": HistoryColumns(varies=1, created=4, updated=5),
    "reps_history": HistoryColumns(varies=2, created=5, updated=6),
    "rate_card_history": HistoryColumns(varies=8, created=10, updated=11, flag=9),
    "strategies_history": HistoryColumns(varies=2, created=5, updated=6, changeset=3, flag=4),
    "line_items_history": HistoryColumns(
        varies=2, created=23, updated=24, changeset=21, flight=8, flag=22
    ),
    "line_item_media_buys_history": HistoryColumns(
        varies=3, created=8, updated=9, changeset=6, flag=7
    ),
    "media_buys_history": HistoryColumns(varies=2, created=12, updated=13, changeset=10, flag=11),
    "media_platform_entities_history": HistoryColumns(varies=5, created=7, updated=8),
}


def version_count(total: int, n: int, base_rows: int) -> int:
    """Distribute ``total`` history rows over ``base_rows``: every second row has more.

    Each base row has at least one if ``total`` is not less than ``base_rows``.
    """
    share = (n + 1) * total // base_rows - n * total // base_rows
    least = total // base_rows
    moved = least // 2
    if n % 2 == 0 and n + 1 < base_rows:
        return share + moved
    return share - moved if n % 2 else share


def versions(world: World, table: str, row: Row, n: int, base_rows: int) -> Iterator[Row]:
    """Make the history rows of the n-th base row; the last one is its current state."""
    shape = SHAPES[table]
    count = version_count(world[table], n, base_rows)
    draw = Draw(table, n)
    created, updated = row[shape.created], row[shape.updated]
    if not (isinstance(created, datetime) and isinstance(updated, datetime)):
        raise TypeError(f"{table}: the times of a base row are datetimes")
    step = (updated - created) / count
    for version in range(1, count + 1):
        since = created + step * (version - 1)
        until = None if version == count else created + step * version
        values = list(row)
        if until is not None:
            values[shape.varies] = f"{row[shape.varies] or 'Draft'} v{version}"
            values[shape.updated] = since
            if shape.flag is not None:
                values[shape.flag] = False
        changed: int | None = 1 + draw.below(world["changesets"])
        if shape.changeset is None:
            values.append(changed)
        elif until is not None:
            values[shape.changeset] = changed
        if shape.flight is not None:
            values.append(_flight_days(*row[shape.flight : shape.flight + 2]))
        yield (*values, version, since, until)


def _flight_days(start: object, end: object) -> int | None:
    if isinstance(start, date) and isinstance(end, date):
        return (end - start).days + 1
    return None


BASE: Mapping[str, Callable[[World, int], Row]] = {
    "channels": channel,
    "tactics": tactic,
    "media_platforms": media_platform,
    "tactic_media_platforms": tactic_media_platform,
    "unit_price_types": unit_price_type,
    "teams": team,
    "users": user,
    "reps": rep,
    "reps_x_teams": rep_team,
    "rate_card": rate,
    "changesets": changeset,
    "schema_migrations": schema_migration,
    "accounts": account,
    "campaigns": campaign,
    "strategies": strategy,
    "line_items": line_item,
    "line_item_media_buys": line_item_media_buy,
    "media_buys": media_buy,
    "media_platform_entities": entity,
    "media_platform_entity_metadata": entity_metadata,
    "platform_buy_daily_impressions": daily_impressions,
    "platform_buy_daily_videos": daily_videos,
}
"""The n-th row of every table but the history tables, from the world and n alone."""


def rows(world: World, table: str) -> Iterator[Row]:
    """Make all rows of one table at day 0."""
    if table in BASE:
        make = BASE[table]
        return (make(world, n) for n in range(world[table]))
    base = table.removesuffix("_history")
    count = world[base]
    return chain.from_iterable(
        versions(world, table, BASE[base](world, n), n, count) for n in range(count)
    )
