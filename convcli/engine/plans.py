"""Plans: everything that a convolution needs besides the pixels, cached for the next picture of the same shape.

Choosing a route, making its tables and packing its arguments takes ten times as long as filtering a small picture.
A cached plan depends only on its key: kernel, geometry, dtype, shape and range. A kernel is compared by its numbers at
each call, so that one whose weights were changed in place gets no stale plan.

What runs the rare routes is imported when one is taken: most processes filter one picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convcli.engine import gathered
from convcli.engine.bands import Bands, band_count, run_bands
from convcli.engine.field import Array, Field
from convcli.engine.job import EngineJob, Route
from convcli.engine.routes import choose
from convcli.engine.window import RowWindow
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import RangeMap

_MOST = 64  # plans that are cached
_LARGEST = 1 << 19  # most bytes of a kernel's weights, of a plan's tables and of its working memory that are cached
_IDLE = 2  # sets of working memory cached with a plan: more calls than that are rarely made at once


def route_of(job: EngineJob, size: tuple[int, int]) -> Route:
    """Return the route for a picture of (height, width)."""
    geometry, kernel = job.geometry, (job.weights.shape[-2], job.weights.shape[-1])
    if gathered.sparse(size, kernel, geometry.pads(size, kernel), geometry.stride, geometry.dilation):
        from convcli.engine.gathered_run import gather

        return gather(job)
    return choose(job)


class Plan:
    """A route, its tables, and working memory for the next call.

    size: (H, W, C) of the picture. output: height and width of the map. Raises GeometryError where the kernel does not
    fit.
    """

    def __init__(
        self, kernel: Kernel, geometry: Geometry, dtype: np.dtype[Any], size: tuple[int, int, int], depth: bool,
        mapping: RangeMap | None,
    ) -> None:  # fmt: skip
        self.job = EngineJob.for_picture(kernel, geometry, dtype, size, depth, mapping)
        self.output = geometry.output(size[:2], kernel.size)
        self._size, self._depth, self._pads = size, depth, geometry.pads(size[:2], kernel.size)
        self.route = route_of(self.job, size[:2])
        near = self.route.name != "gather"
        self.field = Field.for_picture(size, self.job, self._pads, self.output, depth) if near else None
        self._idle: dict[int, list[Bands]] = {}

    @property
    def bytes(self) -> int:
        """Return the size of its tables in bytes."""
        tables = self.field.rowmap.nbytes + self.field.colmap.nbytes if self.field else 0
        return self.job.weights.nbytes + tables

    def run(self, src: Array, dst: Array, threads: int | None) -> tuple[int, int, int]:
        """Fill the flat array dst from the flat src; see `Bands.run`. Several threads may call it at once."""
        if self.field is None:
            return self._gather(src, dst, threads)
        if self.route.name == "spectrum":
            return self._transform(self.field, src, dst, threads)
        count = band_count(self.route, self.job, self.field, dst.size, threads)
        idle = self._idle.setdefault(count, [])
        try:
            ready = idle.pop()  # atomic: no two threads get the same item of a list
        except IndexError:
            ready = Bands(self.route, self.job, self.field, src, dst, count)
        counts = ready.run(src, dst)
        if len(idle) < _IDLE and ready.bytes <= _LARGEST:
            idle.append(ready)
        return counts

    def run_rows(self, window: RowWindow, src: Array, dst: Array, threads: int | None) -> tuple[int, int, int]:
        """Fill the flat array dst with the rows of a window, from the flat src; see `Bands.run`."""
        if self.field is None:
            return self._gather(src, dst, threads, window)
        field = window.cut(self.field, self.job, self._size[:2])
        if self.route.name == "spectrum":
            return self._transform(field, src, dst, threads)
        return run_bands(self.route, self.job, field, src, dst, threads)

    def _transform(self, field: Field, src: Array, dst: Array, threads: int | None) -> tuple[int, int, int]:
        from convcli.engine.spectrum_run import run_spectrum

        return run_spectrum(self.route, self.job, field, src, dst, threads)

    def _gather(
        self, src: Array, dst: Array, threads: int | None, window: RowWindow | None = None
    ) -> tuple[int, int, int]:
        from convcli.engine.gathered_run import run_gathered

        shape = (dst.size // (self.output[1] * (1 if self._depth else self._size[2])), self.output[1], -1)
        picture, made = src.reshape(-1, *self._size[1:]), dst.reshape(shape)
        return run_gathered(self.route, self.job, self._size, self._pads, picture, made, self._depth, threads, window)


_Key = tuple[Kernel, Geometry, np.dtype[Any], tuple[int, int, int], bool, RangeMap | None]
_plans: dict[_Key, Plan] = {}


def plan_of(
    kernel: Kernel, geometry: Geometry, dtype: np.dtype[Any], size: tuple[int, int, int], depth: bool,
    mapping: RangeMap | None,
) -> Plan:  # fmt: skip
    """Return the plan for pictures of this dtype and size (H, W, C), from the cache if it is there. See `Plan`."""
    if kernel.weights.nbytes > _LARGEST:
        return Plan(kernel, geometry, dtype, size, depth, mapping)
    key = (kernel, geometry, dtype, size, depth, mapping)
    plan = _plans.get(key)
    if plan is None:
        plan = Plan(*key)
        if plan.bytes <= _LARGEST:
            if len(_plans) >= _MOST:
                _plans.clear()  # in one step, so that neither threads nor a fork can see it half done
            _plans[key] = plan
    return plan
