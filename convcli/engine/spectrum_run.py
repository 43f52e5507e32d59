"""Run the route `spectrum`: independent tiles of the map on threads, then the division and the range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import spectrum
from convcli.engine.field import Field
from convcli.engine.job import EngineJob, Route
from convcli.engine.threads import run_on_threads
from convcli.system.cores import thread_count

Array = NDArray[Any]


def run_spectrum(
    route: Route, job: EngineJob, field: Field, src: Array, dst: Array, threads: int | None
) -> tuple[int, int, int]:
    """Fill the flat array dst from the flat src, if src is finite; returns counts as `bands.Bands.run` does."""
    if src.dtype.kind == "f" and (infinite := _infinite(src)):
        return 0, 0, infinite
    weights: Array = route.integers.weights if route.integers is not None else job.weights / job.divisor
    grid = spread_out(weights, job.geometry.dilation)
    stride, maps = job.geometry.stride, field.channels
    places = _tiles(field, grid, stride)
    out, pixels = dst.reshape(field.rows, field.kept // maps, maps), src.reshape(-1, field.pitch)
    colmap = field.colmap.reshape(-1, field.samples)
    whole = route.integers is not None and job.dtype.kind != "f" and spectrum.exact(grid, job.top)
    counts = [(0, 0)]

    def work(mine: list[tuple[int, int]]) -> None:
        for top, left in mine:
            made = spectrum.sums(grid, pixels, field.rowmap, colmap, job.value, top, left, whole)
            y, x = -top % stride[0], -left % stride[1]
            made = made[y :: stride[0], x :: stride[1]]
            y, x = (top + y) // stride[0], (left + x) // stride[1]
            made = made[: field.rows - y, : out.shape[1] - x]
            into = out[y : y + made.shape[0], x : x + made.shape[1]]
            counts.append(finish(made, into, route, job))

    helpers = min(thread_count(threads), len(places))
    run_on_threads(work, [(places[i::helpers],) for i in range(helpers)])
    return sum(below for below, _ in counts), sum(above for _, above in counts), 0


def _infinite(samples: Array) -> int:
    """Count the NaN and infinite samples, piece by piece, so that the masks stay in the processor's cache."""
    piece = 1 << 16
    parts = (samples[i : i + piece] for i in range(0, samples.size, piece))
    return sum(part.size - int(np.isfinite(part).sum()) for part in parts)


def spread_out(weights: Array, dilation: tuple[int, int]) -> Array:
    """Return the weights (C, KH, KW) with the zeros of the dilation between them."""
    planes = weights.reshape(-1, *weights.shape[-2:])
    height, width = (d * (n - 1) + 1 for d, n in zip(dilation, planes.shape[1:], strict=True))
    grid = np.zeros((len(planes), height, width))
    grid[:, :: dilation[0], :: dilation[1]] = planes
    return grid


def _tiles(field: Field, grid: Array, stride: tuple[int, int]) -> list[tuple[int, int]]:
    """Return where the tiles begin, (row, column) in positions before the stride."""
    down, across = spectrum.step((grid.shape[1], grid.shape[2]))
    rows, columns = (field.rows - 1) * stride[0] + 1, len(field.colmap) // field.samples - grid.shape[2] + 1
    return [(top, left) for top in range(0, rows, down) for left in range(0, columns, across)]


def finish(made: NDArray[np.float64], into: Array, route: Route, job: EngineJob) -> tuple[int, int]:
    """Write sums to `into` as responses or as pixels, by its dtype; returns how many saturated below and above."""
    shift = job.shift
    if route.integers is not None:
        if job.dtype.kind != "f":
            made, shift = made + route.integers.constant, 0.0
        made = made / route.integers.divisor
    made = made + shift
    if job.absolute:
        made = np.abs(made)
    if into.dtype.kind == "f":
        into[...] = made
        return 0, 0
    top = 65535 if into.dtype == np.uint16 else 255
    np.rint(made, out=made)
    counts = int((made < 0).sum()), int((made > top).sum())
    into[...] = made.clip(0, top)
    return counts
