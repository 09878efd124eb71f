"""Rows of what is sold and planned: accounts, campaigns, strategies, line items, media plans."""

from datetime import date, timedelta

from mediatool_assets.seed import awkward
from mediatool_assets.seed.draw import EPOCH, Draw, amount, crm_id, moment, picked, uuid_of
from mediatool_assets.seed.lookups import Row, has_crm_id
from mediatool_assets.seed.sizes import FIXED, World
from mediatool_assets.seed.words import (
    AUDIENCES,
    COUNTRIES,
    FORMATS,
    INDUSTRIES,
    PLACES,
    company,
    sentences,
)

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
