"""Map responses to pixels: the ranges clip, abs, normalize and offset.

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
    """How the engine turns a response r into a pixel: |r| if `absolute`, then `+ offset`, then saturate."""

    absolute: bool = False
    offset: float = 0.0


def full_scale(dtype: Any) -> float:
    """Return the value of white in pictures of this dtype: 255, 65535 or 1.0."""
    return _FULL_SCALE[np.dtype(dtype).name]


def range_map(name: str, dtype: Any) -> RangeMap:
    """Return the mapping of a range that does not depend on the whole picture: clip, abs or offset."""
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
    def in_responses(cls, responses: NDArray[Any]) -> Limits:
        """Return the limits of a whole array of responses."""
        limits = cls()
        limits.take(responses)
        limits.known = True
        return limits

    def take(self, responses: NDArray[Any]) -> None:
        """Include the responses of one more part."""
        low, high = float(responses.min()), float(responses.max())
        if not isfinite(high - low):  # NumPy's min and max of an array with NaN are NaN
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
        """Include the limits of one more part."""
        self.low, self.high = min(self.low, part.low), max(self.high, part.high)
        self.infinite += part.infinite


def to_pixels(
    responses: NDArray[np.float32], range_: str, dtype: Any, limits: Limits | None = None
) -> tuple[NDArray[Any], int, int]:
    """Map responses with white at 1.0 to pixels of dtype; returns them and how many saturated below and above.

    For filters that compute in float32 throughout, where the engine's own rounding would come too early.
    range_: the name of the range.
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
    """Map the least response to 0 and the greatest to full scale, linearly; all to 0 where they are equal.

    NaN and infinity do not count as least or greatest. In a float picture they stay; else infinity becomes black or
    white, and NaN black.
    limits: the limits of the whole map, where the array is a part of it. Until they are known, they are gathered and
        the result is all 0.
    """
    limits = limits or Limits.in_responses(responses)
    if not limits.known:
        limits.take(responses)
        return np.zeros(responses.shape, dtype)
    top, done = full_scale(dtype), stretched(responses, dtype, limits)
    if np.dtype(dtype).kind == "f":
        return done.astype(dtype, copy=False)
    if limits.infinite:
        np.nan_to_num(done, copy=False, posinf=top, neginf=0)
    np.rint(done, out=done)
    rounded: NDArray[Any] = done.clip(0, top).astype(dtype)
    return rounded


def stretched(responses: NDArray[np.float32], dtype: Any, limits: Limits) -> NDArray[Any]:
    """Scale finite responses from the limits to 0..full scale of dtype, without rounding; others stay as they are."""
    span = limits.high - limits.low
    wide = np.float32 if 1e-30 < span < 1e38 else np.float64  # in float32 a factor could overflow
    done: NDArray[Any] = responses - wide(limits.low if span >= 0 else 0)
    with np.errstate(invalid="ignore"):  # 0 * infinity in a flat map; put right below
        done *= wide(full_scale(dtype) / span if span > 0 else 0)
    if limits.infinite:
        odd = ~np.isfinite(responses)
        done[odd] = responses[odd]
    return done
