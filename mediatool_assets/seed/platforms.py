"""Rows of what was bought: platform buys, the platforms' entities and the daily metrics."""

from datetime import date, timedelta

from mediatool_assets.seed import awkward
from mediatool_assets.seed.draw import EPOCH, Draw, moment, picked, uuid_of
from mediatool_assets.seed.lookups import Row
from mediatool_assets.seed.payload import payload
from mediatool_assets.seed.planning import campaign_number, changeset_of
from mediatool_assets.seed.sizes import DAYS_A_BUY, FIXED, World
from mediatool_assets.seed.words import AUDIENCES, BRANDS, FORMATS, PLACES, company, sentences

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
