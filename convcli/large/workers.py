"""The pieces of one picture on the workers of a Dask scheduler.

Each piece is a task that reads its own rows with the halo they need, filters and finishes them (encodes the tiles of a
TIFF, writes the chunks of a Zarr), so that what travels is small. dask.array's map_overlap would not do: none of its
borders mirrors without repeating the edge, or repeats a picture that is narrower than the border; it has no stride and
no uneven padding; and its blocks don't keep to the tiles of the engine's route, without which the result is not bit for
bit that of the whole.
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
    """All that a worker needs to know of a stack. token: of this run and stack alone."""

    reading: Reading
    stack: int
    recipe: Recipe
    options: PictureOptions
    memory: int
    grain: int
    token: str = field(default_factory=lambda: os.urandom(8).hex())

    def chain(self, source: Any, threads: int | None = 1) -> Chain:
        """The chain of steps for a page; the same here and on every worker."""
        return Chain(source, self.recipe, self.options, self.memory, threads, self.grain)


class _Opened(threading.local):
    """What a thread of a worker has open: the stacks of one job, and the chain of one page."""

    token, page = "", -1
    stacks: list[Stack]
    known: list[Whole]
    held: Chain

    def __init__(self) -> None:
        self.closing = contextlib.ExitStack()

    def chain(self, job: StackJob, page: int, wholes: list[Whole]) -> Chain:
        """The chain of a page, which knows of the whole picture what is known so far."""
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
    """What some rows say of the whole; see `Chain.passes`. Runs on a worker."""
    at = _opened.chain(job, page, wholes).steps[step]
    try:
        at.learn(first, last)
        return at.whole
    finally:
        _opened.page = -1  # what was learned of a part is not to stay


def _make(
    job: StackJob, page: int, wholes: list[Whole], first: int, last: int, levels: bool, finish: Finish
) -> tuple[Piece, Counted]:
    """A piece, and what was counted on the way. Runs on a worker."""
    chain = _opened.chain(job, page, wholes)
    with ThreadPool(1) as pool:
        piece = finished(make(chain, page, first, last, levels, 1), finish, pool)
    return piece, [dict(step.counts.bands) for step in chain.steps]


def made_there(
    place: Place, job: StackJob, chains: Iterator[Chain], finish: Finish, levels: bool, tell: Tell
) -> Iterator[Piece]:
    """The pieces of all pages of a stack in order, made by the workers; a few more are in hand than there are threads.

    Raises AccessError where the cluster has gone, or a worker can't do it.
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
    """The results of the tasks, in their order."""
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
            capacity()  # which knows when the cluster has gone
        return future.result()
    except ConvcliError:
        raise
    except CancelledError:
        raise AccessError("the cluster has gone; start it again, and give the same command") from None
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise AccessError(f"given up by the cluster: {lines[0]}") from None
