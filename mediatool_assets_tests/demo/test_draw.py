"""Draws that follow from a name and a number alone."""

from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.demo.tables import version_count
from mediatool_assets.demo.values import Draw, crm_id, picked, uuid_of


@given(st.text(), st.integers(0, 10**9), st.lists(st.integers(1, 2**60), max_size=60))
def test_the_same_row_draws_the_same_values(what: str, n: int, bounds: list[int]) -> None:
    """Two draws of one name and number agree for as long as one likes, and stay below the bound."""
    one, other = Draw(what, n), Draw(what, n)
    drawn = [one.below(bound) for bound in bounds]
    assert drawn == [other.below(bound) for bound in bounds]
    assert all(0 <= value < bound for value, bound in zip(drawn, bounds, strict=True))


def test_neighbours_draw_different_values() -> None:
    """A thousand rows share no long draw, and a short one spreads evenly."""
    assert len({Draw("rows", n).below(2**60) for n in range(1000)}) == 1000
    tens = [sum(Draw("rows", n).below(10) == digit for n in range(5000)) for digit in range(10)]
    assert min(tens) > 400 and max(tens) < 600


@given(st.integers(1, 3000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_a_share_is_exact(share: tuple[int, int]) -> None:
    """Exactly so many of the total are picked."""
    count, total = share
    assert sum(picked(n, count, total) for n in range(total)) == count


@given(st.integers(1, 300), st.integers(0, 2000))
def test_history_rows_are_shared_out_to_the_row(base_rows: int, extra: int) -> None:
    """The versions of all rows sum to the table's rows, and no row goes without."""
    total = base_rows + extra
    shares = [version_count(total, n, base_rows) for n in range(base_rows)]
    assert sum(shares) == total
    assert min(shares) >= 1


def test_ids_do_not_collide() -> None:
    """CRM ids are 19 digits and, like the UUIDs, differ between kinds and numbers."""
    crm = [crm_id(kind, n) for kind in ("accounts", "campaigns", "users") for n in range(2000)]
    uuids = [uuid_of(kind, n) for kind in ("line_items", "users") for n in range(2000)]
    assert (len(set(crm)), len(set(uuids))) == (6000, 4000)
    assert {len(one) for one in crm} == {19}
