"""Runs a route: bands of rows on threads.

Nothing of a result depends on how many bands there are: every output row is computed by itself.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from convcli.engine.arguments import block, box, fft, sweep
from convcli.engine.arguments16 import separable, taps
from convcli.engine.compiled import compiler
from convcli.engine.field import Array, Field
from convcli.engine.job import EngineJob, Route
from convcli.engine.routes import fft_size
from convcli.engine.threads import run_on_threads
from convcli.system.cores import thread_count

_SMALL = 200_000  # samples below which a second thread costs more than it brings
_QUICK = 1_000_000_000  # multiply-adds, at most a tenth of a second of them, that Ctrl-C may have to wait for

_LOOPS = {"taps": taps, "separable": separable, "box": box, "sweep": sweep, "block": block, "fft": fft}


def band_count(route: Route, job: EngineJob, field: Field, samples: int, threads: int | None) -> int:
    """How many bands a map of so many samples is cut into."""
    if samples < _SMALL:
        return 1
    return min(thread_count(threads), _units(route, job, field))


def _units(route: Route, job: EngineJob, field: Field) -> int:
    """Rows of the map, or of tiles of `fft`, that a band is made of."""
    if route.name != "fft":
        return field.rows
    kh = int(job.weights.shape[-2])
    return -(-((field.rows - 1) * job.geometry.stride[0] + 1) // (2 * (fft_size(kh) - kh + 1)))


class Bands:
    """A route with all that its loop is called with, for each band of rows; it serves one run at a time.

    src, dst: flat, of the dtypes and lengths that `run` will be given; they are not kept.
    bytes: of its working memory and tables.
    """

    def __init__(self, route: Route, job: EngineJob, field: Field, src: Array, dst: Array, count: int) -> None:
        name, args = _LOOPS[route.name](route, job, field, src, dst)
        units = _units(route, job, field)
        edges = [units * i // count for i in range(count + 1)]
        with np.errstate(over="ignore"):  # a weight beyond float32 is infinite there, as its responses are
            work = [args(*edge) for edge in pairwise(edges)]
        call = compiler.prepare(name, *work[0])
        self._bound = [compiler.Bound(call, given) for given in work]
        self.bytes = sum(a.nbytes for given in work for a in given[2:] if isinstance(a, np.ndarray))
        self._small, self._quick = dst.size < _SMALL, dst.size * job.weights.size < _QUICK

    def run(self, src: Array, dst: Array) -> tuple[int, int, int]:
        """Fill dst, flat, from src, flat; counts of samples that saturated below and above, and of those of a float
        picture that are not finite, with which the map is of no use."""
        counts = [bound.rest[-1] for bound in self._bound]
        for count in counts:
            count.fill(0)
        if self._small:
            self._bound[0](dst, src)
        else:
            run_on_threads(lambda bound: bound(dst, src), [(bound,) for bound in self._bound], quick=self._quick)
        below, above, infinite = (sum(int(count[i]) for count in counts) for i in range(3))
        return below, above, infinite


def run_bands(
    route: Route, job: EngineJob, field: Field, src: Array, dst: Array, threads: int | None
) -> tuple[int, int, int]:
    """Fill dst from src once; see `Bands.run`."""
    return Bands(route, job, field, src, dst, band_count(route, job, field, dst.size, threads)).run(src, dst)
