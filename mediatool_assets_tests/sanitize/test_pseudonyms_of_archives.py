"""What belongs together stays together: one value has one pseudonym, everywhere and every day."""

import json

from mediatool_assets.core.signing import MaskingKey
from mediatool_assets_tests.fixtures.sanitizing_bench import (
    BUYS,
    HISTORY,
    NEXT_DAY,
    SECRET,
    TABLES,
    USERS,
    Bench,
    history,
    user,
)


def test_one_value_has_one_pseudonym_everywhere(bench: Bench) -> None:
    """In columns, arrays, documents and history: what was joined can be joined."""
    published = bench.run()
    users, campaigns = bench.rows("users"), bench.rows("campaigns")
    for before, after, old in zip(TABLES[USERS], users, bench.rows("users_history"), strict=True):
        assert not set(before.values()) & set(after.values())
        assert old["id"] == after["id"]
        assert old["data"]["name"] == after["name"]
        assert old["data"]["contact"]["email"] == after["email"]
    for n, campaign in enumerate(campaigns):
        assert campaign["owner"] == users[n + 5]["crm_id"]
        assert campaign["traders"][:2] == [users[n]["id"], None]
        assert bench.rows("users_history")[n]["data"]["numbers"] == [campaign["number"]]
        assert len(campaign["note"]) == len("Talk to Ada — 私は")
    assert bench.rows("buys")[3]["numbers"] == [campaigns[3]["number"], campaigns[18]["number"]]
    found = {
        r.reference: (r.orphans_before, r.orphans_after) for r in published.report.proof.references
    }
    assert found == {
        "campaigns.owner -> users.crm_id": (0, 0),
        "campaigns.traders[] -> users.id": (10, 10),
        "buys.numbers[] -> campaigns.number": (5, 5),
    }


def test_the_next_day_has_the_same_pseudonyms(bench: Bench) -> None:
    """Another version, with other rows beside, masks what it shares alike; another key does not."""
    bench.run()
    later = dict(TABLES) | {USERS: [user(99), *TABLES[USERS]]}
    bench.run(later, version=NEXT_DAY, name="next.tar.gz")
    assert bench.rows("users", "next.tar.gz")[1:] == bench.rows("users")
    other = MaskingKey(SECRET[::-1])
    bench.again(key=other, name="other.tar.gz")
    ids = [{row["id"] for row in bench.rows("users", n)} for n in ("out.tar.gz", "other.tar.gz")]
    assert not ids[0] & ids[1]


def test_the_same_rows_give_the_same_bytes(bench: Bench) -> None:
    """Sanitizing again changes nothing."""
    bench.run()
    bench.again(name="again.tar.gz")
    assert (bench.folder / "out.tar.gz").read_bytes() == (
        bench.folder / "again.tar.gz"
    ).read_bytes()


def test_numbers_beyond_64_bits_have_pseudonyms(bench: Bench) -> None:
    """One for number and text; and amounts that no computer counts with are taken away."""
    long = 98765432109876543210
    rows = [history(1, long=long), history(2, long=str(long)), history(3, gone="x")]
    users = [user(n) | {"crm_id": str(long)} for n in (1,)]
    bench.run({**TABLES, USERS: users, HISTORY: rows})
    documents = [row["data"] for row in bench.rows("users_history")]
    crm_id = bench.rows("users")[0]["crm_id"]
    assert crm_id != str(long)
    assert json.loads(documents[0])["long"] == int(crm_id)
    assert documents[1]["long"] == crm_id


def test_amounts_of_any_length_are_blurred(bench: Bench) -> None:
    """As long as numeric holds them: 5,000 digits are no mistake of anybody's."""
    spends = ["9" * 5000, "1" * 131_072, "0." + "4" * 15_000]
    rows = [{"id": n, "numbers": [], "spend": spend} for n, spend in enumerate(spends)]
    bench.run({**TABLES, BUYS: rows})
    made = [row["spend"] for row in bench.rows("buys")]
    assert [abs(len(after) - len(before)) <= 1 for before, after in zip(spends, made, strict=True)]
    assert not set(spends) & set(made)
