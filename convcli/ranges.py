"""Responses to pixels: clip, abs, normalize, offset.

On unsigned integers the result is rounded half to even and saturated to the type's range. A float picture has the full
scale 1.0 but no bounds, so nothing is rounded or saturated there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


@dataclass(frozen=True)
class RangeMap:
    """What the engine does to a response r on its way to a pixel: |r| if `absolute`, then `+ offset`, then saturate."""

    absolute: bool = False
    offset: float = 0.0


def full_scale(dtype: Any) -> float:
    """What white is in pictures of this dtype: 255, 65535 or 1.0."""
    return _FULL_SCALE[np.dtype(dtype).name]


def range_map(name: str, dtype: Any) -> RangeMap:
    """The mapping of the ranges that need no look at the whole picture: clip, abs, offset."""
    if name == "offset":
        return RangeMap(offset={"uint8": 128.0, "uint16": 32768.0, "float32": 0.5}[np.dtype(dtype).name])
    return RangeMap(absolute=name == "abs")


@dataclass
class Limits:
    """The least and the greatest response of a whole picture, gathered part by part until they are `known`."""

    low: float = float("inf")
    high: float = float("-inf")
    known: bool = False

    def take(self, low: float, high: float) -> None:
        """Those of one part more; NaN stays."""
        self.low, self.high = float(np.minimum(self.low, low)), float(np.maximum(self.high, high))


def to_pixels(
    responses: NDArray[np.float32], range_: str, dtype: Any, limits: Limits | None = None
) -> tuple[NDArray[Any], int, int]:
    """Responses with white at 1.0, under the range of that name, as pixels of dtype; how many saturated either way.

    For the ways of filtering that work in float32 throughout, where the engine's own rounding would come too early.
    """
    if range_ == "normalize":
        return normalize(responses, dtype, limits), 0, 0
    if range_ == "abs":
        responses = np.abs(responses)
    top = full_scale(dtype)
    scaled = responses * np.float32(top)
    if range_ == "offset":
        scaled += np.float32(range_map("offset", dtype).offset)
    if np.dtype(dtype).kind == "f":
        return scaled.astype(dtype, copy=False), 0, 0
    np.rint(scaled, out=scaled)
    below, above = int((scaled < 0).sum()), int((scaled > top).sum())
    return scaled.clip(0, top).astype(dtype), below, above


def normalize(responses: NDArray[np.float32], dtype: Any, limits: Limits | None = None) -> NDArray[Any]:
    """The least response to 0 and the greatest to full scale, over the whole array; all to 0 where they are equal.

    limits: of the whole, where the array is a part of it. Until they are known they are gathered, and 0 comes out.
    """
    low, high = (limits.low, limits.high) if limits and limits.known else (responses.min(), responses.max())
    low, high = float(low), float(high)
    if limits and not limits.known:
        limits.take(low, high)
        return np.zeros(responses.shape, dtype)
    if high == low:
        return np.zeros(responses.shape, dtype)
    scale = full_scale(dtype) / (high - low)
    with np.errstate(over="ignore", invalid="ignore"):  # a response may be infinite, or their distance too large
        stretched: NDArray[Any] = (responses - np.float32(low)) * np.float32(scale)
    if np.dtype(dtype).kind == "f":
        return stretched.astype(dtype, copy=False)
    np.rint(stretched, out=stretched)
    if not np.isfinite(scale * (high - low)):
        np.nan_to_num(stretched, copy=False)
    rounded: NDArray[Any] = stretched.clip(0, full_scale(dtype)).astype(dtype)
    return rounded
