"""Filtering a page with a chain of kernels, some rows at a time: each step requests the rows it needs from the last.

However the page is divided, the rows are bit for bit those of filtering it as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.window import RowWindow, Whole
from convcli.filtering.frame import Count, PictureOptions, filter_frame, steps
from convcli.filtering.recipe import Recipe
from convcli.images import Frame
from convcli.large.pages import Source

Array = NDArray[Any]
ROWS = 1024  # most rows in a band; more are no faster
FEWEST = 16  # fewest; with fewer the halo costs too much
_TELLING = 0  # the row of the map that is filtered from zeros, to learn shape and dtype


@dataclass
class Counts:
    """Counts of one step's saturated samples, by the band's first row, so that a band made twice counts once."""

    bands: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def total(self) -> tuple[int, int, int]:
        """The number of samples, and how many were clipped below and above."""
        samples, below, above = zip(*self.bands.values(), strict=True) if self.bands else ((), (), ())
        return sum(samples), sum(below), sum(above)


class Step:
    """A source filtered with one kernel, or several that are combined; in turn a source of the resulting rows.

    The rows are made in bands of `band` rows; two bands are cached, as the next step's halo reaches into the last one.
    """

    def __init__(
        self, source: Source, recipe: Recipe, options: PictureOptions, memory: int, threads: int | None, grain: int
    ) -> None:
        self._source, self._recipe, self._options, self._threads = source, recipe, options, threads
        self._size = (source.shape[0], source.shape[1])
        self.whole, self.counts = Whole(), Counts()
        self._kept: dict[int, Frame] = {}
        rows, _ = recipe.output(self._size)
        told, units, self.range = self._rehearsed()
        self.shape: tuple[int, ...] = (rows, *told.pixels.shape[1:])
        self.dtype, self.alpha = told.pixels.dtype, told.alpha is not None
        self.stretched = self.range == "normalize"
        self.band = self._fitting(lcm(*units), memory, grain)

    def _rehearsed(self) -> tuple[Frame, list[int], str]:
        """Filter a row of zeros; return it, for its shape and dtype, with the routes' row units and the range."""
        units: list[int] = [1]
        window = self._window(_TELLING, _TELLING + 1, Whole(units=units))
        source, height = self._source, len(window.rows)
        pixels = np.zeros((height, *source.shape[1:]), source.dtype)
        alpha = np.zeros((height, source.shape[1]), source.dtype) if source.alpha else None
        count = Count()
        return filter_frame(Frame(pixels, alpha), self._recipe, self._options, count, 1, window), units, count.range

    def learn(self, first: int, last: int) -> None:
        """Update what is known of the whole map, see `Whole`, from its rows [first, last)."""
        filter_frame(*self._asked(first, last))

    def rows(self, wanted: NDArray[np.intp]) -> Frame:
        """Return the rows of the map with the given numbers, which are ascending."""
        starts = np.unique(wanted // self.band) * self.band
        if len(starts) == 1:
            return _taken(self._block(int(starts[0])), wanted - starts[0])
        pixels = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        alpha = np.empty((len(wanted), self.shape[1]), self.dtype) if self.alpha else None
        for start in starts:
            here = (wanted >= start) & (wanted < start + self.band)
            part = _taken(self._block(int(start)), wanted[here] - start)
            pixels[here] = part.pixels
            if alpha is not None:
                alpha[here] = part.alpha
        return Frame(pixels, alpha)

    def _block(self, first: int) -> Frame:
        if first not in self._kept:
            while len(self._kept) > 1:
                del self._kept[next(iter(self._kept))]
            asked = self._asked(first, min(first + self.band, self.shape[0]))
            self._kept[first] = filter_frame(*asked)
            count = asked[3]
            self.counts.bands[first] = count.samples, count.below, count.above
        return self._kept[first]

    def _asked(self, first: int, last: int) -> tuple[Frame, Recipe, PictureOptions, Count, int | None, RowWindow]:
        window = self._window(first, last, self.whole)
        return self._source.rows(window.rows), self._recipe, self._options, Count(), self._threads, window

    def _window(self, first: int, last: int, whole: Whole) -> RowWindow:
        kernels = [kernel.size for kernel in self._recipe.kernels]
        return RowWindow.needed(self._size, kernels, self._recipe.geometry, first, last, whole)

    def _fitting(self, unit: int, memory: int, grain: int) -> int:
        """Return the number of rows to make at a time: what fits, in whole units and grains or halved grains."""
        source, recipe = self._source, self._recipe
        samples_in = int(np.prod(source.shape[1:])) * recipe.geometry.stride[0]
        samples = int(np.prod(self.shape[1:]))
        row = 4 * samples_in * source.dtype.itemsize + 4 * samples * self.dtype.itemsize
        if self.stretched:
            row += 8 * samples
        if source.alpha or self._options.linear or recipe.combine:  # these work in floats
            row += 12 * (samples_in + samples)
        fit = int(min(memory // row, ROWS))
        while grain > max(fit, FEWEST) and grain % 2 == 0:
            grain //= 2
        step = unit * -(-grain // unit)
        return max(step, fit // step * step)


def _taken(frame: Frame, places: NDArray[np.intp]) -> Frame:
    """Return some rows of a frame, without copying if they are adjacent."""
    index: Any = places
    if places[-1] - places[0] == len(places) - 1:
        index = slice(int(places[0]), int(places[-1]) + 1)
    return Frame(frame.pixels[index], None if frame.alpha is None else frame.alpha[index])


class Chain:
    """A page filtered with all steps of a recipe; a source of the last map's rows.

    grain: pieces are multiples of this row count. memory: bytes that may be used.
    roomy: whether memory suffices for more than one piece at a time.
    """

    def __init__(
        self, page: Source, recipe: Recipe, options: PictureOptions, memory: int, threads: int | None, grain: int
    ) -> None:
        self.steps: list[Step] = []
        chain, source = steps(recipe), page
        for part in chain:
            source = Step(source, part, options, memory // (len(chain) + 1), threads, grain)
            self.steps.append(source)
        last = self.steps[-1]
        self.shape, self.dtype, self.alpha, self.rows = last.shape, last.dtype, last.alpha, last.rows
        self.piece = max(grain, last.band // grain * grain)
        row = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        self.roomy = 4 * self.piece * row <= memory // (len(chain) + 1)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Yield the rows [first, last) of each piece, from top to bottom."""
        for first in range(0, self.shape[0], self.piece):
            yield first, min(first + self.piece, self.shape[0])

    def passes(self) -> Iterator[Step]:
        """Yield the steps that must `learn` all rows of their map before the first row of output can be made."""
        for step in self.steps:
            if step.stretched:
                yield step
                for limits in step.whole.limits.values():
                    limits.known = True

    @property
    def height(self) -> int:
        """The number of rows to process, including those of the passes."""
        return self.shape[0] + sum(step.shape[0] for step in self.steps if step.stretched)
