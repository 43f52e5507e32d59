"""One page through a chain of kernels, rows at a time: each step asks the one before it for the rows it needs.

The rows are bit for bit those of the whole page, however they are cut.
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
ROWS = 1024  # more rows a band bring nothing
FEWEST = 16  # and fewer cost too much for the rows around them
_TELLING = 0  # an index of the map whose window is filtered to learn what comes out


@dataclass
class Counts:
    """Samples of one step that saturated, by the band's first row: a band that is made twice counts once."""

    bands: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def total(self) -> tuple[int, int, int]:
        """Samples in all, and how many saturated below and above."""
        samples, below, above = zip(*self.bands.values(), strict=True) if self.bands else ((), (), ())
        return sum(samples), sum(below), sum(above)


class Step:
    """One kernel, or several that are combined, over a source: itself a source of the map's rows.

    They are made in bands of `band` rows, of which two are kept: the next step's halo lies in the last one.
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
        """A row of zeros as it will come out, the units of the routes, and the range: all that is not pixels."""
        units: list[int] = [1]
        window = self._window(_TELLING, _TELLING + 1, Whole(units=units))
        source, height = self._source, len(window.rows)
        pixels = np.zeros((height, *source.shape[1:]), source.dtype)
        alpha = np.zeros((height, source.shape[1]), source.dtype) if source.alpha else None
        count = Count()
        return filter_frame(Frame(pixels, alpha), self._recipe, self._options, count, 1, window), units, count.range

    def learn(self, first: int, last: int) -> None:
        """Take note of what these rows of the map say of the whole; see `Whole`."""
        filter_frame(*self._asked(first, last))

    def rows(self, wanted: NDArray[np.intp]) -> Frame:
        """These rows of the map, ascending."""
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
        """How many rows of the map to make at a time: what fits, in whole units; whole grains, or parts of one."""
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
    """Some rows of a frame; neighbours without a copy."""
    index: Any = places
    if places[-1] - places[0] == len(places) - 1:
        index = slice(int(places[0]), int(places[-1]) + 1)
    return Frame(frame.pixels[index], None if frame.alpha is None else frame.alpha[index])


class Chain:
    """A page through all steps of a recipe. A source of the last map's rows.

    grain: rows are asked for in pieces of a multiple of it. memory: bytes that may be used.
    roomy: whether there is memory for more than one piece at a time.
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
        """First and last (not included) row of each piece, from top to bottom."""
        for first in range(0, self.shape[0], self.piece):
            yield first, min(first + self.piece, self.shape[0])

    def passes(self) -> Iterator[Step]:
        """The steps whose map has to be gone through before the first row can be made, in this order: with `learn`, all
        rows of it.
        """
        for step in self.steps:
            if step.stretched:
                yield step
                for limits in step.whole.limits.values():
                    limits.known = True

    @property
    def height(self) -> int:
        """Rows to be gone through, those of the passes among them."""
        return self.shape[0] + sum(step.shape[0] for step in self.steps if step.stretched)
