"""Image pyramids: each pixel of a level is the mean of 2x2 pixels of the level before it.

The engine computes them like `convcli apply -k "1 1; 1 1 / 4" --stride 2 --padding 0,1,0,1 --padding-mode replicate`
(padding only where a side is odd), so means are rounded half to even and levels do not become brighter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import convolve
from convcli.engine.window import RowWindow
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import range_map

Array = NDArray[Any]
_MEAN = Kernel(np.ones((2, 2)), divisor=4)


def level_sizes(size: tuple[int, ...], smallest: int) -> list[tuple[int, ...]]:
    """Return the sizes (H, W) or (H, W, C) of all levels, full size first: halved, rounded up, down to `smallest`."""
    sizes = [size]
    while max(sizes[-1][:2]) > smallest:
        height, width, *more = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2), *more))
    return sizes


def halved(rows: Array, first: int, height: int, threads: int | None = None) -> Array:
    """Return rows of the next level, computed from rows of a level of height `height` that start at row `first`.

    `first` and the number of rows are even, except that the level's last row may have no partner.
    """
    geometry = Geometry.from_options(2, (0, height % 2, 0, rows.shape[1] % 2), "replicate")
    last = first + len(rows)
    window = RowWindow(height, np.arange(first, last), first // 2, -(-last // 2))
    return convolve(rows, _MEAN, geometry, mapping=range_map("clip", rows.dtype), threads=threads, window=window).pixels


class Pyramid:
    """The levels of one page below the full size. Rows are pushed from top to bottom, and output in whole tiles.

    sizes: of all levels. grain: the height of a tile. put: called with level, first row and rows.
    """

    def __init__(
        self, sizes: list[tuple[int, ...]], grain: int, put: Callable[[int, int, Array], None], threads: int | None
    ) -> None:
        self._sizes, self._grain, self._put, self._threads = sizes, grain, put, threads
        self._held: dict[int, list[Array]] = {level: [] for level in range(len(sizes))}
        self._done = dict.fromkeys(range(len(sizes)), 0)

    def push(self, level: int, rows: Array) -> None:
        """Add the next rows of a level."""
        if level >= len(self._sizes):
            return
        held, first, height = self._held[level], self._done[level], self._sizes[level][0]
        held.append(rows)
        count = sum(map(len, held))
        if count + first < height:
            count = count // self._grain * self._grain
        if not count:
            return
        joined = held[0] if len(held) == 1 else np.concatenate(held)
        piece, rest = joined[:count], joined[count:]
        self._held[level], self._done[level] = [rest] if len(rest) else [], first + count
        self._put(level, first, piece)
        if level + 1 < len(self._sizes):
            self.push(level + 1, halved(np.ascontiguousarray(piece), first, height, self._threads))
