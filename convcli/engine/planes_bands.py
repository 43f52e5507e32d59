"""Runs a conv2d: padded rows in working memory, weights in the loop's order, bands of rows on threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import machine, native
from convcli.engine.memory import fresh
from convcli.engine.planes import Planes
from convcli.engine.threads import spread, thread_count
from convcli.geometry import extent

_CACHE = 384 * 1024  # bytes of padded rows that a band may take: they stay in the second-level cache
_SHARES = 4  # bands for each thread, so that none waits long for the others
_SMALL = 400_000  # multiply-adds below which a second thread costs more than it brings
_QUICK = 1_000_000_000  # multiply-adds, some hundredths of a second of them, that Ctrl-C may have to wait for
_TALL = 4  # filters whose weights lie side by side


@dataclass(frozen=True)
class Layout:
    """How the padded rows of a band lie in working memory: columns of one remainder modulo the stride side by side.

    pitch: numbers in a row. colmap: the column of x that each of them shows, -1 for zero.
    runs: for each remainder the places [from, to) where x's own columns stand, `stride` apart, and the first of them.
    """

    pitch: int
    colmap: NDArray[np.intp]
    runs: NDArray[np.uintp]

    @classmethod
    def of(cls, job: Planes, lanes: int) -> Layout:
        """For vectors of so many lanes, which may read beyond the end of a row."""
        stride, width = job.stride[1], job.columns.size
        apart = max(-(-width // stride), (job.weight.shape[3] - 1) * job.dilation[1] // stride + lanes)
        colmap = np.full(stride * apart, -1, np.intp)
        runs = []
        before, size = job.inside
        for phase in range(stride):
            part, start = job.columns[phase::stride], phase * apart
            colmap[start : start + part.size] = part
            low, high = (max(-(-(edge - phase) // stride), 0) for edge in (before, before + size))
            runs += [start + low, start + high, low * stride + phase - before]
        return cls(stride * apart, colmap, np.array(runs, np.uintp))

    def offsets(self, job: Planes, count: int) -> NDArray[np.uintp]:
        """Where each tap looks from a pixel's own place, channel by channel, row by row; a plane has `count` rows."""
        _, depth, kh, kw = job.weight.shape
        (dy, dx), stride = job.dilation, job.stride[1]
        column = np.arange(kw) * dx
        across = column % stride * (self.pitch // stride) + column // stride
        down = np.arange(kh) * dy * self.pitch
        planes = np.arange(depth) * count * self.pitch
        return (planes[:, None, None] + down[:, None] + across).ravel().astype(np.uintp)


def run(job: Planes, threads: int | None = None) -> NDArray[Any]:
    """The feature maps (N, O, H', W'). The result does not depend on the number of threads."""
    out = fresh((job.x.shape[0], job.weight.shape[0], *job.output), job.x.dtype)
    if not out.size:
        return out
    lanes, wide = _vectors(job.x.itemsize)
    products = out.size * job.weight[0].size
    workers = thread_count(threads) if products > _SMALL else 1
    work = _work(job, out, lanes, workers)
    call = machine.prepare(f"planes:{lanes}:{wide}", *work[0])
    if len(work) == 1:
        call(*work[0])
    else:
        spread(call, work, quick=products < _QUICK)
    return out


def _work(job: Planes, out: NDArray[Any], lanes: int, workers: int) -> list[tuple[Any, ...]]:
    """The loop's arguments for each thread: all share the arrays and the sizes, each has working memory of its own."""
    maps, depth, kh, kw = job.weight.shape
    layout, reach = Layout.of(job, lanes), extent(kh, job.dilation[0])
    band = _band(job, layout, reach, workers)
    count = (band - 1) * job.stride[0] + reach
    arrays = (
        np.ascontiguousarray(job.x).reshape(-1), _packed(job), job.bias, layout.offsets(job, count),
        job.rows, layout.colmap, layout.runs, out.reshape(-1),
    )  # fmt: skip
    sizes = (
        *job.x.shape, maps, job.groups, depth * kh * kw, *job.output, job.stride[0], reach,
        layout.pitch, count, band,
    )  # fmt: skip
    turn = np.zeros(1, np.intp)  # the bands that are taken: a thread that starts later, or is slower, does fewer
    return [
        (*arrays, np.empty(depth * count * layout.pitch, out.dtype), np.empty(_TALL * lanes, out.dtype),
         *sizes, turn)
        for _ in range(workers)
    ]  # fmt: skip


def _vectors(itemsize: int) -> tuple[int, int]:
    """Lanes of the processor's vectors, and how many vectors the largest tile is wide."""
    size = native.vector_bytes()
    return size // itemsize, 4 if size != 32 else 3


def _band(job: Planes, layout: Layout, reach: int, workers: int) -> int:
    """Rows of a band: its padded planes fit the cache, and every thread gets several."""
    depth, (rows, _) = job.weight.shape[1], job.output
    fitting = (_CACHE // (depth * layout.pitch * job.x.itemsize) - reach) // job.stride[0] + 1
    shared = -(-rows * job.x.shape[0] * job.groups // (workers * _SHARES))
    band: int = max(1, min(fitting, shared, rows))
    return band


def _packed(job: Planes) -> NDArray[Any]:
    """The weights as the loop reads them: four filters of a group at a time, tap by tap; the rest one by one."""
    per, taps = job.weight.shape[0] // job.groups, job.weight[0].size
    full = per // _TALL * _TALL
    flat = job.weight.reshape(job.groups, per, taps)
    fours = (
        flat[:, :full].reshape(job.groups, full // _TALL, _TALL, taps).swapaxes(2, 3).reshape(job.groups, full * taps)
    )
    return np.concatenate([fours, flat[:, full:].reshape(job.groups, -1)], axis=1).ravel()
