"""Making the pieces of one picture on the workers of a Dask scheduler.

Each piece is a task that reads its own rows with the halo they need, filters and finishes them (encodes the tiles of a
TIFF, writes the chunks of a Zarr), so that little data is transferred. dask.array's map_overlap does not suffice: none
of its borders mirrors without repeating the edge, or repeats a picture that is narrower than the border; it has no
stride and no uneven padding; and its blocks are not aligned to the tiles of the engine's route, as they must be for a
result that is bit for bit that of the whole.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from convcli.engine.window import Whole
from convcli.errors import AccessError, ConvcliError
from convcli.filtering.frame import PictureOptions
from convcli.filtering.recipe import Recipe
from convcli.large.pages import Stack
from convcli.large.pieces import Finish, Piece, Tell, finished, make
from convcli.large.reading import Reading
from convcli.large.steps import Chain
from convcli.system.pool import ThreadPool

_GLANCE = 0.5  # seconds
Place = tuple[Executor, Callable[[], int]]
Counted = list[dict[int, tuple[int, int, int]]]


@dataclass(frozen=True)
class StackJob:
    """All that a worker needs to process a stack. token: unique to this run and stack."""

    reading: Reading
    stack: int
    recipe: Recipe
    options: PictureOptions
    memory: int
    grain: int
    token: str = field(default_factory=lambda: os.urandom(8).hex())

    def chain(self, source: Any, threads: int | None = 1) -> Chain:
        """Return the chain of steps for a page; the same here and on every worker."""
        return Chain(source, self.recipe, self.options, self.memory, threads, self.grain)


class _Opened(threading.local):
    """What a worker's thread holds open: the stacks of one job, and the chain of one page."""

    token, page = "", -1
    stacks: list[Stack]
    known: list[Whole]
    held: Chain

    def __init__(self) -> None:
        self.closing = contextlib.ExitStack()

    def chain(self, job: StackJob, page: int, wholes: list[Whole]) -> Chain:
        """Return the chain of a page. wholes: what is known so far of each step's whole map."""
        if job.token != self.token:
            self.token, self.page = "", -1
            self.closing.close()
            self.stacks = self.closing.enter_context(job.reading.opened(1))
            self.token = job.token
        if page != self.page or wholes != self.known:
            self.held = job.chain(self.stacks[job.stack].pages[page])
            for step, whole in zip(self.held.steps, wholes, strict=True):
                step.whole = whole
            self.page, self.known = page, wholes
        return self.held


_opened = _Opened()


def _learn(job: StackJob, page: int, wholes: list[Whole], step: int, first: int, last: int) -> Whole:
    """Return what rows [first, last) reveal of a step's whole map; see `Chain.passes`. Runs on a worker."""
    at = _opened.chain(job, page, wholes).steps[step]
    try:
        at.learn(first, last)
        return at.whole
    finally:
        _opened.page = -1  # discards the chain, which now knows of only a part


def _make(
    job: StackJob, page: int, wholes: list[Whole], first: int, last: int, levels: bool, finish: Finish
) -> tuple[Piece, Counted]:
    """Make a piece; return it with each step's counts. Runs on a worker."""
    chain = _opened.chain(job, page, wholes)
    with ThreadPool(1) as pool:
        piece = finished(make(chain, page, first, last, levels, 1), finish, pool)
    return piece, [dict(step.counts.bands) for step in chain.steps]


def made_there(
    place: Place, job: StackJob, chains: Iterator[Chain], finish: Finish, levels: bool, tell: Tell
) -> Iterator[Piece]:
    """Yield the pieces of all pages of a stack in order, made by the workers; slightly more than threads are queued.

    Raises AccessError if the cluster is gone, or a worker fails.
    """
    for page, chain in enumerate(chains):
        for step in chain.passes():
            index, height = chain.steps.index(step), step.shape[0]
            wholes = [known.whole for known in chain.steps]
            cuts = [(first, min(first + step.band, height)) for first in range(0, height, step.band)]
            tasks = ((_learn, job, page, wholes, index, first, last) for first, last in cuts)
            for (first, last), told in zip(cuts, _in_order(place, tasks), strict=True):
                step.whole.add(told)
                tell(last - first)
        wholes = [known.whole for known in chain.steps]
        todo = ((_make, job, page, wholes, first, last, levels, finish) for first, last in chain.pieces())
        for piece, counted in _in_order(place, todo):
            for known, bands in zip(chain.steps, counted, strict=True):
                known.counts.bands.update(bands)
            yield piece
            tell(piece.last - piece.first)


def _in_order(place: Place, tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield the results of the tasks, in order."""
    pool, capacity = place
    waiting, busy = iter(tasks), deque[Future[Any]]()
    try:
        while True:
            while len(busy) < capacity() and (task := next(waiting, None)) is not None:
                busy.append(pool.submit(*task))
            if not busy:
                return
            yield _result(busy.popleft(), capacity)
    finally:
        for future in busy:
            future.cancel()


def _result(future: Future[Any], capacity: Callable[[], int]) -> Any:
    try:
        while not wait([future], _GLANCE).done:
            capacity()  # raises if the cluster is gone
        return future.result()
    except ConvcliError:
        raise
    except CancelledError:
        raise AccessError("the cluster has gone; start it again, and give the same command") from None
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise AccessError(f"given up by the cluster: {lines[0]}") from None
