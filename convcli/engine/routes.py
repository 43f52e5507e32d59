"""Choose the route for a kernel, a dtype and a geometry, from these alone, before any pixel is read."""

from __future__ import annotations

from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import spectrum
from convcli.engine.compiled import processor
from convcli.engine.job import EngineJob, Integers, Route
from convcli.geometry import Geometry, extent
from convcli.ranges import full_scale

# Most taps that a loop is compiled for by their number, singly and in pairs; more are processed in groups.
_LONGEST, _PAIRED = 9, 81

# Cost of the 16-bit routes for each sample, in taps, measured on a Zen 4: a ring of rows, singly and in pairs, in
# addition to the taps themselves; a column of ones of any height; running sums over a box of any size.
_RING, _PAIRED_RING, _SLIDING, _BOX = 2, 8, 4, 33

# Multiply-adds up to which float responses are summed in double: in a small picture the greatest response, to which
# the error is compared, may be almost zero. Then samples and weights up to which sums that are not exact, or whose
# responses are the result, are summed in double, to agree with `convcli explain`, which computes in double.
_SMALL = 4_000_000
_SHOWN_SAMPLES, _SHOWN_WEIGHTS = 3 << 20, 225

# Least taps for which the transform of whole tiles is considered, and most weights for which singular values are.
_MANY, _SOLVED = 1000, 1 << 16

# Nanoseconds for each sample, measured on one core of a Zen 4 (12 MP RGB). `block` loads every sample into its ring and
# computes only what the stride keeps. A tap of `block` shares its loads among four rows (fewer if they read far apart);
# a horizontal tap, or a tap of `sweep`, does not. The cost of the FFT depends on the kernel's columns, hardly on its
# rows; a longer transform exceeds the fast cache.
_ENTER, _DEAL, _BLOCK, _BLOCK_TAP, _BLOCK_ACROSS = 0.1, 0.17, 0.15, 0.018, 0.025
_SWEEP, _SWEEP_TAP = 0.45, 0.046
LARGE = 500_000  # samples of a map from which on it is worth compiling a loop for one stride
_FARTHEST = 4  # kernel rows between rows of the map, above which `block` would share few loads
_FFT_COLUMN, _FFT_FIXED = 0.039, {64: 1.6, 256: 3.5, 1024: 6.0}


def choose(job: EngineJob) -> Route:
    """Return the cheapest accurate route: exact for integer weights on integer pictures, else in float32."""
    integers = integers_of(job)
    lane = _lane16(job, integers) if integers is not None else None
    route = _route16(integers, lane, job) if integers is not None and lane is not None else None
    return route or _float_route(job, integers)


def integers_of(job: EngineJob) -> Integers | None:
    """Return an equivalent kernel in integers (weights, divisor and constant), or None if there is none.

    On a float picture the sums are not exact, but terms that should cancel do; the shift is added after the division.
    """
    whole_picture = job.dtype.kind != "f"
    if whole_picture and not float(job.value).is_integer():
        return None
    for scale in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
        weights, divisor = job.weights * scale, job.divisor * scale
        constant = job.shift * divisor if whole_picture else 0.0
        if not (divisor.is_integer() and constant.is_integer() and np.abs(weights).max() < 2**31):
            continue
        whole = weights.astype(np.int64)
        if (whole == weights).all():
            common = gcd(int(np.gcd.reduce(whole, axis=None)), int(divisor), int(constant))
            common = -common if divisor < 0 else common
            return Integers(whole // common, int(divisor) // common, int(constant) // common)
    return None


def _span(job: EngineJob, integers: Integers) -> tuple[int, int]:
    """Return the least and the greatest sum that can occur, before the division."""
    w, top = integers.weights, int(full_scale(job.dtype))
    low, high = min(0, int(job.value)), max(top, int(job.value))
    positive, negative = int(w[w > 0].sum()), int(w[w < 0].sum())
    return positive * low + negative * high + integers.constant, positive * high + negative * low + integers.constant


def _lane16(job: EngineJob, integers: Integers) -> np.dtype[Any] | None:
    """Return uint16 or int16 if every sum fits in it with room for rounding, else None."""
    if job.dtype != np.uint8 or job.raw or not 0 <= job.value <= 255 or integers.divisor >= 16384:
        return None
    (low, high), room = _span(job, integers), integers.divisor // 2 + 1
    if low >= 0 and high + room <= 65535:
        return np.dtype(np.uint16)
    if low - room > -32768 and high + room <= 32767:
        return np.dtype(np.int16)
    return None


def _route16(integers: Integers, lane: np.dtype[Any], job: EngineJob) -> Route | None:
    w = integers.weights
    if w.ndim == 3:
        return None
    routes = []
    count, paired = int(np.count_nonzero(w)), pairable(w)
    if 0 < count <= (_PAIRED if paired else _LONGEST):
        routes.append((count, Route("taps", f"{count} integer taps, sums fit 16 bits", lane, integers, paired=paired)))
    factors = _integer_factors(w)
    if factors is not None and job.geometry.dilation[0] * (w.shape[0] - 1) < 256:
        taps, paired = [int(np.count_nonzero(factor)) for factor in factors], pairable(factors[0])
        if max(taps) <= (_PAIRED if paired else _LONGEST):
            across, down = factors[0][None], factors[1][None]
            route = Route("separable", "rank 1, sums fit 16 bits", lane, integers, across, down, paired)
            rows = min(taps[1], _SLIDING) if paired and slides(job, factors[1]) else taps[1]
            routes.append((taps[0] + rows + (_PAIRED_RING if paired else _RING), route))
    if _is_box(job, integers) and w.size >= 25:
        routes.append((_BOX, Route("box", "a box: running sums", np.dtype(np.float32), integers)))
    return min(routes, key=lambda cost: cost[0])[1] if routes else None


def pairable(weights: NDArray[np.int64]) -> bool:
    """Return whether taps can be multiplied in pairs: weights fit in 8 bits, and sums of two products in 16."""
    if processor.vector_bytes() == 16:
        return False
    w = weights[weights != 0]
    both = np.append(w, [0] * (w.size % 2)).reshape(-1, 2)
    most, least = both.clip(0, None).sum(axis=1).max(initial=0), both.clip(None, 0).sum(axis=1).min(initial=0)
    return bool(most <= 128 and least >= -128 and w.max(initial=0) <= 127)


def slides(job: EngineJob, down: NDArray[Any]) -> bool:
    """Return whether the sums of one map row can be updated to the next row's: a column of ones, vertical stride 1."""
    return job.geometry.stride[0] == job.geometry.dilation[0] == 1 and down.size > 2 and bool((down == 1).all())


def _is_box(job: EngineJob, integers: Integers) -> bool:
    w = integers.weights
    plain = job.geometry.dilation == (1, 1) and 0 <= job.value <= full_scale(job.dtype)
    return plain and w.ndim == 2 and bool((w == 1).all())


def _integer_factors(w: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return a row and a column of integers whose outer product is the grid, or None; the row is divided by its gcd."""
    rows = np.flatnonzero(w.any(axis=1))
    if w.ndim != 2 or rows.size == 0:
        return None
    across = w[rows[0]] // np.gcd.reduce(w[rows[0]])
    pivot = np.flatnonzero(across)[0]
    down = w[:, pivot] // across[pivot]
    return (across, down) if (np.outer(down, across) == w).all() else None


def _float_route(job: EngineJob, integers: Integers | None) -> Route:
    exact = integers is not None and job.dtype.kind != "f"
    small = (job.work <= _SMALL and (job.raw or job.dtype.kind == "f")) or _shown(job, exact)
    lane = np.dtype(np.float64 if small else np.float32)
    if integers is not None and exact:
        low, high = _span(job, integers)
        w = integers.weights
        room = max(abs(low), abs(high), int(full_scale(job.dtype)) * int(np.abs(w).sum()))
        if room >= 2**24 or integers.divisor > (16384 if job.dtype == np.uint8 else 64):
            lane = np.dtype(np.float64)
        if job.dtype == np.uint8 and _is_box(job, integers) and w.size >= 25 and room < 2**24 and not small:
            return Route("box", "a box: running sums", lane, integers)
    weights: NDArray[Any] = integers.weights if integers is not None else job.terms(lane)
    flat = weights if weights.ndim == 2 else np.moveaxis(weights, 0, 2).reshape(weights.shape[1], -1)
    count = int(np.count_nonzero(flat))
    kh, kw = flat.shape
    step, apart, kept = job.geometry.stride[0], job.geometry.dilation[0], prod(job.geometry.stride)
    enter = _ENTER if job.geometry.stride[1] == 1 else _DEAL
    costs = {"sweep": (_SWEEP + _SWEEP_TAP * -(-count // 8) * 8) / step}
    if lane == np.float32 and weights.ndim == 2 and flat.size > 1:
        hop = block_steps(job.geometry)[1]
        down = _BLOCK_TAP * hop * block_shape(kh)[1]
        if hop <= _FARTHEST and (kept == 1 or job.work >= LARGE * weights.size):
            costs["block"] = enter + (_BLOCK + down * kw) / kept
        if not exact and apart == 1:
            costs["fft"] = _fft_cost(kh, kw)
    if count > _MANY and _fits_spectrum(job, weights, exact):
        maps = 1 if weights.ndim == 2 else len(weights)
        grid = (extent(weights.shape[-2], apart), extent(weights.shape[-1], job.geometry.dilation[1]))
        costs["spectrum"] = maps * spectrum.cost(grid, job.work / weights.size)
    factors = None
    if weights.ndim == 2 and min(kh, kw) > 1:
        unbroken = (
            integers is None and lane == np.float64 and bool((weights % 1 == 0).all()) and np.abs(weights).max() < 2**31
        )
        factors = _integer_terms(weights.astype(np.int64)) if integers is not None or unbroken else None
        if factors is None and not (exact or unbroken):
            tolerance = 1e-13 if small else 1e-7
            factors = _float_terms(weights, tolerance) if weights.size <= _SOLVED else _outer(weights, tolerance)
        if factors is not None:
            rank = len(factors[0])
            costs["sweep terms"] = _SWEEP + _SWEEP_TAP * rank * (kw + kh / step)
            if "block" in costs:
                across = rank * _BLOCK_ACROSS * kw / job.geometry.stride[1]
                costs["block terms"] = enter + across + (_BLOCK + rank * down) / kept
    best = min(costs, key=lambda name: costs[name])
    if best.endswith("terms") and factors is not None:
        why = "separable" if len(factors[0]) == 1 else f"a sum of {len(factors[0])} separable kernels"
        return Route(best.split()[0], why, lane, integers, *factors)
    why = {"block": "dense", "sweep": f"{count} taps"}.get(best, "large, without structure")
    return Route(best, why, np.dtype(np.float64) if best == "spectrum" else lane, integers)


def _shown(job: EngineJob, exact: bool) -> bool:
    """Return whether `convcli explain` could show this job: then it is summed in float64, to agree in every digit."""
    few = job.weights.size <= _SHOWN_WEIGHTS * (3 if job.weights.ndim == 3 else 1)
    whole = job.dtype.kind != "f" and (job.raw or not exact)
    return whole and few and job.work <= _SHOWN_SAMPLES * job.weights.size


def _fits_spectrum(job: EngineJob, weights: NDArray[Any], exact: bool) -> bool:
    """Return whether the route `spectrum` can be used: it is exact for integers only up to a size."""
    sides = zip(weights.shape[-2:], job.geometry.dilation, strict=True)
    if max(extent(k, d) for k, d in sides) > spectrum.LARGEST // 2:
        return False
    return not (exact and job.dtype == np.uint8) or spectrum.exact(weights, job.top)


def block_steps(geometry: Geometry) -> tuple[int, int]:
    """Return, for `block`, the distance between map rows that share loads, and between their reads in kernel rows."""
    stride, apart = geometry.stride[0], geometry.dilation[0]
    return apart // gcd(stride, apart), stride // gcd(stride, apart)


def block_shape(kh: int) -> tuple[int, int]:
    """Return how many kernel rows a pass of `block` takes (weights fit in registers), and all rows of whole passes."""
    passes = -(-kh // 7)
    rows = -(-kh // passes)
    return rows, rows * passes


def fft_size(rows: int) -> int:
    """Return the length of the column transform for a kernel of so many rows: a power of four, at least twice them."""
    return next((size for size in (64, 256) if rows <= 0.42 * size), 1024)


def _fft_cost(kh: int, kw: int) -> float:
    size = fft_size(kh)
    if kh > size // 2:
        return float("inf")
    return (_FFT_FIXED[size] + _FFT_COLUMN * kw) * size / (size - kh + 1)


def _integer_terms(w: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    factors = _integer_factors(w)
    return None if factors is None else (factors[0][None], factors[1][None])


def _outer(w: NDArray[Any], tolerance: float) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the row and column whose outer product is the grid, from its greatest weight; None if there are none."""
    i, j = np.unravel_index(int(np.abs(w).argmax()), w.shape)
    if w[i, j] == 0 or np.abs(np.outer(w[:, j] / w[i, j], w[i]) - w).max() > tolerance * abs(w[i, j]):
        return None
    return w[i][None], (w[:, j] / w[i, j])[None]


def _float_terms(w: NDArray[Any], tolerance: float) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return factors (R, KW) and (R, KH) whose outer products sum to the grid, by singular value decomposition.

    Singular values below `tolerance` of the greatest are left out: a hundredth of what the contract allows.
    """
    u, s, v = np.linalg.svd(w)
    if s[0] == 0:
        return None
    rank = int((s > tolerance * s[0]).sum())
    root = np.sqrt(s[:rank])
    return v[:rank] * root[:, None], u[:, :rank].T * root[:, None]
