"""The history of one row over versions."""

import pytest

from mediatool_assets.domain.errors import Misuse, NotFound
from mediatool_assets.flows.query.history import RowEvent, row_history
from mediatool_assets_tests.flows.query.conftest import FIRST, SECOND, THIRD, Session


def test_the_history_of_a_row_has_each_change_with_both_values(session: Session) -> None:
    """It appears with all its columns; a change has the columns that differ."""
    with session() as found:
        history = row_history(found, "campaigns", "b")
    assert history.present == (SECOND, THIRD)
    appeared = {"id": (None, "b"), "stage": (None, "Lead"), "budget": (None, None)}
    assert history.events == (
        RowEvent(SECOND, "appeared", appeared),
        RowEvent(THIRD, "changed", {"stage": ("Lead", "Won"), "region": (None, "EMEA")}),
    )


def test_a_removed_row_says_what_it_was(session: Session) -> None:
    """Its last values are in the event of the version that no longer has it."""
    with session() as found:
        *_, last = row_history(found, "campaigns", "id=a").events
    assert (last.version, last.change) == (THIRD, "removed")
    assert last.columns["budget"] == ("1.50", None)


def test_a_row_that_never_changed_has_one_event(session: Session) -> None:
    """It appeared in the first version that was asked for."""
    with session() as found:
        (event,) = row_history(found, "teams", "1").events
    assert (event.version, event.change) == (FIRST, "appeared")


def test_what_is_not_there_is_named(session: Session) -> None:
    """A table, a row, and a key of other columns."""
    with session() as found:
        with pytest.raises(NotFound, match="no version has a table nothing"):
            row_history(found, "nothing", "b")
        with pytest.raises(NotFound, match="campaigns has no row zz in these 3 versions"):
            row_history(found, "campaigns", "zz")
        with pytest.raises(NotFound, match="has no row stage=Lead"):
            row_history(found, "campaigns", "stage=Lead")


def test_a_composite_key_is_written_by_column(session: Session) -> None:
    """The message shows the columns to write."""
    with session() as found, pytest.raises(Misuse, match="write id=…"):
        row_history(found, "campaigns", "id=a,stage=Lead")
