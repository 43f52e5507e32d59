"""What an animation shows: frames that are parts, laid over one another and taken away again, as whole pictures.

After the PNG specification, third edition, sections 11.3.6 and 13.16; GIF's rules are a part of them. Places that
nothing covers are clear, as browsers show them.
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
STAYS, CLEARED, UNDONE = 0, 1, 2  # what becomes of a frame's place once its time is over


@dataclass(frozen=True)
class Part:
    """A frame as it is stored: its own pixels, where they go (x, y), and what becomes of their place.

    over: whether they are laid over what is there, rather than replacing it.
    """

    pixels: Frame
    place: tuple[int, int]
    duration: float
    disposal: int
    over: bool


class Animation:
    """An animation of this size (height, width) with so many frames. clear: whether they have transparency.

    part: the frame of an index, as it is stored.
    """

    def __init__(self, size: tuple[int, int], count: int, clear: bool, part: Callable[[int], Part]) -> None:
        self.count = count
        self._size, self._clear, self._part, self._next = size, clear, part, 0
        self._pixels: Array = np.empty(0)
        self._alpha: Array = np.empty(0)

    def frame(self, index: int) -> Frame:
        """A frame as it is seen. Frames build on one another: they are cheap in their order."""
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
    """Colours with alpha over others, none of them multiplied with it, rounded.

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
