"""Run a conv2d: padded rows in working memory, weights in the loop's order, bands of rows on threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import gathered
from convcli.engine.compiled import compiler, processor
from convcli.engine.field import index_map
from convcli.engine.out import serves
from convcli.engine.planes.checks import Form, Planes
from convcli.engine.recycling import empty_result
from convcli.engine.threads import run_on_threads
from convcli.geometry import extent
from convcli.system.cores import thread_count

_CACHE = 384 * 1024  # bytes of padded rows that a band may take: they stay in the second-level cache
_SHARES = 4  # bands for each thread, so that none waits long for the others
_SMALL = 400_000  # multiply-adds below which a second thread costs more than it brings
_QUICK = 1_000_000_000  # multiply-adds, some hundredths of a second of them, that Ctrl-C may have to wait for
_TALL = 4  # filters whose weights are stored interleaved


@dataclass(frozen=True)
class Columns:
    """The layout of a padded row in working memory: columns are grouped by their remainder modulo the stride.

    apart: the distance between the starts of two groups. pitch: the length of a row, in numbers.
    map: for each number of a row the column of x that it holds, -1 for zero.
    runs: three numbers for each group: the range [from, to) that holds columns of x, `stride` apart, and the first
        of these columns.
    """

    apart: int
    pitch: int
    map: NDArray[np.intp]
    runs: list[int]

    @classmethod
    def for_form(cls, form: Form, lanes: int) -> Columns:
        """Make the layout for vectors of so many lanes, which may read beyond the end of a row."""
        stride, size, pads = form.stride[1], form.x[3], form.pads[1]
        seen = index_map(size, *pads, form.padding_mode)
        least = max(-(-seen.size // stride), (form.weight[3] - 1) * form.dilation[1] // stride + lanes)
        apart = -(-least // lanes) * lanes
        pitch = stride * apart
        if pitch // lanes % 2 == 0:
            pitch += lanes  # rows a power of two apart would share a few sets of the processor's cache
        places = np.full(pitch, -1, np.intp)
        runs = []
        for phase in range(stride):
            part, start = seen[phase::stride], phase * apart
            places[start : start + part.size] = part
            low, high = (max(-(-(edge - phase) // stride), 0) for edge in (pads[0], pads[0] + size))
            runs += [start + low, start + high, low * stride + phase - pads[0]]
        return cls(apart, pitch, places, runs)

    def offsets(self, form: Form, rows: NDArray[np.intp], plane: int) -> NDArray[np.intp]:
        """Return the offsets (depth, rows, KW) of taps from a pixel, given the offsets of the kernel's rows."""
        column, stride = np.arange(form.weight[3]) * form.dilation[1], form.stride[1]
        across = column % stride * self.apart + column // stride
        planes = np.arange(form.weight[1]) * plane
        return planes[:, None, None] + rows[:, None] + across


@dataclass(frozen=True)
class PlanesPlan:
    """Everything a loop needs besides the data, made once for planes of one form.

    rows: how many rows of a feature map the loop computes at a time, 1 or 2.
    table: the loop's sizes, then its index arrays, in the order in which it reads them.
    room: how many numbers a thread's working memory holds.
    threes, rest: the rows of the kernel as `_threes` divides them.
    """

    rows: int
    table: NDArray[np.intp]
    room: int
    threes: tuple[int, ...] = ()
    rest: tuple[int, ...] = ()


def convolve_planes(job: Planes, threads: int | None = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Compute the feature maps (N, O, H', W'), in `out` where possible; the number of threads does not affect them."""
    if gathered.sparse(job.form.x[2:], job.form.weight[2:], job.form.pads, job.form.stride, job.form.dilation):
        job = _gathered(job)
    form, dtype = job.form, job.x.dtype
    shape = (form.x[0], form.weight[0], *form.output)
    products = prod(shape) * prod(form.weight[1:])
    workers = thread_count(threads) if products > _SMALL else 1
    lanes, wide = _vectors(form.itemsize)
    plan = _plan(form, lanes, workers, _CACHE)
    maps = (
        out
        if out is not None and serves(out, shape, dtype, job.x, job.weight, job.bias)
        else _aligned(prod(shape), dtype).reshape(shape)
    )
    if not maps.size:
        return maps
    weights = (_packed(job) if plan.rows == 1 else _turned(job, plan)).reshape(-1)
    plain = np.ascontiguousarray(job.weight).reshape(-1)
    arrays = np.ascontiguousarray(job.x).reshape(-1), weights, plain, job.bias, plan.table, maps.reshape(-1)
    turn = np.zeros(1, np.intp)  # how many bands threads have taken so far: a late or slow thread takes fewer
    room = plan.room + plan.rows * _TALL * lanes  # and space for a tile of a map that is narrower than it
    work = [(*arrays, _aligned(room, dtype), turn) for _ in range(workers)]
    call = compiler.prepare(f"planes:{lanes}:{wide[plan.rows - 1]}:{plan.rows}", *work[0])
    if len(work) == 1:
        call(*work[0])
    else:
        run_on_threads(call, work, quick=products < _QUICK)
    return maps


def _gathered(job: Planes) -> Planes:
    """Return a convolution with the same maps, on only the pixels of x that the kernel reads."""
    form = job.form
    (rows, *down), (columns, *across) = (
        gathered.axis(n, k, p, s, d, form.padding_mode, 0, count)
        for n, k, p, s, d, count in zip(
            form.x[2:], form.weight[2:], form.pads, form.stride, form.dilation, form.output, strict=True
        )
    )
    x = gathered.taken(job.x, rows, columns, 0, job.x.dtype)
    near = replace(
        form, x=x.shape, stride=(down[0], across[0]), dilation=(down[1], across[1]), pads=((0, 0), (0, 0))
    )  # fmt: skip
    return replace(job, x=x, form=near)


def _vectors(itemsize: int) -> tuple[int, tuple[int, int]]:
    """Return the lanes of the processor's vectors, and the width in vectors of the largest tile of one row and of two.

    Processors have 32 registers of 64 bytes, or 16 shorter ones.
    """
    size = processor.vector_bytes()
    return size // itemsize, {64: (4, 3), 32: (3, 1)}.get(size, (4, 1))


def _aligned(size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialized array aligned to vectors: an unaligned vector may take two memory accesses."""
    memory = empty_result((size * dtype.itemsize + 64,), np.dtype(np.uint8))
    first = -memory.ctypes.data % 64
    return memory[first : first + size * dtype.itemsize].view(dtype)


# ---------------------------------------------------------------- planning


@lru_cache(maxsize=32)
def _plan(form: Form, lanes: int, workers: int, cache: int) -> PlanesPlan:
    """Make the plan for vectors of so many lanes, and working memory of about `cache` bytes."""
    threes, rest = _threes(form)
    columns = Columns.for_form(form, lanes)
    if threes and form.output[0] > 1 and form.weight[0] // form.groups >= _TALL:
        return _two_rows(form, columns, workers, cache, threes, rest)
    return _one_row(form, columns, workers, cache)


def _threes(form: Form) -> tuple[list[int], list[int]]:
    """Divide the kernel's rows into threes and the rest; returns the first row of each three, and the rest.

    The rows of a three are as far apart, in padded rows, as what two neighbouring map rows read.
    """
    rows, step, dilation = form.weight[2], form.stride[0], form.dilation[0]
    apart = step // dilation if step % dilation == 0 else rows
    threes: list[int] = []
    rest = list(range(rows))
    for row in range(rows - 2 * apart):
        three = {row, row + apart, row + 2 * apart}
        if three <= set(rest):
            threes.append(row)
            rest = [r for r in rest if r not in three]
    return threes, rest


def _one_row(form: Form, columns: Columns, workers: int, cache: int) -> PlanesPlan:
    _, depth, kh, kw = form.weight
    step, reach, pitch = form.stride[0], extent(kh, form.dilation[0]), columns.pitch
    fitting = (cache // (depth * pitch * form.itemsize) - reach) // step + 1
    band = _band(form, fitting, workers, 1)
    count = (band - 1) * step + reach
    sizes = *form.x, form.weight[0], form.groups, depth * kh * kw, *form.output, *form.stride, reach, pitch, count, band
    offsets = columns.offsets(form, np.arange(kh) * form.dilation[0] * pitch, count * pitch)
    return PlanesPlan(1, _table(sizes, offsets, columns.runs, columns.map, _rows(form)), depth * count * pitch)


def _two_rows(form: Form, columns: Columns, workers: int, cache: int, threes: list[int], rest: list[int]) -> PlanesPlan:
    """Make the plan for two rows at a time.

    Working memory is a sequence of blocks: padded rows, as many as two map rows are apart, then sums and differences.
    """
    _, depth, kh, kw = form.weight
    step, pitch, down = form.stride[0], columns.pitch, np.arange(kh) * form.dilation[0]
    reach, chunk = int(down[-1]) + 1, 2 * step
    block = (chunk + 4 * len(threes)) * pitch
    beyond = -(-(reach - step) // chunk)  # blocks that the last two map rows read besides their own
    band = _band(form, 2 * (cache // (depth * block * form.itemsize) - beyond), workers, 2)
    size = (band // 2 + beyond) * block

    def stood(rows: NDArray[np.intp]) -> NDArray[np.intp]:
        return columns.offsets(form, rows // chunk * block + rows % chunk * pitch, size)

    turned = [columns.offsets(form, (chunk + 4 * np.arange(len(threes)) + i) * pitch, size) for i in range(4)]
    left = [stood(down[rest]), stood(down[rest] + step)]
    common, own = turned[0].size, turned[2].size + left[0].size
    sizes = (
        *form.x, form.weight[0], form.groups, depth * kh * kw, *form.output, *form.stride, reach, pitch, common, own,
        chunk, block, size, band, len(threes),
    )  # fmt: skip
    looks = (part.swapaxes(0, 1) for part in (turned[0], turned[1], turned[2], left[0], turned[3], left[1]))
    below = np.full(step, -1)  # rows for the lower of the last two map rows, if the map has only the upper
    table = _table(
        sizes, *looks, stood(down), stood(down + step), down[threes], columns.runs, columns.map, _rows(form), below
    )
    return PlanesPlan(2, table, depth * size, tuple(threes), tuple(rest))


def _rows(form: Form) -> NDArray[np.intp]:
    """Return the row of x that each padded row holds, -1 for zero."""
    return index_map(form.x[2], *form.pads[0], form.padding_mode)


def _table(*parts: Any) -> NDArray[np.intp]:
    return np.concatenate([np.asarray(part, np.intp).ravel() for part in parts])


def _band(form: Form, fitting: int, workers: int, unit: int) -> int:
    """Return the rows of a band, a multiple of `unit`: it fits the cache, and every thread gets several bands."""
    rows = form.output[0]
    shared = -(-rows * max(form.x[0], 1) * form.groups // (workers * _SHARES))
    most = max(min(fitting, shared, rows) // unit, 1)
    units = -(-rows // unit)
    return -(-units // -(-units // most)) * unit


# ---------------------------------------------------------------- weights


def _packed(job: Planes) -> NDArray[Any]:
    """Return the weights in the order of the loop of one row: four filters of a group at a time, tap by tap."""
    groups, fours = job.form.groups, job.form.weight[0] // job.form.groups // _TALL
    flat = job.weight.reshape(groups, -1, prod(job.form.weight[1:]))[:, : fours * _TALL]
    return _side_by_side(flat.reshape(groups, fours, _TALL, flat.shape[2]))


def _turned(job: Planes, plan: PlanesPlan) -> NDArray[Any]:
    """Return the weights for two rows at a time: four filters of a group, tap by tap, row by row of the kernel.

    From the threes a, b, c and the rest come: (a + b + c)/2, (a - b + c)/2, a and the rest, c and the rest.
    """
    form, half = job.form, job.weight.dtype.type(0.5)
    (_, depth, kh, kw), apart = form.weight, form.stride[0] // form.dilation[0]
    fours = form.weight[0] // form.groups // _TALL
    weight = job.weight.reshape(form.groups, -1, depth, kh, kw)[:, : fours * _TALL]
    weight = weight.reshape(form.groups * fours, _TALL, depth, kh, kw).transpose(3, 0, 1, 2, 4)
    rows = _side_by_side(weight).reshape(kh, form.groups * fours, -1)
    a, b, c = (rows[_span([row + n * apart for row in plan.threes])] for n in range(3))
    rest = rows[_span(plan.rest)]
    outer, inner = (a + c) * half, b * half
    return np.concatenate([outer + inner, outer - inner, a, rest, c, rest]).swapaxes(0, 1)


def _side_by_side(weight: NDArray[Any]) -> NDArray[Any]:
    """Move the filters, axis 2, to the last axis, one by one, since NumPy copies rows of four numbers slowly."""
    packed = np.empty((*weight.shape[:2], *weight.shape[3:], _TALL), weight.dtype)
    for filter_ in range(_TALL):
        packed[..., filter_] = weight[:, :, filter_]
    return packed


def _span(rows: Sequence[int]) -> Any:
    """Return rows as an index: a slice where they are evenly spaced, which makes no copy."""
    steps = {b - a for a, b in pairwise(rows)}
    if len(steps) > 1:
        return list(rows)
    return slice(rows[0], rows[-1] + 1, *steps) if rows else slice(0)
