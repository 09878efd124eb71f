"""Rows of the lookups, of people and of the prices."""

from datetime import date, timedelta
from fractions import Fraction

from mediatool_assets.seed import awkward
from mediatool_assets.seed.draw import EPOCH, Draw, amount, crm_id, moment, uuid_of
from mediatool_assets.seed.sizes import FIXED, World
from mediatool_assets.seed.words import REGIONS, person

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
