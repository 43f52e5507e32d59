"""Composing an animation: stored frames, which may cover only a part of the canvas, become whole pictures.

Follows the PNG specification, third edition, sections 11.3.6 and 13.16, whose rules include those of GIF. Pixels that
no frame covers are transparent, as in browsers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.images.picture import Frame
from convcli.ranges import full_scale

Array = NDArray[Any]
STAYS, CLEARED, UNDONE = 0, 1, 2  # disposal: what happens to a frame's area after it was shown


@dataclass(frozen=True)
class Part:
    """A frame as stored: its pixels, their position (x, y) on the canvas, and how their area is disposed of.

    over: whether the pixels are blended over the canvas instead of replacing it.
    """

    pixels: Frame
    place: tuple[int, int]
    duration: float
    disposal: int
    over: bool


class Animation:
    """An animation of `size` (height, width) with `count` frames. clear: whether the frames have transparency.

    part: returns the stored frame of an index.
    """

    def __init__(self, size: tuple[int, int], count: int, clear: bool, part: Callable[[int], Part]) -> None:
        self.count = count
        self._size, self._clear, self._part, self._next = size, clear, part, 0
        self._pixels: Array = np.empty(0)
        self._alpha: Array = np.empty(0)

    def frame(self, index: int) -> Frame:
        """Return a frame as a whole picture. Each builds on the one before, so reading them in order is fast."""
        if index < self._next:
            self._next = 0
        while self._next < index:
            self._shown(self._next)
        return self._shown(index)

    def _shown(self, index: int) -> Frame:
        part = self._part(index)
        pixels, alpha = part.pixels.pixels, part.pixels.alpha
        if index == 0:
            self._pixels = np.zeros((*self._size, *pixels.shape[2:]), pixels.dtype)
            self._alpha = np.zeros(self._size, pixels.dtype)
        self._next = index + 1
        x, y = part.place
        height, width = (
            min(a, b) for a, b in zip(part.pixels.size, (self._size[0] - y, self._size[1] - x), strict=True)
        )
        place = slice(y, y + max(height, 0)), slice(x, x + max(width, 0))
        pixels = pixels[: max(height, 0), : max(width, 0)]
        opaque = pixels.dtype.type(full_scale(pixels.dtype))
        alpha = np.full(pixels.shape[:2], opaque) if alpha is None else alpha[: max(height, 0), : max(width, 0)]
        before = self._pixels[place].copy(), self._alpha[place].copy()
        if part.over:
            pixels, alpha = laid_over(pixels, alpha, *before)
        self._pixels[place], self._alpha[place] = pixels, alpha
        shown = Frame(self._pixels.copy(), self._alpha.copy() if self._clear else None, duration=part.duration)
        if part.disposal == UNDONE and index > 0:
            self._pixels[place], self._alpha[place] = before
        elif part.disposal != STAYS:
            self._pixels[place], self._alpha[place] = 0, 0
        return shown


def laid_over(pixels: Array, alpha: Array, below: Array, below_alpha: Array) -> tuple[Array, Array]:
    """Blend colours with alpha over those below, and return colours and alpha. None are premultiplied; all are rounded.

    With u = alpha * full and v = (full - alpha) * below_alpha: colour = (u * pixels + v * below) / (u + v), and
    alpha = (u + v) / full.
    """
    full = int(full_scale(pixels.dtype))
    u = alpha.astype(np.uint64) * full
    v = (full - alpha.astype(np.uint64)) * below_alpha
    both = u + v
    mixed = ((both + full // 2) // full).astype(alpha.dtype)
    if pixels.ndim == 3:
        u, v, both = u[..., None], v[..., None], both[..., None]
    colors = (u * pixels + v * below + both // 2) // np.maximum(both, 1)
    return colors.astype(pixels.dtype), mixed
