"""Run the route `gather`: the few pixels that the kernel reads, in double precision, through the loops of conv2d."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import gathered
from convcli.engine.job import EngineJob, Route
from convcli.engine.planes.checks import Form, Planes
from convcli.engine.planes.run import convolve_planes
from convcli.engine.routes import integers_of
from convcli.engine.spectrum_run import finish
from convcli.engine.window import RowWindow
from convcli.geometry import Pads

Array = NDArray[Any]


def gather(job: EngineJob) -> Route:
    """Return the route `gather` for a job."""
    return Route("gather", "few places, far apart", np.dtype(np.float64), integers_of(job))


def run_gathered(
    route: Route, job: EngineJob, size: tuple[int, int, int], pads: Pads, src: Array, dst: Array, depth: bool,
    threads: int | None, window: RowWindow | None,
) -> tuple[int, int, int]:  # fmt: skip
    """Fill dst (H', W', C), or (H', W', 1) where `depth`, from src (H, W, C); returns counts as `Bands.run` does.

    If src is not finite, dst is not filled.
    size: (H, W, C) of the whole picture, where src holds only the rows of a window.
    """
    weights: Array = route.integers.weights if route.integers is not None else job.weights / job.divisor
    geometry, channels, (kh, kw) = job.geometry, size[2], weights.shape[-2:]
    first = window.first if window else 0
    (rows, *down), (columns, *across) = (
        gathered.axis(n, k, p, s, d, geometry.padding_mode, begin, begin + count)
        for n, k, p, s, d, begin, count in zip(
            size, (kh, kw), pads, geometry.stride, geometry.dilation, (first, 0), dst.shape, strict=False
        )
    )
    rows = window.places(rows) if window else rows
    x = gathered.taken(np.moveaxis(src, 2, 0), rows, columns, job.value)[None]
    infinite = x.size - int(np.isfinite(x).sum())
    if infinite:
        return 0, 0, infinite
    grids = np.broadcast_to(weights, (channels, kh, kw)).astype(np.float64)
    filters = grids[None] if depth else grids[:, None]
    form = Form(
        x.shape, filters.shape, 8, 1 if depth else channels, (down[0], across[0]), (down[1], across[1]),
        ((0, 0), (0, 0)), "zeros", (dst.shape[0], dst.shape[1]),
    )  # fmt: skip
    sums = convolve_planes(Planes(x, filters, np.zeros(len(filters)), form), threads)[0]
    below, above = finish(np.moveaxis(sums, 0, 2), dst, route, job)
    return below, above, 0
