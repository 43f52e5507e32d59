"""What a convolution needs beside its pixels: made once, and kept for the next picture of that shape.

To choose a route, to make its tables and to put its arguments in their form takes ten times as long as a small picture.
What is kept depends on nothing but the key: kernel, geometry, dtype, shape and range. A kernel is compared by its
numbers as they are at each call, so that one whose weights were changed in place meets no stale plan.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convcli.engine.bands import Bands, band_count, run_bands
from convcli.engine.field import Array, Field
from convcli.engine.job import EngineJob
from convcli.engine.routes import choose
from convcli.engine.spectrum_run import run_spectrum
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import RangeMap

_MOST = 64  # plans that are kept
_LARGEST = 1 << 19  # bytes of a kernel's weights, of a plan's tables, and of working memory, beyond which none is kept
_IDLE = 2  # sets of working memory that wait at a plan: more calls than that are rarely made at once


class Plan:
    """A route, its tables, and the working memory that waits for the next call.

    size: (H, W, C) of the picture. output: height and width of the map. Raises GeometryError where the kernel does not
    fit.
    """

    def __init__(
        self, kernel: Kernel, geometry: Geometry, dtype: np.dtype[Any], size: tuple[int, int, int], depth: bool,
        mapping: RangeMap | None,
    ) -> None:  # fmt: skip
        self.job = EngineJob.for_picture(kernel, geometry, dtype, size, depth, mapping)
        self.output = geometry.output(size[:2], kernel.size)
        self.field = Field.for_picture(size, self.job, geometry.pads(size[:2], kernel.size), self.output, depth)
        self.route = choose(self.job)
        self._idle: dict[int, list[Bands]] = {}

    @property
    def bytes(self) -> int:
        """Bytes of its tables."""
        return self.job.weights.nbytes + self.field.rowmap.nbytes + self.field.colmap.nbytes

    def run(self, src: Array, dst: Array, threads: int | None) -> tuple[int, int, int]:
        """Fill dst, flat, from src, flat; see `Bands.run`. May be called by several threads at once."""
        if self.route.name == "spectrum":
            return run_spectrum(self.route, self.job, self.field, src, dst, threads)
        count = band_count(self.route, self.job, self.field, dst.size, threads)
        idle = self._idle.setdefault(count, [])
        try:
            ready = idle.pop()  # of a list, which no two threads can do to one item
        except IndexError:
            ready = Bands(self.route, self.job, self.field, src, dst, count)
        counts = ready.run(src, dst)
        if len(idle) < _IDLE and ready.bytes <= _LARGEST:
            idle.append(ready)
        return counts

    def run_rows(self, field: Field, src: Array, dst: Array, threads: int | None) -> tuple[int, int, int]:
        """The same for some rows, of which `RowWindow.cut` made the field."""
        go = run_spectrum if self.route.name == "spectrum" else run_bands
        return go(self.route, self.job, field, src, dst, threads)


_Key = tuple[Kernel, Geometry, np.dtype[Any], tuple[int, int, int], bool, RangeMap | None]
_plans: dict[_Key, Plan] = {}


def plan_of(
    kernel: Kernel, geometry: Geometry, dtype: np.dtype[Any], size: tuple[int, int, int], depth: bool,
    mapping: RangeMap | None,
) -> Plan:  # fmt: skip
    """The plan for such a picture, from the ones that are kept, if it is among them. See `Plan`."""
    if kernel.weights.nbytes > _LARGEST:
        return Plan(kernel, geometry, dtype, size, depth, mapping)
    key = (kernel, geometry, dtype, size, depth, mapping)
    plan = _plans.get(key)
    if plan is None:
        plan = Plan(*key)
        if plan.bytes <= _LARGEST:
            if len(_plans) >= _MOST:
                _plans.clear()  # in one step, so that neither threads nor a fork can find it half done
            _plans[key] = plan
    return plan
