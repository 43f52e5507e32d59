"""Combine the responses of several kernels to the same picture: magnitude, max, sum, mean, or the angle as a hue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli import engine
from convcli.choices import COMBINE
from convcli.engine.window import RowWindow
from convcli.errors import RecipeError
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import Limits, full_scale, normalize, range_map

Array = NDArray[np.float64]


def checked(how: str, kernels: tuple[Kernel, ...], channels: str | None, range_: str | None) -> None:
    """Raise RecipeError if these kernels cannot be combined in this mode."""
    if how not in COMBINE:
        raise RecipeError(f"combine must be one of {', '.join(COMBINE)}, not {how!r}")
    if len(kernels) < 2:
        raise RecipeError(f"combine={how} needs at least two kernels, as in -k sobel-x -k sobel-y")
    if how == "angle" and len(kernels) != 2:
        raise RecipeError(f"combine=angle needs two kernels, one across and one down, not {len(kernels)}")
    if len({kernel.depth for kernel in kernels}) > 1:
        raise RecipeError("kernels of depth 1 and of depth 3 cannot be combined")
    if how == "angle" and channels == "each":
        raise RecipeError("combine=angle makes one map of hues: it takes channels=gray or channels=sum, not each")
    if how == "angle" and range_ not in (None, "clip", "raw"):
        raise RecipeError(
            f"combine=angle makes hues as bright as the gradient is long; it takes range=clip, not {range_}"
        )


def default_range(how: str, kernels: tuple[Kernel, ...]) -> str:
    """Choose the range: for a sum or mean the kernels' common one, else clip, for other modes are rarely negative."""
    ranges = {kernel.range or "clip" for kernel in kernels}
    return ranges.pop() if how in ("sum", "mean") and len(ranges) == 1 else "clip"


@dataclass(frozen=True)
class Responses:
    """The kernels' responses to the same pixels, computed one by one, still to be divided by a common divisor."""

    each: Iterator[NDArray[np.float32]]
    count: int
    divisor: float


def responses(
    image: NDArray[Any], kernels: tuple[Kernel, ...], geometry: Geometry, depth: bool, threads: int | None,
    window: RowWindow | None = None,
) -> Responses:  # fmt: skip
    """Compute the kernels' responses; integer weights with a common divisor give integers."""
    plain, divisor = _over_one_divisor(kernels)
    each = (
        engine.convolve(image, kernel, geometry, depth=depth, threads=threads, window=window).pixels for kernel in plain
    )
    return Responses(each, len(kernels), divisor)


def combined(responses: Responses, how: str) -> Array:
    """Combine the responses r_i into one array: float64, (H', W') or (H', W', C).

    magnitude: sqrt(sum of r_i^2), from exact sums if weights and pixels are integers. max: the greatest r_i.
    sum, mean: of the r_i.
    """
    total: Array | None = None
    for r in responses.each:
        first = total is None
        total = np.empty(r.shape) if total is None else total
        for rows in _bands(r):
            _gather(total[rows], r[rows].astype(np.float64), how, first)
    assert total is not None
    divisor = responses.divisor * (responses.count if how == "mean" else 1)
    for rows in _bands(total):
        if how == "magnitude":
            np.sqrt(total[rows], out=total[rows])
        if divisor != 1:
            total[rows] /= divisor
    return total


def directions(responses: Responses) -> tuple[Array, Array]:
    """Compute the angle of (r_1 right, r_2 down), clockwise in degrees from 0 to 360, and the magnitude; float64."""
    across, down = (r.astype(np.float64) for r in responses.each)
    angles = np.rad2deg(np.arctan2(down, across)) % 360
    return angles, np.sqrt(across**2 + down**2) / responses.divisor


def _gather(total: Array, r: Array, how: str, first: bool) -> None:
    """Accumulate one more response in the total, in place; `r` may be changed too."""
    if how == "magnitude":
        r *= r
    if first:
        total[...] = r
    elif how == "max":
        np.maximum(total, r, out=total)
    else:
        with np.errstate(invalid="ignore"):  # infinities of opposite signs give NaN
            total += r


def _bands(array: NDArray[Any]) -> Iterator[slice]:
    """Split the rows into bands of some hundred kilobytes, which fit the processor's cache and save memory."""
    rows = max(1, 65536 // max(1, array[0].size))
    return (slice(start, start + rows) for start in range(0, array.shape[0], rows))


def hues(angles: Array, strength: Array, dtype: Any) -> NDArray[Any]:
    """Convert angles in degrees (H, W) to colours (H, W, 3): 0 (to the right) red, 120 green, 240 blue.

    strength: magnitudes on the dtype's own scale; zero gives black, full scale or more the pure colour.
    """
    top = full_scale(dtype)
    value = np.clip(strength, 0, top)
    places = np.stack([5.0 + angles / 60, 3.0 + angles / 60, 1.0 + angles / 60], axis=-1) % 6
    share = np.clip(np.minimum(places, 4 - places), 0, 1)
    colors = value[..., None] * (1 - share)
    if np.dtype(dtype).kind != "f":
        np.rint(colors, out=colors)
    return np.asarray(colors, dtype)


def to_pixels(responses: Array, range_: str, dtype: Any, limits: Limits | None = None) -> tuple[NDArray[Any], int, int]:
    """Convert responses on the dtype's own scale to pixels; return them and how many saturated below and above."""
    if range_ == "normalize":
        return normalize(responses.astype(np.float32), dtype, limits), 0, 0
    mapping, top = range_map(range_, dtype), full_scale(dtype)
    pixels = np.empty(responses.shape, dtype)
    below = above = 0
    for rows in _bands(responses):
        values = (np.abs(responses[rows]) if mapping.absolute else responses[rows]) + mapping.offset
        if pixels.dtype.kind != "f":
            np.rint(values, out=values)
            below, above = below + int((values < 0).sum()), above + int((values > top).sum())
            values.clip(0, top, out=values)
        pixels[rows] = values
    return pixels, below, above


def _over_one_divisor(kernels: tuple[Kernel, ...]) -> tuple[tuple[Kernel, ...], float]:
    """Take the divisor out of kernels with the same positive one and no bias, so that integer weights stay integers.

    Returns the kernels and the divisor, which is 1.0 if they are unchanged.
    """
    divisor = kernels[0].divisor
    if divisor > 0 and all(kernel.divisor == divisor and not kernel.bias for kernel in kernels):
        return tuple(replace(kernel, divisor=1.0) for kernel in kernels), divisor
    return kernels, 1.0
