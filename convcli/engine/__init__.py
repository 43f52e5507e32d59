"""The convolution engine: check, plan, run.

It computes what deep learning calls convolution: the kernel is not flipped (cross-correlation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from logging import getLogger
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import not_finite
from convcli.engine.out import serves
from convcli.engine.plans import plan_of
from convcli.engine.recycling import empty_result
from convcli.engine.window import RowWindow, row_unit
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import RangeMap

log = getLogger("convcli")


@dataclass(frozen=True)
class Convolved:
    """A feature map (H, W) or (H, W, C), and how many of its samples saturated."""

    pixels: NDArray[Any]
    below: int = 0
    above: int = 0


def convolve(
    image: NDArray[Any],
    kernel: Kernel,
    geometry: Geometry,
    *,
    depth: bool = False,
    mapping: RangeMap | None = None,
    threads: int | None = None,
    window: RowWindow | None = None,
    out: NDArray[Any] | None = None,
) -> Convolved:
    """Slide the kernel over the picture.

    image: uint8, uint16 or float32, (H, W) or (H, W, C); not modified.
    depth: sum over the channels, one map (H, W) comes out; else every channel by itself.
    mapping: how responses become pixels of the picture's dtype; None gives the float32 responses themselves.
    threads: how many; None is what the machine or CONVCLI_THREADS offers. The result does not depend on it.
    window: compute only these rows of the map; image then holds only the rows of the picture that the window names.
    out: an array to fill instead of a new one; it is used only if it has the right shape, dtype and memory layout and
        shares no memory with image.
    """
    size = (window.height if window else image.shape[0], image.shape[1], image.shape[2] if image.ndim == 3 else 1)
    source = np.ascontiguousarray(image)
    plan = plan_of(kernel, geometry, image.dtype, size, depth, mapping)
    dtype = np.dtype(np.float32) if mapping is None else image.dtype
    rows, columns = (window.last - window.first, plan.output[1]) if window else plan.output
    shape = (rows, columns) if depth or image.ndim == 2 else (rows, columns, size[2])
    target = out if out is not None and serves(out, shape, dtype, source) else empty_result(shape, dtype)
    if window and window.whole.units is not None:
        window.whole.units.append(row_unit(plan.route, plan.job))
        target.fill(0)
        return Convolved(target)
    flat, into = source.reshape(-1), target.reshape(-1)
    if window:
        below, above, infinite = plan.run_rows(window, flat, into, threads)
    else:
        below, above, infinite = plan.run(flat, into, threads)
    if infinite and not np.isfinite(source).all():  # else the only infinite value is a constant border beyond float32
        return _not_finite(source, kernel, geometry, depth, mapping, threads, window, target)
    if not window or window.first == 0:
        log.info("%s: %s (%s), sums in %s", kernel.shown, plan.route.name, plan.route.why, plan.route.lane)
    return Convolved(target, below, above)


def _not_finite(
    image: NDArray[Any], kernel: Kernel, geometry: Geometry, depth: bool, mapping: RangeMap | None,
    threads: int | None, window: RowWindow | None, out: NDArray[Any],
) -> Convolved:  # fmt: skip
    """Compute the map of a float picture that holds NaN or infinity, in `out`."""
    finite = not_finite.without(image)
    done = convolve(
        finite, kernel, geometry, depth=depth, mapping=mapping, threads=threads, window=window, out=out
    )  # fmt: skip
    plain = replace(geometry, padding_mode="zeros") if geometry.padding_mode == "constant" else geometry

    def reached(pixels: not_finite.Mask, weights: not_finite.Mask) -> not_finite.Mask:
        if not (pixels.any() and weights.any()):
            return np.zeros(done.pixels.shape, bool)
        seen = Kernel(weights.astype(np.float64), name=f"where {kernel.label} sees NaN or infinity")
        counted = convolve(
            pixels.astype(np.uint8), seen, plain, depth=depth, mapping=RangeMap(), threads=threads, window=window
        )  # fmt: skip
        return counted.pixels > 0

    not_finite.put_back(done.pixels, image, kernel, mapping is not None and mapping.absolute, reached)
    return done
