"""Smaller versions of a picture: each level is the means of 2x2 pixels of the one before it.

They are made by the engine, as `convcli apply -k "1 1; 1 1 / 4" --stride 2 --padding 0,1,0,1 --padding-mode replicate`
makes them (the padding where a side is odd), so a mean is rounded half to even and no level is brighter than the last.
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
    """Sizes (H, W) or (H, W, C) of the levels, full size first: halved and rounded up until no side is longer."""
    sizes = [size]
    while max(sizes[-1][:2]) > smallest:
        height, width, *more = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2), *more))
    return sizes


def halved(rows: Array, first: int, height: int, threads: int | None = None) -> Array:
    """Rows of the next level from rows `first` on of a level that has `height`; first is even, so is their count.

    Only the level's last row may be without a partner.
    """
    geometry = Geometry.from_options(2, (0, height % 2, 0, rows.shape[1] % 2), "replicate")
    last = first + len(rows)
    window = RowWindow(height, np.arange(first, last), first // 2, -(-last // 2))
    return convolve(rows, _MEAN, geometry, mapping=range_map("clip", rows.dtype), threads=threads, window=window).pixels


class Pyramid:
    """The levels of one page below the full size. Rows are pushed from top to bottom and put in pieces of whole tiles.

    sizes: of all levels. grain: the height of a tile. put: is given level, first row and rows.
    """

    def __init__(
        self, sizes: list[tuple[int, ...]], grain: int, put: Callable[[int, int, Array], None], threads: int | None
    ) -> None:
        self._sizes, self._grain, self._put, self._threads = sizes, grain, put, threads
        self._held: dict[int, list[Array]] = {level: [] for level in range(len(sizes))}
        self._done = dict.fromkeys(range(len(sizes)), 0)

    def push(self, level: int, rows: Array) -> None:
        """Take the next rows of a level."""
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
