"""Rotate kernels: exactly by multiples of 90 degrees, 3x3 grids also by 45, else by bilinear interpolation."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NOTHING = 1e-13
# The eight places around the centre of a 3x3 grid, clockwise from the upper left.
_RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


def turned(weights: Array, angle: float) -> Array:
    """Rotate weights (..., KH, KW) clockwise by `angle` degrees.

    Multiples of 90 are exact. A 3x3 grid turns by 45 as a compass mask does: every weight moves one place round the
    centre. Other angles use bilinear interpolation on a grid large enough for all the weights, and then scale the
    positive and the negative weights so that the sum of each is unchanged.
    """
    angle = angle % 360
    if angle % 90 == 0:
        return np.rot90(weights, -int(angle // 90), (-2, -1)).copy()
    if weights.shape[-2:] == (3, 3) and angle % 45 == 0:
        return _stepped(weights, int(angle // 45))
    grids = weights.reshape(-1, *weights.shape[-2:])
    done = np.array([_interpolated(grid, np.deg2rad(angle)) for grid in grids])
    return done.reshape(*weights.shape[:-2], *done.shape[-2:])


def _stepped(weights: Array, steps: int) -> Array:
    done = weights.copy()
    for place, (row, column) in enumerate(_RING):
        to_row, to_column = _RING[(place + steps) % 8]
        done[..., to_row, to_column] = weights[..., row, column]
    return done


def _interpolated(grid: Array, angle: float) -> Array:
    height, width = grid.shape
    cos, sin = np.cos(angle), np.sin(angle)
    rows = _odd_like(height, abs(height * cos) + abs(width * sin))
    columns = _odd_like(width, abs(width * cos) + abs(height * sin))
    y, x = np.mgrid[:rows, :columns]
    y, x = y - (rows - 1) / 2, x - (columns - 1) / 2
    # Source coordinates of the new grid's places. The source is zero-padded: one before, two after for interpolation.
    padded = np.pad(grid, (1, 2))
    v = np.clip(y * cos - x * sin + (height + 1) / 2, 0, height + 1)
    u = np.clip(y * sin + x * cos + (width + 1) / 2, 0, width + 1)
    top, left = v.astype(int), u.astype(int)
    down, right = v - top, u - left
    done = (
        padded[top, left] * (1 - down) * (1 - right)
        + padded[top, left + 1] * (1 - down) * right
        + padded[top + 1, left] * down * (1 - right)
        + padded[top + 1, left + 1] * down * right
    )
    done[np.abs(done) < _NOTHING * np.abs(grid).max()] = 0  # remove rounding errors
    return _same_sums(_trimmed(done), grid)


def _odd_like(before: int, extent: float) -> int:
    """Return the least size that holds `extent` and has the parity of the old size, so that the centre stays."""
    size = ceil(extent - 1e-9)
    return size + (size - before) % 2


def _trimmed(grid: Array) -> Array:
    """Remove borders of zeros, equally from opposite sides."""
    while grid.shape[0] > 2 and not grid[[0, -1]].any():
        grid = grid[1:-1]
    while grid.shape[1] > 2 and not grid[:, [0, -1]].any():
        grid = grid[:, 1:-1]
    return grid


def _same_sums(done: Array, before: Array) -> Array:
    for sign in (1, -1):
        part = done * sign > 0
        wanted, found = before[before * sign > 0].sum(), done[part].sum()
        if found:
            done[part] *= wanted / found
    return done
