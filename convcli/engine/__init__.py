"""The convolution engine: check, plan, run.

It computes what deep learning calls convolution: the kernel is not flipped (cross-correlation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from logging import getLogger
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import spectrum_run
from convcli.engine.bands import run_bands
from convcli.engine.field import Field
from convcli.engine.job import EngineJob
from convcli.engine.recycling import empty_result
from convcli.engine.routes import choose
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
    tone: RangeMap | None = None,
    threads: int | None = None,
    window: RowWindow | None = None,
) -> Convolved:
    """Slide the kernel over the picture.

    image: uint8, uint16 or float32, (H, W) or (H, W, C); not modified.
    depth: sum over the channels, one map (H, W) comes out; else every channel by itself.
    tone: how responses become pixels of the picture's dtype; None gives the float32 responses themselves.
    threads: how many; None is what the machine or CONVCLI_THREADS offers. The result does not depend on it.
    window: only these rows of the map, bit for bit; image holds the rows of the picture that the window names.
    """
    height = window.height if window else image.shape[0]
    size = (height, image.shape[1], image.shape[2] if image.ndim == 3 else 1)
    job = EngineJob.of(kernel, geometry, image.dtype, size, depth, tone)
    output = geometry.output(size[:2], kernel.size)
    field = Field.of(size, job, geometry.pads(size[:2], kernel.size), output, depth)
    if window:
        field, output = window.cut(field, job, size[:2]), (window.last - window.first, output[1])
    source = np.ascontiguousarray(image)
    shape = output if depth or image.ndim == 2 else (*output, size[2])
    target = empty_result(shape, np.dtype(np.float32) if tone is None else image.dtype)
    plan = choose(job)
    if window and window.whole.units is not None:
        window.whole.units.append(row_unit(plan, job))
        return Convolved(np.zeros(shape, target.dtype))
    known = window is not None or image.dtype.kind != "f"
    finite = window is None or window.finite
    if not (finite and (known or plan.route != "spectrum" or _finite(source))):
        plan = choose(replace(job, finite=False))
    go = spectrum_run.run_spectrum if plan.route == "spectrum" else run_bands
    below, above, infinite = go(plan, job, field, source.reshape(-1), target.reshape(-1), threads)
    if infinite and not known:
        plan = choose(replace(job, finite=False))
        below, above, _ = run_bands(plan, job, field, source.reshape(-1), target.reshape(-1), threads)
    if not window or window.first == 0:
        log.info("%s: %s (%s), sums in %s", kernel.shown, plan.route, plan.why, plan.lane)
    return Convolved(target, below, above)


def _finite(source: NDArray[Any]) -> bool:
    """Whether no NaN and no infinity is in it; piece by piece, so that the answers stay in the cache."""
    flat, piece = source.reshape(-1), 1 << 16
    return all(np.isfinite(flat[i : i + piece]).all() for i in range(0, flat.size, piece))
