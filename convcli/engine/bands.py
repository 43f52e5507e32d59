"""Run a route on bands of rows, one thread each.

The result does not depend on the number of bands: every output row is computed by itself.
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
    """Return how many bands a map of so many samples is cut into."""
    if samples < _SMALL:
        return 1
    return min(thread_count(threads), _units(route, job, field))


def _units(route: Route, job: EngineJob, field: Field) -> int:
    """Return how many units bands are made of: rows of the map, or rows of tiles for `fft`."""
    if route.name != "fft":
        return field.rows
    kh = int(job.weights.shape[-2])
    return -(-((field.rows - 1) * job.geometry.stride[0] + 1) // (2 * (fft_size(kh) - kh + 1)))


class Bands:
    """A route with the loop's arguments for each band of rows; only one run at a time may use it.

    src, dst: flat arrays of the dtypes and lengths that `run` will be given; no reference to them remains.
    bytes: size of its working memory and tables.
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
        """Fill the flat array dst from the flat array src.

        Returns how many samples saturated below and above, and how many samples of a float picture are not finite;
        if there are any of the last, the map is not valid.
        """
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
