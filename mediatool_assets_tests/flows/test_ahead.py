"""The next item is made while the one before is used."""

import gc
from collections.abc import Iterator
from threading import Event

import pytest

from mediatool_assets.flows.workers.ahead import one_ahead


def test_items_come_in_order_and_one_ahead() -> None:
    """The second is made before the first is given back, and no third."""
    made: list[int] = []
    second = Event()

    def making() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    items = one_ahead(making())
    assert next(items) == 0
    assert second.wait(30)
    assert made == [0, 1]
    assert list(items) == [1, 2, 3]


def test_an_error_is_raised_in_its_place() -> None:
    """After the items before it; and nothing is made after it."""

    def making() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    items = one_ahead(making())
    assert next(items) == 1
    with pytest.raises(ValueError, match="the second"):
        next(items)
    assert list(items) == []


def test_whoever_stops_early_leaves_no_thread() -> None:
    """The item that is being made is waited for."""
    ended: list[bool] = []

    def making() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            ended.append(True)

    items = one_ahead(making())
    assert next(items) == 0
    del items
    gc.collect()
    assert ended == [True]
