"""Filtering of pictures with transparency. The modes are:

keep    each output pixel has the alpha under the kernel's centre.
weight  colours are weighted by alpha, so that invisible colour does not bleed; alpha is filtered too.
filter  alpha is filtered like a colour channel.
drop    the picture is treated as opaque.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli import engine
from convcli.engine.field import index_map
from convcli.engine.window import RowWindow
from convcli.errors import RecipeError
from convcli.geometry import Geometry, extent
from convcli.kernel import Kernel
from convcli.ranges import full_scale

_FAINT = 1e-4  # of full opacity; below it a weighted mean is noise
_NOTHING = 1e-9  # of the sum of magnitudes; a smaller sum counts as zero, for it may be rounding error


def usual(kernel: Kernel) -> str:
    """Return the default mode: weight for a kernel with a positive sum (blur, sharpen), else keep."""
    return "weight" if float(kernel.scaled.sum()) > 1e-9 else "keep"


def sampled(
    plane: NDArray[Any], geometry: Geometry, kernel: tuple[int, int], window: RowWindow | None = None
) -> NDArray[Any]:
    """Sample the plane under the kernel's centre at each position: (H, W) or (H, W, C) to (H', W') or (H', W', C).

    The border follows the padding mode; constant padding gives 0.
    """
    size = (window.height if window else plane.shape[0], plane.shape[1])
    pads, count = geometry.pads(size, kernel), geometry.output(size, kernel)
    rows, columns = (
        _centres(size[i], kernel[i], pads[i], geometry.stride[i], geometry.dilation[i], geometry.padding_mode)[
            : count[i]
        ]
        for i in (0, 1)
    )
    if window:
        rows = window.places(rows[window.first : window.last])
    if all(np.array_equal(axis, np.arange(n)) for axis, n in zip((rows, columns), plane.shape, strict=False)):
        return plane
    taken = plane[rows][:, columns]
    taken[rows < 0] = 0
    taken[:, columns < 0] = 0
    return taken


def _centres(size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int, mode: str) -> NDArray[np.intp]:
    """Return the positions of the kernel's centre along one axis as picture indices; -1 on a constant border."""
    padded = index_map(size, *pads, mode)
    return padded[(extent(kernel, dilation) - 1) // 2 :: stride]


def weighted(
    color: NDArray[np.float32],
    alpha: NDArray[np.float32],
    kernel: Kernel,
    geometry: Geometry,
    depth: bool,
    threads: int | None = None,
    window: RowWindow | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the responses of the colours weighted by alpha, and the new alpha; white and opaque are 1.0 throughout.

    With S the sum of the scaled weights w:  color = S * sum(w c a) / sum(w a) + bias,  alpha = sum(w a) / S.
    An opaque picture gives the same as without alpha. Zero padding is transparent, constant padding opaque.
    Where almost nothing under the kernel is opaque, the colour is left unchanged.
    """
    plain = replace(kernel, bias=0.0)
    flat = plain if kernel.depth == 1 else replace(plain, weights=plain.weights.sum(axis=0))
    total = float(plain.scaled.sum())
    if abs(total) <= _NOTHING * float(np.abs(plain.scaled).sum()):
        raise RecipeError(
            f"{kernel.label} has weights that sum to 0, by which --alpha weight divides; use --alpha keep"
        )
    channels = color.shape[2] if color.ndim == 3 and depth and kernel.depth == 1 else 1
    veil = alpha if color.ndim == 2 else alpha[:, :, None]
    opaque = replace(geometry, padding_value=255.0) if geometry.padding_mode == "constant" else geometry
    with np.errstate(invalid="ignore", over="ignore"):
        veiled = np.where(veil == 0, np.float32(0), color * veil)  # invisible colours count as 0, even inf
    responses = engine.convolve(veiled, plain, geometry, depth=depth, threads=threads, window=window).pixels
    weights = engine.convolve(alpha, flat, opaque, threads=threads, window=window).pixels / np.float32(total)
    faint = weights < _FAINT
    divisor = np.where(faint, np.float32(1), weights)
    center = sampled(color, geometry, kernel.size, window) * np.float32(total)
    if depth and center.ndim == 3:
        center = center.mean(axis=2, dtype=np.float32) * np.float32(channels)
    if responses.ndim == 3:
        divisor, faint = divisor[:, :, None], faint[:, :, None]
    colors = np.where(faint, center, responses / divisor) + np.float32(kernel.bias / 255)
    return colors.astype(np.float32), weights.clip(0, 1)


def as_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Convert samples to float32, full scale at 1.0."""
    if samples.dtype.kind == "f":
        return samples
    return samples * np.float32(1 / full_scale(samples.dtype))


def as_samples(unit: NDArray[np.float32], dtype: Any) -> NDArray[Any]:
    """Convert values with full scale at 1.0 to samples of dtype, saturated."""
    if np.dtype(dtype).kind == "f":
        return unit
    samples: NDArray[Any] = np.rint(unit * np.float32(full_scale(dtype))).clip(0, full_scale(dtype)).astype(dtype)
    return samples
