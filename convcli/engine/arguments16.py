"""Arguments of the 16-bit loops, taps and separable.

Each function returns the name of the loop and a function that makes the loop's arguments (tables and working memory
included) for rows y0..y1 of the map.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.arguments import division
from convcli.engine.compiled import processor
from convcli.engine.field import Arguments, Array, Field, aligned, lined, offsets, reached, strided
from convcli.engine.job import EngineJob, Route
from convcli.engine.routes import slides

_STREAMED = 1 << 22  # bytes of a result from which on `pairs` writes it past the caches


def taps(route: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """Return the loop of the route `taps` and its arguments: every tap of the kernel, singly or in pairs."""
    assert route.integers is not None
    w = route.integers.weights
    i, j = np.nonzero(w)
    dy, dx = offsets(i, j, job, field)
    count, lane = len(i), route.lane
    if route.paired:
        return _pairs(route, job, field, src, dst, (dy, dx, w[i, j].astype(lane)))
    lo, hi = reached(field, int(dx.min()), int(dx.max()))

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dy, dx, w[i, j].astype(lane), field.pitch, field.n, field.kept,
            lo, hi, field.left, *_finish(route, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(count, np.uintp), np.empty(count, lane), np.empty(count, np.intp),
            np.empty(field.n, np.float32), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"taps:{count}:{_ending(route, field)}{strided(field)}", args


def _pairs(
    route: Route, job: EngineJob, field: Field, src: Array, dst: Array, taps: tuple[Array, ...]
) -> tuple[str, Arguments]:
    assert route.integers is not None
    (dy, dx, w), size, divisor = taps, processor.vector_bytes(), route.integers.divisor
    lo, hi = reached(field, int(dx.min()), int(dx.max()), size)
    value, init, magnitude, half, shift, *_ = _finish(route, job)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dy, dx, w, field.pitch, field.n, field.kept, lo, hi, field.left,
            value, init, magnitude, half, shift, divisor, job.geometry.stride[0], field.step, field.channels,
            int(field.step == 1 and dst.nbytes >= _STREAMED), y0, y1,
            np.empty(w.size, np.intp), np.empty(w.size, np.uintp), np.empty_like(w), np.zeros(w.size * size, np.uint8),
            np.empty(size, np.uint8), np.empty(field.n if field.step > 1 else 0, np.uint8), _kept_lanes(field),
            np.zeros(3, np.int64),
        )  # fmt: skip

    return f"pairs:{w.size}:{_ending(route, field)}:{size}{strided(field)}", args


def separable(route: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """Return the loop of the route `separable` and its arguments: rows filtered horizontally, then vertically."""
    assert route.across is not None and route.down is not None
    j, i = np.flatnonzero(route.across[0]), np.flatnonzero(route.down[0])
    dy, dx = offsets(i, j, job, field)
    hw, vw = route.across[0][j].astype(route.lane), route.down[0][i].astype(route.lane)
    if route.paired:
        return _separable_pairs(route, job, field, src, dst, (dx, hw, dy, vw))
    lo, hi = reached(field, int(dx.min()), int(dx.max()))
    slots, width = int(dy.max()) + 1, aligned(field.n)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dx, hw, dy, vw, field.pitch, field.n, field.kept,
            lo, hi, field.left, *_finish(route, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(slots * width, route.lane), width, np.empty(slots, np.intp),
            np.empty(len(j), np.uintp), np.empty(len(i), np.uintp), np.empty(field.n, np.float32),
            np.zeros(3, np.int64),
        )  # fmt: skip

    return f"separable:{len(j)}:{len(i)}:{_ending(route, field)}{strided(field)}", args


def _separable_pairs(
    route: Route, job: EngineJob, field: Field, src: Array, dst: Array, taps: tuple[Array, ...]
) -> tuple[str, Arguments]:
    assert route.integers is not None
    (dx, hw, dy, vw), size, divisor = taps, processor.vector_bytes(), route.integers.divisor
    lo, hi = reached(field, int(dx.min()), int(dx.max()), size)
    value, init, magnitude, half, shift, *_ = _finish(route, job)
    done = np.arange(0, hi - lo, size)
    spots = np.minimum(done, hi - lo - size)
    slots, width = int(dy.max()) + 1, len(spots) * size + aligned(lo + field.n - hi, size)
    sliding = route.down is not None and slides(job, route.down[0])

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        picture = dst, src, field.rowmap, field.colmap, dx, hw
        how = (
            field.pitch, field.n, field.kept, lo, hi, field.left, value, init, magnitude, half, shift, divisor,
        )  # fmt: skip
        where = field.step, field.channels, y0, y1, lo + spots, done - spots
        ring = lined((slots + sliding) * width, route.lane), width
        across = np.empty(hw.size, np.intp), np.empty(hw.size, np.uintp)
        ends = (
            np.zeros(hw.size * size, np.uint8), np.empty(size, np.uint8),
            np.empty(field.n if field.step > 1 else 0, np.uint8), _kept_lanes(field), np.zeros(3, np.int64),
        )  # fmt: skip
        if sliding:
            return (*picture, len(vw), *how, *where, *ring, lined(width, route.lane), *across, *ends)
        held, down = np.empty(slots, np.intp), np.empty(vw.size, np.uintp)
        return (*picture, dy, vw, *how, job.geometry.stride[0], *where, *ring, held, *across, down, *ends)

    kind = f"sliding_pairs:{hw.size}" if sliding else f"separable_pairs:{hw.size}:{vw.size}"
    return f"{kind}:{_ending(route, field)}:{size}{strided(field)}", args


def _kept_lanes(field: Field) -> NDArray[np.uint64]:
    """Return, for each position of one period of the stride, a mask of those of the next 64 samples that are kept."""
    if field.step == 1:
        return np.zeros(1, np.uint64)
    positions = np.arange(field.step * field.channels)[:, None] + np.arange(64)
    bits = (positions // field.channels % field.step == 0).astype(np.uint64)
    lanes: NDArray[np.uint64] = np.bitwise_or.reduce(bits << np.arange(64, dtype=np.uint64), axis=1)
    return lanes


def _ending(route: Route, field: Field) -> str:
    """Return how the 16-bit loops turn a sum into a level: the kind of divisor that they are compiled for."""
    assert route.integers is not None
    d = route.integers.divisor
    ending = "whole" if d == 1 else "shifted" if d & (d - 1) == 0 else "odd" if d % 2 else "even"
    return "sums" if not route.paired and (field.step > 1 or ending == "even") else ending


def _finish(route: Route, job: EngineJob) -> tuple[Any, ...]:
    """Return (value, init, magnitude, half, shift, scale, divisor, top) for the 16-bit loops."""
    assert route.integers is not None
    lane, d = route.lane.type, route.integers.divisor
    shift = d.bit_length() - 1
    half = max(d // 2 - 1, 0) if d == 1 << shift else d // 2
    magnitude = -1 if job.absolute and route.lane == np.int16 else 1
    return (
        lane(job.value), lane(route.integers.constant), lane(magnitude), np.uint16(half), np.uint16(shift),
        *division(d, route.lane), np.float32(255),
    )  # fmt: skip
