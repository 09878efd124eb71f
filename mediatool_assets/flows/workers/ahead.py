"""Makes the next item while the one before is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items, each made by a thread while the one before is used; at most two are in memory.

    So a server has the next rows when it has written the last ones. Raises what making an item
    raises, at its place.
    """
    making = iter(items)
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        made: Future[Item | object] = pool.submit(next, making, end)
        while (item := made.result()) is not end:
            made = pool.submit(next, making, end)
            yield item  # type: ignore[misc]  # only the end is no item
