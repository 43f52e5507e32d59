"""Sizes and index maps for the loops, which work on a picture and its map as flat rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.job import EngineJob
from convcli.engine.routes import LARGE
from convcli.geometry import Pads

_DEALT = 4  # columns of a stride, and channels, for which there are loops of their own

Array = NDArray[Any]
Arguments = Callable[[int, int], tuple[Any, ...]]  # makes a loop's arguments for rows y0..y1 of the map


@dataclass(frozen=True)
class Field:
    """Sizes and index maps of a picture and its feature map as flat rows.

    A row of the picture is `pitch` samples. Positions are the places of the kernel along a padded row before stride,
    `n` samples of them, of which every `step`-th group of `channels` samples is kept.
    """

    rowmap: Array
    colmap: Array
    samples: int  # in a pixel of the picture
    pitch: int
    left: int
    n: int
    kept: int
    rows: int
    step: int
    channels: int

    @classmethod
    def for_picture(
        cls, size: tuple[int, int, int], job: EngineJob, pads: Pads, output: tuple[int, int], depth: bool
    ) -> Field:
        """Return the field of a picture (H, W, C) and a map (rows, columns)."""
        height, width, channels = size
        mode = job.geometry.padding_mode
        rows, columns = output
        across = index_map(width, *pads[1], mode)
        colmap = np.where(across[:, None] < 0, -1, across[:, None] * channels + np.arange(channels)).ravel()
        stride = job.geometry.stride[1]
        span = (columns - 1) * stride
        return cls(
            rowmap=index_map(height, *pads[0], mode),
            colmap=colmap.astype(np.intp),
            samples=channels,
            pitch=width * channels,
            left=pads[1][0] * channels,
            n=span * channels + 1 if depth else (span + 1) * channels,
            kept=columns if depth else columns * channels,
            rows=rows,
            step=stride * channels if depth else stride,
            channels=1 if depth else channels,
        )


def index_map(size: int, before: int, after: int, mode: str) -> NDArray[np.intp]:
    """Return for each index of a padded axis the index in the picture, or -1 where the padding is a constant.

    >>> index_map(4, 2, 2, "reflect").tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    return places(np.arange(-before, size + after), size, mode)


def places(i: NDArray[np.intp], size: int, mode: str) -> NDArray[np.intp]:
    """Map indices, counted from the first pixel, to indices in the picture, or -1 where the padding is a constant."""
    if mode == "replicate":
        return i.clip(0, size - 1)
    if mode == "circular":
        return i % size
    if mode == "symmetric":
        j = i % (2 * size)
        return np.minimum(j, 2 * size - 1 - j)
    if mode == "reflect":
        period = max(2 * size - 2, 1)
        j = i % period
        return np.minimum(j, period - j) if size > 1 else np.zeros_like(i)
    return np.where((i >= 0) & (i < size), i, -1)


def offsets(i: Array, j: Array, job: EngineJob, field: Field) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and flat columns in the padded picture that the weights (i, j) read."""
    dy, dx = job.geometry.dilation
    return (i * dy).astype(np.intp), (j * dx * field.samples).astype(np.intp)


def reached(field: Field, first: int, last: int, least: int = 0) -> tuple[int, int]:
    """Return the positions lo..hi at which taps at offsets `first` to `last` all read inside the picture.

    (0, 0) if there are fewer than `least`.
    """
    lo = min(max(field.left - first, 0), field.n)
    hi = max(lo, min(field.left + field.pitch - last, field.n))
    return (lo, hi) if hi - lo >= least else (0, 0)


def aligned(samples: int, unit: int = 32) -> int:
    """Round a number of samples up to a whole number of units."""
    return -(-samples // unit) * unit


def lined(count: int, dtype: Any) -> Array:
    """Return working memory aligned to a cache line, so that no vector crosses two lines."""
    memory = np.empty(count * np.dtype(dtype).itemsize + 64, np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin : -64 + begin or None].view(dtype)


def strided(field: Field) -> str:
    """Return the suffix of a loop's name for the horizontal stride.

    "" without a stride, ":step:channels" for a loop compiled for these numbers, ":0:0" for a loop that takes any.
    """
    if field.step == 1:
        return ""
    known = max(field.step, field.channels) <= _DEALT and field.rows * field.kept >= LARGE
    return f":{field.step}:{field.channels}" if known else ":0:0"
