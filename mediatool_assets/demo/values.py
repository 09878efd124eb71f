"""Values that have broken exporters before, for ordinary rows of ordinary tables.

Deterministic random choices: every value is computed from a name and a number.

Invented words: brands, people, places and sentences.

How many rows each table of the demo source has, as a pure function of scale and fullness.

The JSON that a platform's API answers for one entity: about 4 KB, made of fragments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from hashlib import blake2b
from typing import TypeVar

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "null",
    "NULL",
    "\\N",
    "\\.",
    'O\'Neill & "Söhne" <b>CTV</b>',
    "C:\\media\\new\\table",
    "two\nlines\r\nand\ta tab",
    "line\u2028separator\u2029paragraph",
    "🚀 Launch 👩‍👩‍👧‍👦 🏳️‍🌈",
    "مرحبا بالعالم — שלום עולם",
    "\u202eright-to-left override\u202c",
    "e\u0301 is not é",
    "日本語キャンペーン 𠮷野家",
    "control \x01\x02\x08\x0b\x0c\x1b\x7f end",
    "\ufeffbyte order mark",
    '{"looks": "like json"}',
    "{looks,like,an,array}",
    "1e5",
    "0012",
    "$set",
    "a.b.c",
    "=1+1",
    "; DROP TABLE campaigns; --",
    "%s %(name)s {0}",
    "ﬁ ﬂ ẞ İ ı",
    "x" * 5_000,
)

NUMERICS: tuple[str, ...] = (
    "99999999999999999999999999999999999999",
    "-12345678901234567890123456789012345.678",
    "0.00000000000000000000000000000000000001",
    "1234567890123456789012345678901234",
    "NaN",
    "Infinity",
    "-Infinity",
    "0",
    "0.00",
    "0.000000",
    "-0.01",
    "1.50",
    "1.500000",
    "0.1",
    "9007199254740993",
    "9007199254740993.01",
    "1000000000000000000000000000000",
)

MONEY: tuple[str, ...] = (
    "92233720368547758.07",
    "-92233720368547758.08",
    "0.00",
    "-0.01",
    "90071992547409.93",
)

BIGINTS: tuple[int, ...] = (
    2**63 - 1,
    -(2**63),
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**53 - 1,
    2**31,
    0,
    -1,
)

DOUBLES: tuple[str, ...] = (
    "NaN",
    "Infinity",
    "-Infinity",
    "-0",
    "0",
    "5e-324",
    "1.7976931348623157e+308",
    "0.1",
    "0.30000000000000004",
    "1e22",
    "123456789012345680",
)

REALS: tuple[str, ...] = ("NaN", "Infinity", "-Infinity", "-0", "0.1", "3.4028235e+38", "1e-45")

MOMENTS: tuple[datetime, ...] = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=14))),
    datetime(2024, 3, 10, 2, 30, 0, 500, tzinfo=timezone(timedelta(hours=-8))),
    datetime(2024, 12, 31, 23, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=-11))),
    datetime(2025, 1, 1, 0, 15, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(1883, 11, 18, 12, 3, 58, tzinfo=UTC),
)

INFINITE_MOMENTS: tuple[str, ...] = ("infinity", "-infinity")

DATES: tuple[date, ...] = (
    date(1, 1, 1),
    date(9999, 12, 31),
    date(1969, 12, 31),
    date(1970, 1, 1),
    date(1582, 10, 10),
    date(1900, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 31),
    date(2024, 11, 3),
)

_DEEP = "[" * 40 + '{"bottom": 1}' + "]" * 40

JSONB: tuple[str, ...] = (
    "{}",
    "[]",
    "null",
    "true",
    '""',
    '"a document that is a string"',
    "9007199254740993",
    "12345678901234567890.123456789",
    '{"big": 9007199254740993, "bigger": 18446744073709551616}',
    '{"exact": 0.1000000000000000055511151231257827, "pi": 3.14159265358979323846264338327950288}',
    '{"tiny": 1e-30, "huge": 1e30, "zero": 0, "cents": 1.50, "minus": -0.0}',
    '{"$set": {"a.b": 1}, "$ref": "x", "$date": "2024-01-01", "$oid": "z"}',
    '{"": "empty key", ".": 1, "$": 2, "a.": 3, ".a": 4, "a.b.c": {"$d.e": null}}',
    '{"a": {}, "b": [], "c": [null], "d": [[], [[]]], "e": null, "f": ""}',
    f'{{"deep": {_DEEP}}}',
    '{"text": "quote \\" backslash \\\\ newline \\n tab \\t \\u2028 🚀 שלום"}',
    '{"ключ": 1, "鍵": 2, "مفتاح": 3, "key with space": 4, "CamelCase": 5, "snake_case": 6}',
    '{"mixed": [1, "1", 1.0, true, null, {"n": 12345678901234567890}]}',
    '{"id": 1, "_id": 2, "__proto__": 3, "constructor": 4}',
)

JSON: tuple[str, ...] = (
    '{"a": 1, "a": 2}',
    '{ "spaced" :  [ 1 ,2,   3 ] }',
    "null",
    '"text"',
    "1.0",
    "1e2",
    "12345678901234567890.00",
    "[]",
    '{"lines":\n\t"two"}',
)

TEXT_ARRAYS: tuple[list[str | None] | None, ...] = (
    None,
    [],
    [None],
    [""],
    ["NULL", None, "null"],
    ["a,b", 'c"d', "e\\f", "{g}", "h i", "new\nline", "🚀"],
    ["CN-46", "CN-46"],
    ["CN-0", "cn-46", " CN-47"],
)

BYTES: tuple[bytes, ...] = (b"", b"\x00", bytes(range(256)), b"\\x41", b"\xff\xfe")


T = TypeVar("T")

EPOCH = datetime(2025, 6, 2, tzinfo=UTC)
"""Midnight before day 0; no clock is read anywhere in the seed."""


class Draw:
    """A stream of small choices for the n-th row of something.

    It takes digits from a 512-bit hash, and hashes again when too few are left. So a row depends
    neither on the rows before it nor on the order in which tables are made.
    """

    __slots__ = ("_state",)

    def __init__(self, what: str, n: int) -> None:
        self._state = int.from_bytes(blake2b(f"{what}/{n}".encode()).digest())

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 to bound - 1; bound is at most 2**60."""
        self._state, choice = divmod(self._state, bound)
        if self._state < 1 << 64:
            self._state = int.from_bytes(blake2b(b"%d,%d" % (self._state, choice)).digest())
        return choice

    def of(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[self.below(len(items))]

    def chance(self, percent: int) -> bool:
        """Return True in ``percent`` of a hundred cases."""
        return self.below(100) < percent


def picked(n: int, count: int, total: int) -> bool:
    """Whether n is one of ``count`` numbers spread evenly over ``range(total)``."""
    return (n + 1) * count // total != n * count // total


def uuid_of(what: str, n: int) -> str:
    """Give the n-th UUID of a table."""
    text = blake2b(f"{what}/{n}".encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


_CRM_KINDS = {"accounts": 1, "campaigns": 2, "users": 3, "reps": 4, "agencies": 5, "gone": 6}


def crm_id(kind: str, n: int) -> str:
    """The n-th 19-digit id of the CRM; no row has an id of the kind ``gone``."""
    return str(4_876_876_000_000_000_001 + _CRM_KINDS[kind] * 100_000_000_000 + n * 977)


def moment(draw: Draw, days: int, until: datetime = EPOCH) -> datetime:
    """Draw a microsecond in the ``days`` before ``until``."""
    return until - timedelta(
        seconds=1 + draw.below(days * 86_400), microseconds=draw.below(1_000_000)
    )


def amount(draw: Draw, bound: int, digits: int = 2) -> str:
    """Draw an amount of money below ``bound``, as text, with ``digits`` decimals."""
    return f"{draw.below(bound)}.{draw.below(10**digits):0{digits}d}"


FIRST = (
    "Ada", "Bela", "Caro", "Dimo", "Elin", "Faro", "Gita", "Hanno", "Ines", "Jory", "Kaya", "Levi",
    "Mira", "Nilo", "Oona", "Pavo", "Quin", "Rune", "Sana", "Tove", "Umo", "Veda", "Wim", "Yara",
)  # fmt: skip
LAST = (
    "Ashgrove", "Birkendal", "Castlow", "Dunmarsh", "Eastfell", "Farrowby", "Greylock", "Hollowell",
    "Ironside", "Jurgeson", "Kestrelle", "Lindqvar", "Marlowin", "Northolm", "Oakhurst", "Pemberly",
    "Quillane", "Ravensby", "Silverton", "Thornwick", "Umberland", "Vexholm", "Wyndmere", "Zelkova",
)  # fmt: skip
BRANDS = (
    "Alpenglow", "Bluefin", "Cobalt", "Driftwood", "Evergreen", "Foxglove", "Granite", "Harbor",
    "Indigo", "Juniper", "Kingfisher", "Lantern", "Meridian", "Nimbus", "Orchard", "Pinecrest",
    "Quartz", "Redwood", "Saffron", "Tidewater", "Umbra", "Vista", "Willow", "Zephyr",
)  # fmt: skip
TRADES = (
    "Outdoor Supply", "Credit Union", "Motors", "Health", "Foods", "Airlines", "Insurance",
    "Telecom", "Streaming", "Furniture", "Coffee Roasters", "University", "Hotels", "Pharmacy",
)  # fmt: skip
INDUSTRIES = (
    "Retail", "Finance", "Automotive", "Healthcare", "Food & Beverage", "Travel", "Insurance",
    "Technology", "Entertainment", "Home", "Education", "Hospitality",
)  # fmt: skip
COUNTRIES = ("US", "CA", "GB", "MX", "DE", "JP", "BR", "AU")
REGIONS = ("Northeast", "Southeast", "Midwest", "Southwest", "West", "National")
PLACES = ("US", "CA-ON", "New York DMA", "Los Angeles DMA", "Chicago DMA", "Dallas-Ft. Worth DMA")
AUDIENCES = (
    "Adults 18-34", "Adults 25-54", "Parents of young children", "In-market auto buyers",
    "Frequent travellers", "Small business owners", "Lapsed customers", "Sports fans",
)  # fmt: skip
FORMATS = ("300x250", "728x90", "160x600", "970x250", "320x50", ":15 video", ":30 video", "Audio")
SENTENCES = (
    "Reach at least 60 percent of the audience at a frequency of four a week.",
    "Viewability above 70 percent, measured by the third party of record.",
    "Drive store visits within 25 miles of each location.",
    "Keep the cost per completed view under the planned benchmark.",
    "Optimise to landing page visits during the first flight, then to sign-ups.",
    "Exclude existing customers by the suppression list of the week.",
    "Weight delivery to Thursday through Sunday.",
    "Report weekly; the client's dashboard refreshes on Mondays.",
)


def person(n: int) -> tuple[str, str]:
    """Give the n-th person's name and address; a number keeps the later ones apart."""
    first, last = FIRST[n % len(FIRST)], LAST[n // len(FIRST) % len(LAST)]
    turn = n // (len(FIRST) * len(LAST))
    suffix = str(turn) if turn else ""
    return f"{first} {last}{suffix}", f"{first}.{last}{suffix}@example.com".lower()


def company(draw: Draw) -> str:
    """Draw an account's name."""
    return f"{draw.of(BRANDS)} {draw.of(BRANDS)} {draw.of(TRADES)} ({draw.of(REGIONS)})"


def sentences(draw: Draw, count: int) -> str:
    """Draw ``count`` sentences of a brief."""
    return " ".join(draw.of(SENTENCES) for _ in range(count))


SCHEMA_MIGRATIONS = 214
"""Migrations do not grow with the business, nor do the tables of FIXED."""

FIXED: Mapping[str, int] = {
    "channels": 7,
    "tactics": 36,
    "media_platforms": 24,
    "tactic_media_platforms": 180,
    "unit_price_types": 9,
    "schema_migrations": SCHEMA_MIGRATIONS,
}
"""Lookups: the same at every scale. Counts of the published export where it names them."""

PUBLISHED: Mapping[str, int] = {
    "teams": 88,
    "users": 326,
    "reps": 120,
    "reps_x_teams": 210,
    "rate_card": 430,
    "accounts": 9_796,
    "campaigns": 13_417,
    "strategies": 13_417,
    "line_items": 4_118,
    "line_item_media_buys": 5_548,
    "media_buys": 56_020,
    "media_platform_entities": 142_333,
    "media_platform_entity_metadata": 28_400,
    "changesets": 270_186,
    "strategies_history": 26_834,
    "line_items_history": 12_354,
    "line_item_media_buys_history": 13_870,
    "media_buys_history": 251_000,
}
"""Rows at scale 1. Named by the published export: teams, users, accounts, campaigns, strategies,
line_items, line_item_media_buys, media_buys, media_platform_entities. The rest is chosen so that
the 24 tables hold 848,937 rows and 924 MB of JSON."""

VERSIONS: Mapping[str, int] = {
    "accounts_history": 3,
    "campaigns_history": 5,
    "users_history": 4,
    "teams_history": 2,
    "reps_history": 2,
    "rate_card_history": 2,
    "media_platform_entities_history": 3,
}
"""With full: history rows per row of the base table."""

DAYS_A_BUY = 20
"""With full: days of impressions per platform buy; every third one is video as well."""

FLOOR = 60
"""The minimum rows of a scaled table, so that every awkward value has a row at every scale."""


@dataclass(frozen=True, slots=True)
class World:
    """The tables to generate, with their rows at day 0; empty tables are absent."""

    counts: Mapping[str, int]
    full: bool

    @classmethod
    def of(cls, scale: float, *, full: bool) -> "World":
        """Size the world; scale 1 without full is the published export, to the row."""
        counts = dict(FIXED)
        for table, rows in PUBLISHED.items():
            counts[table] = max(min(rows, FLOOR), round(rows * scale))
        counts["strategies"] = counts["campaigns"]
        counts["teams"] = min(counts["teams"], PUBLISHED["teams"])
        for history in [table for table in PUBLISHED if table.endswith("_history")]:
            counts[history] = max(counts[history], counts[history.removesuffix("_history")])
        if full:
            for history, versions in VERSIONS.items():
                counts[history] = versions * counts[history.removesuffix("_history")]
            buys = counts["media_buys"]
            counts["platform_buy_daily_impressions"] = DAYS_A_BUY * buys
            counts["platform_buy_daily_videos"] = DAYS_A_BUY * ((buys + 2) // 3)
        return cls(counts, full)

    def __getitem__(self, table: str) -> int:
        """Rows of a table at day 0, 0 for one that stays empty."""
        return self.counts.get(table, 0)

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.counts.values())


FRAGMENTS = 192
"""Different fragments of each kind; a payload draws one of each, so that payloads rarely repeat."""


def payload(draw: Draw, n: int, external_id: str) -> str:
    """Write the payload of the n-th entity, spaced as jsonb writes it."""
    unique = uuid_of("payload", n)
    account = 2**53 + 1 + 2 * n if n % 100 == 50 else 10**15 + n * 7919  # a double holds the latter
    head = (
        f'{{"id": "{external_id}", "etag": "{unique}", "revision": {draw.below(900)}, '
        f'"budgetMicros": {draw.below(10**12)}, "accountNumber": {account}, '
        f'"bid": {{"strategy": "target_cpm", "maxMicros": {draw.below(10**8)}}}, '
    )
    return (
        f'{head}"targeting": [{draw.of(_targeting())}, {draw.of(_targeting())}], '
        f'"creatives": [{draw.of(_creatives())}, {draw.of(_creatives())}], '
        f'"delivery": {draw.of(_delivery())}, "notes": "{draw.of(_notes())}"}}'
    )


@cache
def _targeting() -> tuple[str, ...]:
    return tuple(_one_targeting(Draw("targeting", n), n) for n in range(FRAGMENTS))


def _one_targeting(draw: Draw, n: int) -> str:
    segments = ", ".join(
        f'{{"segmentId": "{uuid_of("segments", n * 9 + i)}", "name": "{draw.of(AUDIENCES)}", '
        f'"exclude": {"true" if draw.chance(20) else "false"}}}'
        for i in range(6 + n % 3)
    )
    zips = ", ".join(f'"{draw.below(100_000):05d}"' for _ in range(20 + n % 9))
    return (
        f'{{"geo": "{draw.of(PLACES)}", "zips": [{zips}], "segments": [{segments}], '
        f'"devices": ["ctv", "desktop", "phone"], "ageRange": [{18 + n % 30}, {50 + n % 15}]}}'
    )


@cache
def _creatives() -> tuple[str, ...]:
    return tuple(_one_creative(Draw("creatives", n), n) for n in range(FRAGMENTS))


def _one_creative(draw: Draw, n: int) -> str:
    asset = uuid_of("assets", n)
    return (
        f'{{"creativeId": {10**15 + n * 104_729}, "format": "{draw.of(FORMATS)}", '
        f'"asset": "https://cdn.example.com/{asset}/{draw.of(BRANDS).lower()}.mp4", '
        f'"click": "https://www.example.com/?utm_source={draw.of(BRANDS)}&utm_id={asset}", '
        f'"ctr": 0.{draw.below(10**6):06d}, "status": "ACTIVE", "durationSeconds": null}}'
    )


@cache
def _delivery() -> tuple[str, ...]:
    return tuple(_one_delivery(Draw("delivery", n)) for n in range(FRAGMENTS))


def _one_delivery(draw: Draw) -> str:
    hours = ", ".join(
        f'{{"day": {day}, "impressions": {draw.below(10**6)}, "spend": {draw.below(9999)}.25}}'
        for day in range(1, 15)
    )
    return f'{{"currency": "USD", "timezone": "America/New_York", "byDay": [{hours}]}}'


@cache
def _notes() -> tuple[str, ...]:
    return tuple(sentences(Draw("notes", n), 3 + n % 3) for n in range(FRAGMENTS))
