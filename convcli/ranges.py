"""Responses to pixels: clip, abs, normalize, offset.

On unsigned integers the result is rounded half to even and saturated to the type's range. A float picture has the full
scale 1.0 but no bounds, so nothing is rounded or saturated there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
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
    """The least and the greatest finite response of a whole picture, gathered part by part until they are `known`.

    infinite: how many responses are NaN or infinite.
    """

    low: float = float("inf")
    high: float = float("-inf")
    infinite: int = 0
    known: bool = False

    @classmethod
    def of(cls, responses: NDArray[Any]) -> Limits:
        """Those of a whole."""
        limits = cls()
        limits.take(responses)
        limits.known = True
        return limits

    def take(self, responses: NDArray[Any]) -> None:
        """One part more."""
        low, high = float(responses.min()), float(responses.max())
        if not isfinite(high - low):  # NaN is both the least and the greatest
            finite = np.isfinite(responses)
            infinite = responses.size - int(finite.sum())
            low, high = (
                float(responses.min(where=finite, initial=inf)),
                float(responses.max(where=finite, initial=-inf)),
            )
            self.add(Limits(low, high, infinite))
        else:
            self.add(Limits(low, high))

    def add(self, part: Limits) -> None:
        """Those of one part more."""
        self.low, self.high = min(self.low, part.low), max(self.high, part.high)
        self.infinite += part.infinite


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

    NaN and infinity are no bounds. In a float picture they stay; else infinity is black or white, and NaN black.
    limits: of the whole, where the array is a part of it. Until they are known they are gathered, and 0 comes out.
    """
    limits = limits or Limits.of(responses)
    if not limits.known:
        limits.take(responses)
        return np.zeros(responses.shape, dtype)
    top, span = full_scale(dtype), limits.high - limits.low
    wide = np.float32 if 1e-30 < span < 1e38 else np.float64  # else a difference or a factor may be beyond float32
    stretched: NDArray[Any] = responses - wide(limits.low) if limits.low <= limits.high else responses.copy()
    with np.errstate(invalid="ignore"):  # of a flat map the infinite responses are left as they are below
        stretched *= wide(top / span if span > 0 else 0)
    if limits.infinite:
        odd = ~np.isfinite(responses)
        stretched[odd] = responses[odd]
    if np.dtype(dtype).kind == "f":
        return stretched.astype(dtype, copy=False)
    if limits.infinite:
        np.nan_to_num(stretched, copy=False, posinf=top, neginf=0)
    np.rint(stretched, out=stretched)
    rounded: NDArray[Any] = stretched.clip(0, top).astype(dtype)
    return rounded
