"""The cost of a made-up year of daily versions, against a calculation by hand."""

from calendar import monthrange
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from mediatool_assets.bucket.cost_report import Costs, ForecastMonth, costs
from mediatool_assets.bucket.flow import SHIPPED_PRICES, read_prices
from mediatool_assets.core.inventory import StoredItem
from mediatool_assets_tests.made_up_year import DECLARED, GIB, TAKEN, items, year

D = Decimal
CENT = D("0.01")
PRICES = read_prices(SHIPPED_PRICES)

RAW = "postgres-exports/raw/"
TRANSFORMED = "postgres-exports/transformed/"

STANDARD, IA, GLACIER, GLACIER_IR = D("0.023"), D("0.0125"), D("0.0036"), D("0.004")
KB64 = D(1) / 16384  # of a GB
ARCHIVED = (32 * GLACIER + 8 * STANDARD) / 1024 / 1024  # 40 KB beside each object of GLACIER
SINCE_TWO = D(22) / 24  # of a day, what is written at 02:00 lies until midnight


@pytest.fixture(scope="module")
def found() -> Costs:
    """The report of the year."""
    return costs(year(), PRICES)


def cents(amount: Decimal) -> Decimal:
    """Rounded to the cent."""
    return amount.quantize(CENT)


def test_now(found: Costs) -> None:
    """What lies in each class today, at the price of a month."""
    # raw: 31 days in STANDARD (0 to 30 days old), 60 in STANDARD_IA, 274 in GLACIER
    raw = 31 * STANDARD + 60 * IA + 274 * (GLACIER + ARCHIVED)
    # transformed and dump, half a GB each: 8 days in STANDARD, 357 in GLACIER_IR
    half = (8 * STANDARD + 357 * GLACIER_IR) / 2
    metadata = 365 * KB64 * STANDARD
    assert cents(found.monthly) == cents(raw + 2 * half + metadata) == D("4.06")
    assert cents(found.monthly_all_standard) == cents((365 * 2 + 365 * KB64) * STANDARD)
    assert {(h.storage_class, h.objects) for h in found.holdings if h.area == RAW} == {
        ("STANDARD", 31),
        ("STANDARD_IA", 60),
        ("GLACIER", 274),
    }
    assert found.overdue == ()


def test_a_class_without_a_price_is_told(found: Costs) -> None:
    """It is reckoned as STANDARD, and that is said; the report comes all the same."""
    inventory = year()
    first = replace(inventory.items[0], storage_class="REDUCED_REDUNDANCY")
    standard = replace(inventory.items[0], storage_class="STANDARD")
    odd, plain = (
        costs(replace(inventory, items=(item, *inventory.items[1:])), PRICES)
        for item in (first, standard)
    )
    assert odd.classes_not_priced == ("REDUCED_REDUNDANCY (1) is priced as STANDARD",)
    assert found.classes_not_priced == ()
    assert odd == replace(plain, classes_not_priced=odd.classes_not_priced)


def by_hand(month: str) -> tuple[Decimal, Decimal]:
    """A month to come, under the rules and in STANDARD, from averages over its days."""
    first = date.fromisoformat(f"{month}-01")
    days = monthrange(first.year, first.month)[1]
    before = (first - date(2026, 7, 1)).days  # since the forecast began
    middle = before + D(days - 1) / 2  # days since then, on the average of the month
    # Raw. Before 02:00 there are 30 in STANDARD, after it 31; the next 60 days are in STANDARD_IA;
    # 275 have reached GLACIER on 1 July, one more each day; the first expires in July 2027.
    raw = (30 + SINCE_TWO) * STANDARD + 60 * IA + (275 + middle) * (GLACIER + ARCHIVED)
    raw += days * (D("0.01") + D("0.03")) / 1000  # one a day into each of both classes
    writes = days * (D(128 + 2) * D("0.005")) / 1000  # 128 parts, begin and completion
    # Transformed and dump, half a GB. 7 or 8 days are in STANDARD. In GLACIER_IR there are 358 on
    # 1 July, one more each day until the first goes on 1 August: 365 + 1 days, and 30 as noncurrent
    cold = 358 + middle if month == "2026-07" else D(388)
    half = ((7 + SINCE_TWO) * STANDARD + cold * GLACIER_IR) / 2 + days * D("0.02") / 1000
    writes += 2 * days * (D(64 + 2) * D("0.005")) / 1000
    # Metadata is kept for good: 365 on 1 July, one more each day.
    all_of_them = 365 + middle + SINCE_TWO
    metadata = all_of_them * KB64 * STANDARD
    writes += days * D("0.005") / 1000
    together = raw + 2 * half + metadata + writes
    kept = all_of_them if month == "2026-07" else 395 + SINCE_TWO
    flat = (all_of_them + kept) * STANDARD + metadata + writes
    return together, flat


def test_every_month_to_come(found: Costs) -> None:
    """Twelve months, each to the cent, under the rules and in STANDARD."""
    assert [m.month for m in found.months] == [
        *(f"2026-{n:02}" for n in range(7, 13)),
        *(f"2027-{n:02}" for n in range(1, 7)),
    ]

    def told(month: ForecastMonth) -> tuple[Decimal, Decimal]:
        return cents(month.total), cents(month.all_standard)

    expected = [tuple(cents(each) for each in by_hand(m.month)) for m in found.months]
    assert [told(month) for month in found.months] == expected
    assert expected[0][0] == D("4.22")


def test_the_year(found: Costs) -> None:
    """The twelve months together, and what the classes save of them."""
    under, flat = (sum(each, D(0)) for each in zip(*(by_hand(m.month) for m in found.months),
                                                   strict=True))  # fmt: skip
    assert (cents(found.year), cents(found.year_all_standard)) == (cents(under), cents(flat))
    assert cents(found.saved) == cents(flat - under)


def test_growth(found: Costs) -> None:
    """One a day of each, of a size that does not change."""
    seen = {each.area: each for each in found.growth}
    assert (seen[RAW].days, seen[RAW].objects, seen[RAW].bytes, seen[RAW].more) == (
        30,
        D(1),
        GIB,
        0,
    )


def test_growing_exports() -> None:
    """Exports that grow by a MB each day go on growing by one."""
    growing = []
    for item in items(40, raw=0):
        age = (TAKEN - item.modified).days
        growing.append(replace(item, bytes=GIB - age * 1_000_000))
    found = costs(replace(year(), items=tuple(growing)), PRICES)
    (raw,) = (each for each in found.growth if each.area == RAW)
    assert (raw.more, raw.bytes) == (1_000_000, GIB)


def test_having_it_back(found: Costs) -> None:
    """One raw archive out of GLACIER: its GB, one request, a week's copy, and reading that."""
    ways = {(r.area, r.storage_class, r.option): r for r in found.restoring}
    copy = STANDARD * 7 / 30 + D(128) * D("0.0004") / 1000
    slow = ways[RAW, "GLACIER", "Standard"].dollars
    assert slow == (D("0.01") + D("0.05") / 1000 + copy).quantize(D("0.000001"))
    assert ways[RAW, "GLACIER", "Bulk"].dollars == copy.quantize(D("0.000001"))
    assert cents(ways[RAW, "GLACIER", "Expedited"].dollars) == D("0.05")
    # half a GB, read in 64 parts, from a class that answers at once
    half = D("0.03") / 2 + D(64) * D("0.01") / 1000
    assert ways[TRANSFORMED, "GLACIER_IR", "read"].dollars == half
    assert ways[RAW, "STANDARD", "read"].dollars == (D(128) * D("0.0004") / 1000).quantize(
        D("0.000001")
    )


def average(month: ForecastMonth) -> tuple[int, Decimal]:
    """The days of a month, and days since July 2026 on the average of it."""
    first = date.fromisoformat(f"{month.month}-01")
    days = monthrange(first.year, first.month)[1]
    return days, (first - date(2026, 7, 1)).days + D(days - 1) / 2


def test_strategies(found: Costs) -> None:
    """All four, each with its figure."""
    compress, rules, tests, glacier = (each.saves for each in found.strategies)
    assert compress is not None and rules is not None and glacier is not None
    raw, other = (sum((m.areas[a] for m in found.months), D(0)) for a in (RAW, TRANSFORMED))
    assert abs(compress - (2 * raw + 2 * other)) < D("0.001")  # thrice as large; twice, two times
    # without any rule two GB of each day stay in STANDARD for good
    days_kept = sum((365 + average(m)[1] + SINCE_TWO for m in found.months), D(0))
    metadata = days_kept * KB64 * STANDARD
    writes = sum((m.requests for m in found.months), D(0))
    without = 2 * days_kept * STANDARD + metadata + writes
    assert abs(rules - (without - found.year)) < D("0.001")
    assert tests == 0
    # GLACIER instead of staying in STANDARD_IA, less the transitions and the 40 KB
    archived = sum((275 + average(m)[1] for m in found.months), D(0))
    saved = archived * (IA - GLACIER - ARCHIVED) - 365 * D("0.03") / 1000
    assert cents(glacier) == cents(saved)


def test_test_exports_cost_what_they_would_otherwise() -> None:
    """A test export a day: what its rule saves is the rest of what raw exports are kept for."""
    tests = [
        replace(item, testing=True, storage_class="STANDARD")
        for item in items(7)
        if item.key.startswith(RAW)
    ]
    found = costs(replace(year(), items=tuple(tests)), PRICES)
    assert found.strategies[2].saves is not None
    # made at 02:00, gone at the end of the 8th day after: seven days, until midnight, and one
    a_month = (8 + SINCE_TWO) * STANDARD + average(found.months[3])[0] * D("0.00065")
    assert cents(found.months[3].total) == cents(a_month)
    assert found.strategies[2].saves > 6 * found.year


def old(age: int, name: str = "STANDARD", key: str = RAW + "x", size: int = GIB) -> StoredItem:
    """An object of that many days, in that class."""
    return StoredItem(key, "version", size, name, TAKEN - timedelta(days=age))


def superseded(item: StoredItem, age: int) -> StoredItem:
    """The object, replaced that many days ago."""
    return replace(item, superseded=TAKEN - timedelta(days=age))


LATE: dict[str, tuple[StoredItem, str | None, Decimal]] = {
    "not yet": (old(31), None, D(0)),
    "within two days": (old(32), None, D(0)),
    "to STANDARD_IA": (old(34), "STANDARD_IA", STANDARD - IA),
    "to GLACIER": (old(94, "STANDARD_IA"), "GLACIER", IA - GLACIER - ARCHIVED),
    "colder than asked": (old(34, "DEEP_ARCHIVE"), None, D(0)),
    "too small to move": (old(400, size=1000), None, D(0)),
    "to expire": (old(734, "GLACIER"), "noncurrent", D(0)),
    "to go": (superseded(old(800, "GLACIER"), 40), "gone", GLACIER + ARCHIVED),
    "kept to be undone": (superseded(old(800, "GLACIER"), 20), None, D(0)),
    "a test export": (replace(old(12), testing=True), "gone", STANDARD),
    "an upload": (replace(old(11), kind="upload"), "gone", STANDARD),
    "a young upload": (replace(old(6), kind="upload"), None, D(0)),
    "a lone marker": (
        replace(old(5, size=GIB), kind="marker", lone=True), "gone", STANDARD
    ),
    "a marker": (replace(old(500), kind="marker"), None, D(0)),
}  # fmt: skip


@pytest.mark.parametrize("case", LATE)
def test_overdue(case: str) -> None:
    """What should be in another class or gone is told two days after, with what that costs."""
    item, should_be, monthly = LATE[case]
    found = costs(replace(year(), items=(item,)), PRICES).overdue
    assert [each.should_be for each in found] == ([] if should_be is None else [should_be])
    assert [each.monthly for each in found] == (
        [] if should_be is None else [monthly.quantize(D("0.000001"))]
    )


def test_what_a_class_bills_at_least() -> None:
    """128 KB in STANDARD_IA, and the rest of 30 days of what is deleted before."""
    put_there = old(0, "STANDARD_IA", "elsewhere/x", 1024)
    (held,) = costs(replace(year(), items=(put_there,)), PRICES).holdings
    assert held.area == "elsewhere/"
    assert held.small_objects == (IA * 127 / 1024 / 1024).quantize(D("0.000001"))
    assert held.early_deletion == (IA / 8192).quantize(D("0.000001"))  # all 30 days of 128 KB


def test_deleted_before_its_days_are_over() -> None:
    """A test export that was put into GLACIER_IR goes after 9 days and is billed for 90."""
    at_two = TAKEN.replace(hour=2)
    item = replace(old(0, "GLACIER_IR"), testing=True, modified=at_two)
    found = costs(replace(year(), items=(item,)), PRICES)
    # made 30 June 02:00, expires on 8 July, gone on 9 July: 8 days and 22 hours of 90 days
    early = GLACIER_IR * (D(90) - 8 - SINCE_TWO) / 30
    assert found.months[0].early_deletion == early.quantize(D("0.000001"))


def test_an_empty_bucket() -> None:
    """Nothing costs nothing."""
    found = costs(replace(year(), items=(), newest=None), PRICES)
    assert found.monthly == found.year == found.saved == 0
    assert found.strategies[0].saves is None


def test_no_rules() -> None:
    """Where nothing is ever moved or expires, STANDARD is what it costs."""
    bare = replace(DECLARED, read=replace(DECLARED.read, rules=()))
    fresh = tuple(replace(item, storage_class="STANDARD") for item in items(30))
    found = costs(replace(year(), items=fresh, rules=bare), PRICES)
    assert found.year == found.year_all_standard
    assert found.saved == 0
