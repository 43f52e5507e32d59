"""Runs a plan: index maps for the borders, working memory for a loop, and bands of rows on threads.

Nothing of a result depends on how many bands there are: every output row is computed by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import machine, native
from convcli.engine.plan import LARGE, Job, Plan, block_shape, block_steps, fft_size
from convcli.engine.threads import spread, thread_count
from convcli.geometry import Pads

_TILE = 12288  # samples of a row that `sweep` and `block` work on at a time: long runs suit the memory best
_RING = 320 * 1024  # bytes of a ring of rows beyond which tiles get narrower, so that it stays in L2
_DEALT = 4  # columns of a stride, and channels, for which there are loops of their own
_SPECTRA = 768 * 1024  # bytes that a tile of `fft` may take: it is gone through many times, so it has to stay in L2
_SMALL = 200_000  # samples below which a second thread costs more than it brings
_QUICK = 1_000_000_000  # multiply-adds, at most a tenth of a second of them, that Ctrl-C may have to wait for
_STREAMED = 1 << 22  # bytes of a result from which on `pairs` writes it past the caches

Array = NDArray[Any]


@dataclass(frozen=True)
class Field:
    """The picture and the map as flat rows: what every loop needs to know of sizes.

    A row of the picture is `pitch` samples. Positions are the places of the kernel along a padded row before stride,
    `n` samples of them, of which every `step`-th group of `channels` samples is kept.
    """

    rowmap: Array
    colmap: Array
    samples: int  # in a pixel of the picture
    pitch: int
    left: int
    n: int
    kept: int
    rows: int
    step: int
    channels: int

    @classmethod
    def of(cls, size: tuple[int, int, int], job: Job, pads: Pads, output: tuple[int, int], depth: bool) -> Field:
        """For a picture (H, W, C) and a map (rows, columns)."""
        height, width, channels = size
        mode = job.geometry.padding_mode
        rows, columns = output
        across = index_map(width, *pads[1], mode)
        colmap = np.where(across[:, None] < 0, -1, across[:, None] * channels + np.arange(channels)).ravel()
        stride = job.geometry.stride[1]
        span = (columns - 1) * stride
        return cls(
            rowmap=index_map(height, *pads[0], mode),
            colmap=colmap.astype(np.intp),
            samples=channels,
            pitch=width * channels,
            left=pads[1][0] * channels,
            n=span * channels + 1 if depth else (span + 1) * channels,
            kept=columns if depth else columns * channels,
            rows=rows,
            step=stride * channels if depth else stride,
            channels=1 if depth else channels,
        )


def index_map(size: int, before: int, after: int, mode: str) -> NDArray[np.intp]:
    """For each index of a padded axis its place in the picture, or -1 where a constant stands.

    >>> index_map(4, 2, 2, "reflect").tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    i = np.arange(-before, size + after)
    if mode == "replicate":
        return i.clip(0, size - 1)
    if mode == "circular":
        return i % size
    if mode == "symmetric":
        j = i % (2 * size)
        return np.minimum(j, 2 * size - 1 - j)
    if mode == "reflect":
        period = max(2 * size - 2, 1)
        j = i % period
        return np.minimum(j, period - j) if size > 1 else np.zeros_like(i)
    return np.where((i >= 0) & (i < size), i, -1)


def run(plan: Plan, job: Job, field: Field, src: Array, dst: Array, threads: int | None) -> tuple[int, int, int]:
    """Fill dst, flat, from src, flat; counts of samples that saturated below and above, and of those not finite, so
    far as `block` and `fft` met any."""
    name, args = _LOOPS[plan.route](plan, job, field, src, dst)
    rows = field.rows
    if plan.route == "fft":
        kh = job.weights.shape[-2]
        rows = -(-((rows - 1) * job.geometry.stride[0] + 1) // (2 * (fft_size(kh) - kh + 1)))
    bands = min(thread_count(threads), rows)
    if dst.size < _SMALL:
        bands = 1
    edges = [rows * i // bands for i in range(bands + 1)]
    with np.errstate(over="ignore"):  # a weight beyond float32 is infinite there, as its responses are
        work = [args(*edge) for edge in pairwise(edges)]
    call = machine.prepare(name, *work[0])
    if dst.size < _SMALL:
        call(*work[0])
    else:
        spread(call, work, quick=dst.size * job.weights.size < _QUICK)
    counts = sum(w[-1] for w in work)
    return int(counts[0]), int(counts[1]), int(counts[2])


Arguments = Callable[[int, int], tuple[Any, ...]]


def _taps(plan: Plan, job: Job, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    assert plan.integers is not None
    w = plan.integers.weights
    i, j = np.nonzero(w)
    dy, dx = _offsets(i, j, job, field)
    count, lane = len(i), plan.lane
    lo, hi = _reached(field, int(dx.min()), int(dx.max()))
    if plan.paired:
        return _pairs(plan, job, field, src, dst, (dy, dx, w[i, j].astype(lane)))

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dy, dx, w[i, j].astype(lane), field.pitch, field.n, field.kept,
            lo, hi, field.left, *_finish16(plan, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(count, np.uintp), np.empty(count, lane), np.empty(count, np.intp),
            np.empty(field.n, np.float32), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"taps:{count}:{_ending16(plan, field)}{_strided(field)}", args


def _pairs(
    plan: Plan, job: Job, field: Field, src: Array, dst: Array, taps: tuple[Array, ...]
) -> tuple[str, Arguments]:
    assert plan.integers is not None
    (dy, dx, w), size, divisor = taps, native.vector_bytes(), plan.integers.divisor
    lo, hi = _reached(field, int(dx.min()), int(dx.max()), size)
    value, init, magnitude, half, shift, *_ = _finish16(plan, job)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dy, dx, w, field.pitch, field.n, field.kept, lo, hi, field.left,
            value, init, magnitude, half, shift, divisor, job.geometry.stride[0], field.step, field.channels,
            int(field.step == 1 and dst.nbytes >= _STREAMED), y0, y1,
            np.empty(w.size, np.intp), np.empty(w.size, np.uintp), np.empty_like(w), np.zeros(w.size * size, np.uint8),
            np.empty(size, np.uint8), np.empty(field.n if field.step > 1 else 0, np.uint8), _kept_lanes(field),
            np.zeros(3, np.int64),
        )  # fmt: skip

    return f"pairs:{w.size}:{_ending16(plan, field)}:{size}{_strided(field)}", args


def _separable(plan: Plan, job: Job, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    assert plan.across is not None and plan.down is not None
    j, i = np.flatnonzero(plan.across[0]), np.flatnonzero(plan.down[0])
    dy, dx = _offsets(i, j, job, field)
    hw, vw = plan.across[0][j].astype(plan.lane), plan.down[0][i].astype(plan.lane)
    lo, hi = _reached(field, int(dx.min()), int(dx.max()))
    if plan.paired:
        return _separable_pairs(plan, job, field, src, dst, (dx, hw, dy, vw))
    slots, width = int(dy.max()) + 1, _aligned(field.n)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dx, hw, dy, vw, field.pitch, field.n, field.kept,
            lo, hi, field.left, *_finish16(plan, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(slots * width, plan.lane), width, np.full(slots, -1, np.intp),
            np.empty(len(j), np.uintp), np.empty(len(i), np.uintp), np.empty(field.n, np.float32),
            np.zeros(3, np.int64),
        )  # fmt: skip

    return f"separable:{len(j)}:{len(i)}:{_ending16(plan, field)}{_strided(field)}", args


def _separable_pairs(
    plan: Plan, job: Job, field: Field, src: Array, dst: Array, taps: tuple[Array, ...]
) -> tuple[str, Arguments]:
    assert plan.integers is not None
    (dx, hw, dy, vw), size, divisor = taps, native.vector_bytes(), plan.integers.divisor
    lo, hi = _reached(field, int(dx.min()), int(dx.max()), size)
    value, init, magnitude, half, shift, *_ = _finish16(plan, job)
    done = np.arange(0, hi - lo, size)
    spots = np.minimum(done, hi - lo - size)
    slots, width = int(dy.max()) + 1, len(spots) * size + _aligned(lo + field.n - hi, size)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, dx, hw, dy, vw, field.pitch, field.n, field.kept, lo, hi, field.left,
            value, init, magnitude, half, shift, divisor, job.geometry.stride[0], field.step, field.channels, y0, y1,
            lo + spots, done - spots,
            _lined(slots * width, plan.lane), width, np.full(slots, -1, np.intp), np.empty(hw.size, np.intp),
            np.empty(hw.size, np.uintp), np.empty(vw.size, np.uintp), np.zeros(hw.size * size, np.uint8),
            np.empty(size, np.uint8), np.empty(field.n if field.step > 1 else 0, np.uint8), _kept_lanes(field),
            np.zeros(3, np.int64),
        )  # fmt: skip

    return f"separable_pairs:{hw.size}:{vw.size}:{_ending16(plan, field)}:{size}{_strided(field)}", args


def _kept_lanes(field: Field) -> NDArray[np.uint64]:
    """For each position up to where it repeats, which of 64 samples from there on are kept, as bits."""
    if field.step == 1:
        return np.zeros(1, np.uint64)
    positions = np.arange(field.step * field.channels)[:, None] + np.arange(64)
    bits = (positions // field.channels % field.step == 0).astype(np.uint64)
    lanes: NDArray[np.uint64] = np.bitwise_or.reduce(bits << np.arange(64, dtype=np.uint64), axis=1)
    return lanes


def _box(plan: Plan, job: Job, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    assert plan.integers is not None
    down, across = plan.integers.weights.shape
    total = np.uint16 if 255 * down * across <= 65535 else np.uint32
    width, line = _aligned(field.n), field.n + (across - 1) * field.channels

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, total(job.value), down, across, _init(plan),
            field.n, field.kept, *_finish(plan, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty((down + 1) * width, total), width, np.empty(line, total),
            np.empty(2 * line, total), np.empty(field.n, total), np.empty(field.n, plan.lane), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"box:{_finisher(dst)}{_strided(field)}", args


def _sweep(plan: Plan, job: Job, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    lane = plan.lane
    if plan.across is not None and plan.down is not None:
        terms = len(plan.across)
        columns = np.arange(plan.across.shape[1])
        _, dx = _offsets(columns, columns, job, field)
        ho, hw = _across(plan.across, dx, lane)
        index = np.tile(np.arange(plan.down.shape[1]), terms)
        weights, term = plan.down.ravel(), np.repeat(np.arange(terms), plan.down.shape[1])
        place, reach = np.zeros_like(index), int(dx.max())
    else:
        grid = _grid(plan, job)
        depth, index, column = np.nonzero(grid)
        weights = grid[depth, index, column]
        if not len(weights):
            depth = index = column = np.zeros(1, np.intp)
            weights = np.zeros(1)
        _, place = _offsets(column, column, job, field)
        place = place + depth
        terms, term, reach = 0, np.zeros_like(index), int(place.max())
        ho, hw = np.zeros(0, np.uintp), np.zeros(0, lane)
    used, vi = np.unique(index, return_inverse=True)
    rows, _ = _offsets(used, used, job, field)
    span = int(rows.max()) + 1
    period = span if span <= 4 * len(rows) + 64 else 0
    slots = period or len(rows)
    tile, halo = _tile(slots * max(terms, 1) * lane.itemsize, field.step * field.channels, field.n), reach
    part = _aligned(tile) if terms else _aligned(tile + halo)
    vi, vw = _grouped(vi, weights)
    vx = _grouped(place + term * part, weights)[0]
    src_value = lane.type(job.value)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, src_value, terms, ho, hw, rows,
            vi.astype(np.intp), vx.astype(np.intp), vw.astype(lane), _init(plan), field.n, field.kept, tile, halo,
            *_finish(plan, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(slots * part * max(terms, 1), lane), part * max(terms, 1), period,
            np.full(slots, -1, np.intp), np.empty(tile + halo if terms else 0, lane), np.empty(tile, lane),
            np.empty(len(vw), np.uintp), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"sweep:{_finisher(dst)}", args


def _block(plan: Plan, job: Job, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    lanes = native.vector_bytes() // 4
    wide = 4 if lanes == 16 else 2
    span = wide * lanes
    apart, (gap, hop) = job.geometry.dilation[0], block_steps(job.geometry)
    if plan.across is not None and plan.down is not None:
        terms, grid, across = len(plan.across), plan.down.T, plan.across
    else:
        terms, grid, across = 0, _grid(plan, job)[0], np.zeros((0, _grid(plan, job).shape[2]))
    kh, columns = grid.shape
    rows, down = block_shape(kh)
    w = np.zeros((down, columns), np.float32)
    w[:kh] = grid
    passes = w.reshape(down // rows, rows, columns).transpose(0, 2, 1)
    slots = (down + 3 * hop) * apart
    tile = _tile(slots * 4 * (terms or field.step), field.channels, field.kept)
    pixels = np.arange(across.shape[1]) * job.geometry.dilation[1]
    offsets = pixels // field.step * field.channels
    reach = int(offsets[-1])
    lot, length = _aligned(tile + reach, span), _aligned(tile, span)
    beside = offsets + pixels % field.step * lot
    places = np.arange(terms) * length if terms else beside
    width = length * terms or lot * field.step
    begin = np.concatenate([np.full(span, _init(plan)), np.zeros(span, np.float32)])

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, np.float32(job.value), terms,
            across.astype(np.float32).ravel(), beside.astype(np.uintp), passes.ravel(), places.astype(np.uintp), begin,
            field.kept, tile, reach, *_finish(plan, job), job.geometry.stride[0], apart, gap, field.step,
            field.channels, y0, y1, _lined(slots * width + span, np.float32), width, np.full(slots, -1, np.intp),
            np.empty(lot * field.step + span if terms else 0, np.float32), lot, np.empty(4 * (tile + span), np.float32),
            np.empty(rows + 3 * hop, np.uintp), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"block:{_finisher(dst)}:{rows}:{hop}:{lanes}:{wide}{_strided(field)}", args


def _across(factors: Array, dx: NDArray[np.intp], lane: Any) -> tuple[Array, Array]:
    """Offsets and weights of the rows (R, KW) that filter across, each filled up to whole groups."""
    ho = np.tile(_grouped(dx, factors[0])[0], len(factors))
    return ho, np.concatenate([_grouped(dx, part)[1] for part in factors]).astype(lane)


def _fft(plan: Plan, job: Job, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    grid = _grid(plan, job)[0]
    kh, kw = grid.shape
    size = fft_size(kh)
    angles = 2 * np.pi * np.arange(size) / size
    spectrum = np.fft.fft(grid, size, axis=0).conj()[_reversed_bits(size)] / size
    spare = -kw % 4
    spectrum = np.pad(spectrum, ((0, 0), (0, spare)))
    _, across = _offsets(np.arange(kw), np.arange(kw), job, field)
    offsets = np.concatenate([across, np.repeat(across[:1], spare)])
    unit = field.step * field.channels
    tile = min(max(_SPECTRA // (8 * size) // unit, 1) * unit, -(-field.n // unit) * unit)
    halo = int(across[-1])
    width = _aligned(tile + halo) + 16

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        real = np.float32
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, real(job.value),
            spectrum.real.astype(real).ravel(), spectrum.imag.astype(real).ravel(), offsets, size, kh,
            np.cos(angles).astype(real), np.sin(angles).astype(real), field.n, field.kept, tile, halo,
            _init(plan), *_finish(plan, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(size * width, real), np.empty(size * width, real), width, np.empty(tile, real),
            np.empty(tile, real), np.empty(4, np.uintp), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"fft:{_finisher(dst)}", args


def _reversed_bits(size: int) -> NDArray[np.intp]:
    """The frequencies in the order in which the transform leaves them: by their reversed bits."""
    order = np.zeros(1, np.intp)
    while order.size < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


_LOOPS = {"taps": _taps, "separable": _separable, "box": _box, "sweep": _sweep, "block": _block, "fft": _fft}


def _offsets(i: Array, j: Array, job: Job, field: Field) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and flat columns of weights in the padded picture."""
    dy, dx = job.geometry.dilation
    return (i * dy).astype(np.intp), (j * dx * field.samples).astype(np.intp)


def _reached(field: Field, first: int, last: int, least: int = 0) -> tuple[int, int]:
    """The positions lo..hi at which taps from `first` to `last` samples on all lie in the picture; none if not so many
    as `least`."""
    lo = min(max(field.left - first, 0), field.n)
    hi = max(lo, min(field.left + field.pitch - last, field.n))
    return (lo, hi) if hi - lo >= least else (0, 0)


def _tile(bytes_a_sample: int, unit: int, length: int) -> int:
    """Samples of a row of that length to work on at a time: a whole number of units."""
    room = max(512, min(_TILE, _RING // max(bytes_a_sample, 1)))
    return min(max(room // unit, 1) * unit, -(-length // unit) * unit)


def _aligned(samples: int, unit: int = 32) -> int:
    return -(-samples // unit) * unit


def _lined(count: int, dtype: Any) -> Array:
    """Working memory that begins with a line of the cache, so that no vector lies across two."""
    memory = np.empty(count * np.dtype(dtype).itemsize + 64, np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin : -64 + begin or None].view(dtype)


def _grouped(offsets: Array, weights: Array) -> tuple[Array, Array]:
    """Taps filled up to whole groups of eight by weights of zero."""
    spare = -len(weights) % 8
    more = np.repeat(offsets[:1], spare)
    return np.concatenate([offsets, more]).astype(np.uintp), np.concatenate([weights, np.zeros(spare, weights.dtype)])


def _grid(plan: Plan, job: Job) -> Array:
    """The weights (C, KH, KW) that the sums use."""
    grid: Array = plan.integers.weights if plan.integers is not None else job.terms(plan.lane)
    return grid if grid.ndim == 3 else grid[None]


def _strided(field: Field) -> str:
    """What the name of a loop says of the columns of a stride: nothing, how many for so many channels, or any."""
    if field.step == 1:
        return ""
    known = max(field.step, field.channels) <= _DEALT and field.rows * field.kept >= LARGE
    return f":{field.step}:{field.channels}" if known else ":0:0"


def _finisher(dst: Array) -> str:
    return "floats" if dst.dtype.kind == "f" else "levels"


def _ending16(plan: Plan, field: Field) -> str:
    """How the 16-bit loops make a level of a sum: what they know of the divisor when they are compiled."""
    assert plan.integers is not None
    d = plan.integers.divisor
    ending = "whole" if d == 1 else "shifted" if d & (d - 1) == 0 else "odd" if d % 2 else "even"
    return "sums" if not plan.paired and (field.step > 1 or ending == "even") else ending


def _finish16(plan: Plan, job: Job) -> tuple[Any, ...]:
    """value, init, magnitude, half, shift, scale, divisor, top for the 16-bit loops."""
    assert plan.integers is not None
    lane, d = plan.lane.type, plan.integers.divisor
    shift = d.bit_length() - 1
    half = max(d // 2 - 1, 0) if d == 1 << shift else d // 2
    magnitude = -1 if job.absolute and plan.lane == np.int16 else 1
    return (
        lane(job.value), lane(plan.integers.constant), lane(magnitude), np.uint16(half), np.uint16(shift),
        *_division(d, plan.lane), np.float32(255),
    )  # fmt: skip


def _division(d: int, lane: Any) -> tuple[Any, Any]:
    """scale and divisor: a reciprocal, or the divisor itself where a reciprocal could spoil a tie (even, not 2^n)."""
    real = np.float64 if lane == np.float64 else np.float32
    if (d % 2 and real is np.float32) or d & (d - 1) == 0:
        return real(1 / d), real(0)
    return real(1), real(d)


def _init(plan: Plan) -> Any:
    """What the sums start from: the integer constant, so that the division is of the whole."""
    return plan.lane.type(plan.integers.constant if plan.integers is not None else 0)


def _finish(plan: Plan, job: Job) -> tuple[Any, ...]:
    """scale, divisor, shift, magnitude, top for the float loops."""
    real = plan.lane.type
    scale, divisor, shift = real(1), real(0), job.shift
    if plan.integers is not None:
        scale, divisor = _division(plan.integers.divisor, plan.lane)
        shift = job.shift if job.dtype.kind == "f" else 0.0
    elif plan.lane == np.float64 and job.divisor != 1:
        scale, divisor = real(1), real(job.divisor)
    top = 65535 if job.dtype == np.uint16 else 255
    return scale, divisor, real(shift), real(-1 if job.absolute else 1), real(top)
