"""Convolution with the largest kernels: NumPy's Fourier transform in double precision, tile by tile.

Integer weights on 8-bit pixels stay exact: the error of the transform is far below one half, and rounding removes it.
"""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Size = tuple[int, int]

LARGEST = 8192
# Nanoseconds for each sample of a tile, forward and inverse transform, on one core of a Zen 4.
_SAMPLE = 30.0
_OFF = 0.05  # greatest error of the transform of integers at which rounding is safe


def tile(grid: Size) -> Size:
    """Return rows and columns of the transform for a grid of weights: the lengths that cost least for each result."""
    return _length(grid[0]), _length(grid[1])


def step(grid: Size) -> Size:
    """Return how many rows and columns of results a tile gives."""
    rows, columns = (size - n + 1 for size, n in zip(tile(grid), grid, strict=True))
    return rows, columns


def cost(grid: Size, results: float) -> float:
    """Return the estimated nanoseconds for each of so many results."""
    (rows, columns), (down, across) = tile(grid), step(grid)
    return _SAMPLE * rows * columns / min(down * across, max(results, 1))


def exact(grid: Array, top: float) -> bool:
    """Return whether sums of integers are accurate enough to be rounded: weights (..., KH, KW), samples up to top.

    The error of a transform is about the unit roundoff, times the logarithm of its length, times the norms of the two
    factors.
    """
    rows, columns = tile((grid.shape[-2], grid.shape[-1]))
    size = rows * columns * grid.size / (grid.shape[-2] * grid.shape[-1])
    lengths = top * float(np.sqrt(size * (grid.astype(np.float64) ** 2).sum()))
    return lengths * 4 * log2(size) * 2.0**-53 < _OFF


def sums(
    grid: Array, src: Array, rowmap: Array, colmap: Array, value: float, top: int, left: int, whole: bool
) -> NDArray[np.float64]:
    """Return one tile of sums (rows, columns, maps): weights times samples at the positions from (top, left) on.

    grid: (1, KH, KW), for every channel by itself, or (C, KH, KW), to be summed. src: (H, W * C) samples; rowmap and
    colmap (positions, C): the indices in src of the padded rows and samples, -1 for the constant `value`.
    """
    size = tile((grid.shape[1], grid.shape[2]))
    down, across = step((grid.shape[1], grid.shape[2]))
    rows, columns = rowmap[top : top + size[0]], colmap[left : left + size[1]]
    patch = src[np.maximum(rows, 0)[:, None, None], np.maximum(columns, 0)].astype(np.float64)
    patch[(rows < 0)[:, None, None] | (columns < 0)] = value
    channels = patch.shape[2]
    maps = 1 if len(grid) > 1 else channels
    down, across = min(down, len(rows) - grid.shape[1] + 1), min(across, len(columns) - grid.shape[2] + 1)
    made = np.zeros((down, across, maps))
    weights = [np.fft.rfft2(plane, size).conj() for plane in grid]
    for channel in range(channels):
        product = np.fft.rfft2(patch[:, :, channel], size) * weights[channel if len(grid) > 1 else 0]
        made[:, :, channel if maps > 1 else 0] += np.fft.irfft2(product, size)[:down, :across]
    return np.rint(made, out=made) if whole else made


def _length(n: int) -> int:
    """Return the fast transform length for n weights that costs least for each result, without excessive size."""
    sizes = (factor << power for factor in (2, 3, 5) for power in range(4, 13))
    fit = [size for size in sizes if n <= 0.9 * size and size <= max(512, 4 * n)]
    return min(fit, key=lambda size: size * log2(size) / (size - n + 1), default=LARGEST)
