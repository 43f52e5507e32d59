"""Pieces of a page, each some whole rows of tiles: filtered and encoded, here or on a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from convcli.large.pages import Facts, MapShape, joined
from convcli.large.pyramid import halved
from convcli.large.steps import Chain
from convcli.system.pool import ThreadPool

T = TypeVar("T")


class Finish(Protocol):
    """A function that finishes rows for the output: it encodes them, or writes them to their place."""

    def __call__(self, page: int, first: int, rows: NDArray[Any], pool: ThreadPool) -> Any:
        """Finish the rows of a page that start at row `first`; return what the output file still needs of them."""
        ...


@dataclass(frozen=True)
class Piece:
    """Finished rows [first, last) of a page; half: the same rows at half size, if a pyramid is written."""

    first: int
    last: int
    made: Any
    half: NDArray[Any] | None


class Sink(Protocol):
    """An output file that stacks are written to piece by piece. grain: pieces begin at multiples of this row count."""

    grain: int

    @property
    def levels(self) -> int:
        """The number of levels, including the full size."""
        ...

    def begin(self, shape: MapShape, facts: Facts) -> Finish:
        """Prepare for a stack, and return the function that finishes its rows."""
        ...

    def take(self, pieces: Iterator[Piece]) -> None:
        """Write the stack."""
        ...


Rows = tuple[int, int, int, NDArray[Any], NDArray[Any] | None]


def make(chain: Chain, page: int, first: int, last: int, levels: bool, threads: int | None) -> Rows:
    """Filter rows [first, last) of a page; return page, first, last, rows, and rows at half size if levels is set."""
    rows = joined(chain.rows(np.arange(first, last)))
    return page, first, last, rows, halved(rows, first, chain.shape[0], threads) if levels else None


def finished(made: Rows, finish: Finish, pool: ThreadPool) -> Piece:
    """Finish filtered rows, and return them as a piece."""
    page, first, last, rows, half = made
    return Piece(first, last, finish(page, first, rows, pool), half)


Tell = Callable[[int], None]


def learn(chain: Chain, tell: Tell) -> None:
    """Run the passes over the page that must precede its first row of output, such as finding minimum and maximum."""
    for step in chain.passes():
        for first in range(0, step.shape[0], step.band):
            last = min(first + step.band, step.shape[0])
            step.learn(first, last)
            tell(last - first)


def made_here(
    chains: Iterator[Chain], finish: Finish, levels: bool, threads: int | None, tell: Tell
) -> Iterator[Piece]:
    """Yield the pieces of all pages of a stack in order, made on this machine.

    If memory allows, while one piece is written the next is finished and the one after that is read and filtered:
    none of these steps alone keeps all processors busy.
    """

    def rows(page: int, chain: Chain) -> Iterator[Rows]:
        for first, last in chain.pieces():
            yield make(chain, page, first, last, levels, threads)
            tell(last - first)

    with ThreadPool(threads) as pool:
        for page, chain in enumerate(chains):
            learn(chain, tell)
            made = _ahead(rows(page, chain), chain.roomy)
            yield from _ahead((finished(each, finish, pool) for each in made), chain.roomy)


def _ahead(items: Iterator[T], roomy: bool) -> Iterator[T]:
    """Yield the same items; if roomy, prefetch the next on another thread while one is in use."""
    if not roomy:
        yield from items
        return
    with ThreadPool(1) as helper:
        coming = helper.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = helper.submit(next, items, None)
            yield item
