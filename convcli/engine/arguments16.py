"""What the 16-bit loops are called with: their names, and for any rows their tables and working memory."""

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


def taps(plan: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """For `taps`: each tap of the kernel, alone or in pairs."""
    assert plan.integers is not None
    w = plan.integers.weights
    i, j = np.nonzero(w)
    dy, dx = offsets(i, j, job, field)
    count, lane = len(i), plan.lane
    if plan.paired:
        return _pairs(plan, job, field, src, dst, (dy, dx, w[i, j].astype(lane)))
    lo, hi = reached(field, int(dx.min()), int(dx.max()))

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dy, dx, w[i, j].astype(lane), field.pitch, field.n, field.kept,
            lo, hi, field.left, *_finish(plan, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(count, np.uintp), np.empty(count, lane), np.empty(count, np.intp),
            np.empty(field.n, np.float32), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"taps:{count}:{_ending(plan, field)}{strided(field)}", args


def _pairs(
    plan: Route, job: EngineJob, field: Field, src: Array, dst: Array, taps: tuple[Array, ...]
) -> tuple[str, Arguments]:
    assert plan.integers is not None
    (dy, dx, w), size, divisor = taps, processor.vector_bytes(), plan.integers.divisor
    lo, hi = reached(field, int(dx.min()), int(dx.max()), size)
    value, init, magnitude, half, shift, *_ = _finish(plan, job)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dy, dx, w, field.pitch, field.n, field.kept, lo, hi, field.left,
            value, init, magnitude, half, shift, divisor, job.geometry.stride[0], field.step, field.channels,
            int(field.step == 1 and dst.nbytes >= _STREAMED), y0, y1,
            np.empty(w.size, np.intp), np.empty(w.size, np.uintp), np.empty_like(w), np.zeros(w.size * size, np.uint8),
            np.empty(size, np.uint8), np.empty(field.n if field.step > 1 else 0, np.uint8), _kept_lanes(field),
            np.zeros(3, np.int64),
        )  # fmt: skip

    return f"pairs:{w.size}:{_ending(plan, field)}:{size}{strided(field)}", args


def separable(plan: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """For `separable`: rows filtered across, then down."""
    assert plan.across is not None and plan.down is not None
    j, i = np.flatnonzero(plan.across[0]), np.flatnonzero(plan.down[0])
    dy, dx = offsets(i, j, job, field)
    hw, vw = plan.across[0][j].astype(plan.lane), plan.down[0][i].astype(plan.lane)
    if plan.paired:
        return _separable_pairs(plan, job, field, src, dst, (dx, hw, dy, vw))
    lo, hi = reached(field, int(dx.min()), int(dx.max()))
    slots, width = int(dy.max()) + 1, aligned(field.n)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dx, hw, dy, vw, field.pitch, field.n, field.kept,
            lo, hi, field.left, *_finish(plan, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(slots * width, plan.lane), width, np.full(slots, -1, np.intp),
            np.empty(len(j), np.uintp), np.empty(len(i), np.uintp), np.empty(field.n, np.float32),
            np.zeros(3, np.int64),
        )  # fmt: skip

    return f"separable:{len(j)}:{len(i)}:{_ending(plan, field)}{strided(field)}", args


def _separable_pairs(
    plan: Route, job: EngineJob, field: Field, src: Array, dst: Array, taps: tuple[Array, ...]
) -> tuple[str, Arguments]:
    assert plan.integers is not None
    (dx, hw, dy, vw), size, divisor = taps, processor.vector_bytes(), plan.integers.divisor
    lo, hi = reached(field, int(dx.min()), int(dx.max()), size)
    value, init, magnitude, half, shift, *_ = _finish(plan, job)
    done = np.arange(0, hi - lo, size)
    spots = np.minimum(done, hi - lo - size)
    slots, width = int(dy.max()) + 1, len(spots) * size + aligned(lo + field.n - hi, size)
    sliding = plan.down is not None and slides(job, plan.down[0])

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        picture = dst, src, field.rowmap, field.colmap, dx, hw
        how = (
            field.pitch, field.n, field.kept, lo, hi, field.left, value, init, magnitude, half, shift, divisor,
        )  # fmt: skip
        where = field.step, field.channels, y0, y1, lo + spots, done - spots
        ring = lined((slots + sliding) * width, plan.lane), width
        across = np.empty(hw.size, np.intp), np.empty(hw.size, np.uintp)
        ends = (
            np.zeros(hw.size * size, np.uint8), np.empty(size, np.uint8),
            np.empty(field.n if field.step > 1 else 0, np.uint8), _kept_lanes(field), np.zeros(3, np.int64),
        )  # fmt: skip
        if sliding:
            return (*picture, len(vw), *how, *where, *ring, lined(width, plan.lane), *across, *ends)
        held, down = np.full(slots, -1, np.intp), np.empty(vw.size, np.uintp)
        return (*picture, dy, vw, *how, job.geometry.stride[0], *where, *ring, held, *across, down, *ends)

    kind = f"sliding_pairs:{hw.size}" if sliding else f"separable_pairs:{hw.size}:{vw.size}"
    return f"{kind}:{_ending(plan, field)}:{size}{strided(field)}", args


def _kept_lanes(field: Field) -> NDArray[np.uint64]:
    """For each position up to where it repeats, which of 64 samples from there on are kept, as bits."""
    if field.step == 1:
        return np.zeros(1, np.uint64)
    positions = np.arange(field.step * field.channels)[:, None] + np.arange(64)
    bits = (positions // field.channels % field.step == 0).astype(np.uint64)
    lanes: NDArray[np.uint64] = np.bitwise_or.reduce(bits << np.arange(64, dtype=np.uint64), axis=1)
    return lanes


def _ending(plan: Route, field: Field) -> str:
    """How the 16-bit loops make a level of a sum: what they know of the divisor when they are compiled."""
    assert plan.integers is not None
    d = plan.integers.divisor
    ending = "whole" if d == 1 else "shifted" if d & (d - 1) == 0 else "odd" if d % 2 else "even"
    return "sums" if not plan.paired and (field.step > 1 or ending == "even") else ending


def _finish(plan: Route, job: EngineJob) -> tuple[Any, ...]:
    """value, init, magnitude, half, shift, scale, divisor, top for the 16-bit loops."""
    assert plan.integers is not None
    lane, d = plan.lane.type, plan.integers.divisor
    shift = d.bit_length() - 1
    half = max(d // 2 - 1, 0) if d == 1 << shift else d // 2
    magnitude = -1 if job.absolute and plan.lane == np.int16 else 1
    return (
        lane(job.value), lane(plan.integers.constant), lane(magnitude), np.uint16(half), np.uint16(shift),
        *division(d, plan.lane), np.float32(255),
    )  # fmt: skip
