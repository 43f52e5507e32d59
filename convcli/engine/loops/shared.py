"""Functions that the loops share: compilation, groups of taps, reading a row and writing a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

_HOW: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
_njit: Any = njit  # Numba's own annotations know only some of its options
jit = _njit(**_HOW)
entry = _njit(**_HOW, no_cpython_wrapper=True, no_cfunc_wrapper=True)

Loop = Callable[..., Any]

GROUP = 8  # taps in one pass over a row where there are too many for one pass


@jit
def _take1(a, i):
    return (a[i],)


@jit
def _take2(a, i):
    return (a[i], a[i + 1])


@jit
def _take3(a, i):
    return (a[i], a[i + 1], a[i + 2])


@jit
def _take4(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3])


@jit
def _take5(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4])


@jit
def _take6(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5])


@jit
def _take7(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6])


@jit
def _take8(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7])


@jit
def _take9(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7], a[i + 8])


@jit
def _take10(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7], a[i + 8], a[i + 9])


@jit
def _take11(a, i):
    return (a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7], a[i + 8], a[i + 9], a[i + 10])


TAKE: tuple[Any, ...] = (
    None,
    _take1,
    _take2,
    _take3,
    _take4,
    _take5,
    _take6,
    _take7,
    _take8,
    _take9,
    _take10,
    _take11,
)


@jit
def dot(src, offsets, weights, x):
    """sum over t of weights[t] * src[offsets[t] + x]"""
    total = weights[0] * src[offsets[0] + x]
    for t in range(1, len(offsets)):
        total += weights[t] * src[offsets[t] + x]
    return total


@jit
def load(row, src, base, start, colmap, inside, width, value):
    """row[i] = src[base + colmap[start + i]], or `value` where the map is -1.

    Columns inside..inside+width of the map are the picture itself, in one piece.
    """
    n = row.size
    a = min(max(inside - start, 0), n)
    b = max(min(inside + width - start, n), a)
    for i in range(a):
        c = colmap[start + i]
        row[i] = src[base + c] if c >= 0 else value
    here, there = row[a:b], src[base + start + a - inside : base + start + b - inside]
    for i in range(here.size):
        here[i] = there[i]
    for i in range(b, n):
        c = colmap[start + i]
        row[i] = src[base + c] if c >= 0 else value


@jit
def accumulate(acc, src, base, offsets, weights, first, last):
    """acc[x] += sum over taps first..last of weights[t] * src[base + offsets[t] + x]; whole groups of GROUP."""
    n = np.uintp(acc.size)
    for g in range(first, last, GROUP):
        o, w = _take8(offsets, g), _take8(weights, g)
        for x in range(n):
            acc[x] = acc[x] + dot(src, o, w, base + x)


@jit
def infinite(row):
    """Count the samples that are NaN or infinite."""
    most, found = np.float32(3.4028234663852886e38), np.int32(0)
    for x in range(row.size):
        found = np.int32(found + np.int32(not abs(row[x]) <= most))
    return found


@jit
def claim(held, slot, r):
    """Mark row r as held in this slot of a ring; returns whether it has yet to be loaded there."""
    absent = held[slot] != r
    held[slot] = r
    return absent


@jit
def enter(q, src, row, start, m, halo, colmap, inside, pitch, value, terms, ho, hw, line, counts):
    """Load a picture row (-1: the constant) into slot q of a ring: as it is, or filtered horizontally for each term.

    Adds to counts[2] how many samples are not finite.
    """
    entering = q[: m + halo] if terms == 0 else line[: m + halo]
    if row < 0:
        entering[:] = value
    else:
        load(entering, src, row * pitch, start, colmap, inside, pitch, value)
        if src.itemsize == 4:
            counts[2] += infinite(entering)
    if terms > 0:
        q[:] = 0
        across, part = hw.size // terms, q.size // terms
        for k in range(terms):
            accumulate(q[k * part : k * part + m], line, np.uintp(0), ho, hw, k * across, (k + 1) * across)


@jit
def levels(out, acc, n, scale, divisor, shift, magnitude, top, counts):
    """out = saturate(round half to even(acc * scale + shift)); counts samples that saturate below and above.

    `magnitude` is 1, or -1 for the absolute value. If divisor is not 0, acc is divided by it instead of multiplied by
    `scale`: for divisors whose reciprocal could misround a tie. Without absolute value and divisor, acc may also hold
    integers. Adding and subtracting 1.5 * 2^23 (2^52 in double) rounds half to even, since the sum has no bits left for
    a fraction; -0.5 rounds to 0, top + 0.5 to top + 1, so only the latter saturates.
    """
    real = type(scale)
    magic = real(12582912.0) if acc.itemsize < 8 else real(6755399441055744.0)
    zero, least, most = real(0), real(-0.5), real(top + real(0.5))
    below, above = np.int32(0), np.int32(0)
    if divisor != 0:
        for x in range(n):
            acc[x] = acc[x] / divisor + shift
        scale, shift = real(1), zero
    if magnitude < 0:
        for x in range(n):
            acc[x] = abs(acc[x] * scale + shift)
        scale, shift = real(1), zero
    for x in range(n):
        v = real(acc[x]) * scale + shift
        below = np.int32(below + np.int32(v < least))
        above = np.int32(above + np.int32(v >= most))
        out[x] = np.int32((min(max(v, zero), top) + magic) - magic)
    counts[0] += below
    counts[1] += above


@jit
def floats(out, acc, n, scale, divisor, shift, magnitude, top, counts):
    """out = acc * scale + shift (or acc / divisor + shift), or its magnitude; nothing saturates."""
    factor = scale
    if divisor != 0:
        factor = type(scale)(1)
        for x in range(n):
            acc[x] = acc[x] / divisor
    for x in range(n):
        acc[x] = acc[x] * factor + shift
    if magnitude < 0:
        for x in range(n):
            out[x] = abs(acc[x])
    else:
        for x in range(n):
            out[x] = acc[x]


FINISH = {"levels": levels, "floats": floats}
