"""Pieces: some whole rows of tiles of one page, filtered and made ready for the file, wherever that happens."""

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
    """Makes rows ready for the file: encodes them, or writes them where they belong."""

    def __call__(self, page: int, first: int, rows: NDArray[Any], pool: ThreadPool) -> Any:
        """What the file is to take of rows `first` on of a page."""
        ...


@dataclass(frozen=True)
class Piece:
    """Rows `first` to `last` of a page, finished; and their half, where a pyramid is wanted."""

    first: int
    last: int
    made: Any
    half: NDArray[Any] | None


class Sink(Protocol):
    """A file that takes stacks, piece by piece. grain: pieces begin at multiples of so many rows."""

    grain: int

    @property
    def levels(self) -> int:
        """How many levels, the full size among them."""
        ...

    def begin(self, shape: MapShape, facts: Facts) -> Finish:
        """Make ready for a stack; what is to be done with its rows."""
        ...

    def take(self, pieces: Iterator[Piece]) -> None:
        """Write the stack."""
        ...


Rows = tuple[int, int, int, NDArray[Any], NDArray[Any] | None]


def make(chain: Chain, page: int, first: int, last: int, levels: bool, threads: int | None) -> Rows:
    """Filter the rows of a page: its number, first and last row, the rows, and their half where levels are wanted."""
    rows = joined(chain.rows(np.arange(first, last)))
    return page, first, last, rows, halved(rows, first, chain.shape[0], threads) if levels else None


def finished(made: Rows, finish: Finish, pool: ThreadPool) -> Piece:
    """The rows made ready for the file."""
    page, first, last, rows, half = made
    return Piece(first, last, finish(page, first, rows, pool), half)


Tell = Callable[[int], None]


def learn(chain: Chain, tell: Tell) -> None:
    """Go through the page as often as has to be known of it before its first row can be made."""
    for step in chain.passes():
        for first in range(0, step.shape[0], step.band):
            last = min(first + step.band, step.shape[0])
            step.learn(first, last)
            tell(last - first)


def made_here(
    chains: Iterator[Chain], finish: Finish, levels: bool, threads: int | None, tell: Tell
) -> Iterator[Piece]:
    """The pieces of all pages of a stack, one after the other, on this machine.

    While one is written the next is finished and the one after that is read and filtered, where there is memory for it,
    for none of these keeps all processors busy from beginning to end.
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
    """The same items, of which the next is made on another thread while one is in use, where there is room."""
    if not roomy:
        yield from items
        return
    with ThreadPool(1) as helper:
        coming = helper.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = helper.submit(next, items, None)
            yield item
