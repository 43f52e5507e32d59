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


def run_bands(
    route: Route, job: EngineJob, field: Field, src: Array, dst: Array, threads: int | None
) -> tuple[int, int, int]:
    """Fill dst, flat, from src, flat; counts of samples that saturated below and above, and of those not finite, so
    far as `block` and `fft` met any."""
    name, args = _LOOPS[route.name](route, job, field, src, dst)
    rows = field.rows
    if route.name == "fft":
        kh = job.weights.shape[-2]
        rows = -(-((rows - 1) * job.geometry.stride[0] + 1) // (2 * (fft_size(kh) - kh + 1)))
    bands = min(thread_count(threads), rows)
    if dst.size < _SMALL:
        bands = 1
    edges = [rows * i // bands for i in range(bands + 1)]
    with np.errstate(over="ignore"):  # a weight beyond float32 is infinite there, as its responses are
        work = [args(*edge) for edge in pairwise(edges)]
    call = compiler.prepare(name, *work[0])
    if dst.size < _SMALL:
        call(*work[0])
    else:
        run_on_threads(call, work, quick=dst.size * job.weights.size < _QUICK)
    counts = sum(w[-1] for w in work)
    return int(counts[0]), int(counts[1]), int(counts[2])
