"""Processing the bands of a picture on threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(do: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Yield the results of `do` for all items, in order; on threads if there is more than one item."""
    if min(threads, len(items)) < 2:
        yield from map(do, items)
        return
    from convcli.system.pool import ThreadPool

    with ThreadPool(threads) as pool:
        yield from pool.map(do, items)
