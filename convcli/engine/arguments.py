"""Arguments of the box, sweep, block and fft loops.

Each function returns the name of the loop and a function that makes the loop's arguments (tables and working memory
included) for rows y0..y1 of the map.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.compiled import processor
from convcli.engine.field import Arguments, Array, Field, aligned, lined, offsets, strided
from convcli.engine.job import EngineJob, Route
from convcli.engine.routes import block_shape, block_steps, fft_size

_TILE = 12288  # samples of a row that `sweep` and `block` work on at a time: long runs suit the memory best
_RING = 320 * 1024  # bytes of a ring of rows beyond which tiles get narrower, so that it stays in L2
_SPECTRA = 768 * 1024  # bytes that a tile of `fft` may take: it is read many times, so it has to stay in L2


def box(route: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """Return the loop `box` and its arguments: running sums over a box."""
    assert route.integers is not None
    down, across = route.integers.weights.shape
    total = np.uint16 if 255 * down * across <= 65535 else np.uint32
    width, line = aligned(field.n), field.n + (across - 1) * field.channels

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, total(job.value), down, across, _init(route),
            field.n, field.kept, *_finish(route, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty((down + 1) * width, total), width, np.empty(line, total),
            np.empty(2 * line, total), np.empty(field.n, total), np.empty(field.n, route.lane), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"box:{_finisher(dst)}{strided(field)}", args


def sweep(route: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """Return the loop `sweep` and its arguments: groups of taps, or the terms of a sum of separable kernels."""
    lane = route.lane
    if route.across is not None and route.down is not None:
        terms = len(route.across)
        columns = np.arange(route.across.shape[1])
        _, dx = offsets(columns, columns, job, field)
        ho, hw = _across(route.across, dx, lane)
        index = np.tile(np.arange(route.down.shape[1]), terms)
        weights, term = route.down.ravel(), np.repeat(np.arange(terms), route.down.shape[1])
        place, reach = np.zeros_like(index), int(dx.max())
    else:
        grid = _grid(route, job)
        depth, index, column = np.nonzero(grid)
        weights = grid[depth, index, column]
        if not len(weights):
            depth = index = column = np.zeros(1, np.intp)
            weights = np.zeros(1)
        _, place = offsets(column, column, job, field)
        place = place + depth
        terms, term, reach = 0, np.zeros_like(index), int(place.max())
        ho, hw = np.zeros(0, np.uintp), np.zeros(0, lane)
    used, vi = np.unique(index, return_inverse=True)
    rows, _ = offsets(used, used, job, field)
    span = int(rows.max()) + 1
    period = span if span <= 4 * len(rows) + 64 else 0
    slots = period or len(rows)
    tile, halo = _tile(slots * max(terms, 1) * lane.itemsize, field.step * field.channels, field.n), reach
    part = aligned(tile) if terms else aligned(tile + halo)
    vi, vw = _grouped(vi, weights)
    vx = _grouped(place + term * part, weights)[0]
    src_value = lane.type(job.value)

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, src_value, terms, ho, hw, rows,
            vi.astype(np.intp), vx.astype(np.intp), vw.astype(lane), _init(route), field.n, field.kept, tile, halo,
            *_finish(route, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(slots * part * max(terms, 1), lane), part * max(terms, 1), period,
            np.empty(slots, np.intp), np.empty(tile + halo if terms else 0, lane), np.empty(tile, lane),
            np.empty(len(vw), np.uintp), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"sweep:{_finisher(dst)}", args


def block(route: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """Return the loop `block` and its arguments: four rows of the map at a time."""
    lanes = processor.vector_bytes() // 4
    wide = 4 if lanes == 16 else 2
    span = wide * lanes
    apart, (gap, hop) = job.geometry.dilation[0], block_steps(job.geometry)
    if route.across is not None and route.down is not None:
        terms, grid, across = len(route.across), route.down.T, route.across
    else:
        terms, grid, across = 0, _grid(route, job)[0], np.zeros((0, _grid(route, job).shape[2]))
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
    lot, length = aligned(tile + reach, span), aligned(tile, span)
    beside = offsets + pixels % field.step * lot
    places = np.arange(terms) * length if terms else beside
    width = length * terms or lot * field.step
    begin = np.concatenate([np.full(span, _init(route)), np.zeros(span, np.float32)])

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, np.float32(job.value), terms,
            across.astype(np.float32).ravel(), beside.astype(np.uintp), passes.ravel(), places.astype(np.uintp), begin,
            field.kept, tile, reach, *_finish(route, job), job.geometry.stride[0], apart, gap, field.step,
            field.channels, y0, y1, lined(slots * width + span, np.float32), width, np.empty(slots, np.intp),
            np.empty(lot * field.step + span if terms else 0, np.float32), lot, np.empty(4 * (tile + span), np.float32),
            np.empty(rows + 3 * hop, np.uintp), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"block:{_finisher(dst)}:{rows}:{hop}:{lanes}:{wide}{strided(field)}", args


def _across(factors: Array, dx: NDArray[np.intp], lane: Any) -> tuple[Array, Array]:
    """Return offsets and weights of the horizontal filters (R, KW), each padded to whole groups of taps."""
    ho = np.tile(_grouped(dx, factors[0])[0], len(factors))
    return ho, np.concatenate([_grouped(dx, part)[1] for part in factors]).astype(lane)


def fft(route: Route, job: EngineJob, field: Field, src: Array, dst: Array) -> tuple[str, Arguments]:
    """Return the loop `fft` and its arguments: a Fourier transform down the columns."""
    grid = _grid(route, job)[0]
    kh, kw = grid.shape
    size = fft_size(kh)
    angles = 2 * np.pi * np.arange(size) / size
    spectrum = np.fft.fft(grid, size, axis=0).conj()[_reversed_bits(size)] / size
    spare = -kw % 4
    spectrum = np.pad(spectrum, ((0, 0), (0, spare)))
    _, across = offsets(np.arange(kw), np.arange(kw), job, field)
    columns = np.concatenate([across, np.repeat(across[:1], spare)])
    unit = field.step * field.channels
    tile = min(max(_SPECTRA // (8 * size) // unit, 1) * unit, -(-field.n // unit) * unit)
    halo = int(across[-1])
    width = aligned(tile + halo) + 16

    def args(y0: int, y1: int) -> tuple[Any, ...]:
        real = np.float32
        return (
            dst, src, field.rowmap, field.colmap, field.left, field.pitch, real(job.value),
            spectrum.real.astype(real).ravel(), spectrum.imag.astype(real).ravel(), columns, size, kh,
            np.cos(angles).astype(real), np.sin(angles).astype(real), field.n, field.kept, tile, halo,
            _init(route), *_finish(route, job), job.geometry.stride[0], field.step, field.channels, y0, y1,
            np.empty(size * width, real), np.empty(size * width, real), width, np.empty(tile, real),
            np.empty(tile, real), np.empty(4, np.uintp), np.zeros(3, np.int64),
        )  # fmt: skip

    return f"fft:{_finisher(dst)}", args


def _reversed_bits(size: int) -> NDArray[np.intp]:
    """Return the frequencies 0..size-1 in the transform's output order: by their reversed bits."""
    order = np.zeros(1, np.intp)
    while order.size < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def _tile(bytes_a_sample: int, unit: int, length: int) -> int:
    """Return how many samples of a row of this length to work on at a time: a whole number of units."""
    room = max(512, min(_TILE, _RING // max(bytes_a_sample, 1)))
    return min(max(room // unit, 1) * unit, -(-length // unit) * unit)


def _grouped(offsets: Array, weights: Array) -> tuple[Array, Array]:
    """Pad offsets and weights of taps with weights of zero to whole groups of eight."""
    spare = -len(weights) % 8
    more = np.repeat(offsets[:1], spare)
    return np.concatenate([offsets, more]).astype(np.uintp), np.concatenate([weights, np.zeros(spare, weights.dtype)])


def _grid(route: Route, job: EngineJob) -> Array:
    """Return the weights (C, KH, KW) that the sums use."""
    grid: Array = route.integers.weights if route.integers is not None else job.terms(route.lane)
    return grid if grid.ndim == 3 else grid[None]


def _finisher(dst: Array) -> str:
    return "floats" if dst.dtype.kind == "f" else "levels"


def division(d: int, lane: Any) -> tuple[Any, Any]:
    """Return (scale, divisor) for dividing by d: (1/d, 0), or (1, d) where 1/d could misround a tie (even, not 2^n)."""
    real = np.float64 if lane == np.float64 else np.float32
    if (d % 2 and real is np.float32) or d & (d - 1) == 0:
        return real(1 / d), real(0)
    return real(1), real(d)


def _init(route: Route) -> Any:
    """Return the initial value of the sums: the integer constant, which is thus divided along with them."""
    return route.lane.type(route.integers.constant if route.integers is not None else 0)


def _finish(route: Route, job: EngineJob) -> tuple[Any, ...]:
    """Return (scale, divisor, shift, magnitude, top) for the float loops."""
    real = route.lane.type
    scale, divisor, shift = real(1), real(0), job.shift
    if route.integers is not None:
        scale, divisor = division(route.integers.divisor, route.lane)
        shift = job.shift if job.dtype.kind == "f" else 0.0
    elif route.lane == np.float64 and job.divisor != 1:
        scale, divisor = real(1), real(job.divisor)
    top = 65535 if job.dtype == np.uint16 else 255
    return scale, divisor, real(shift), real(-1 if job.absolute else 1), real(top)
