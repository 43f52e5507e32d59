"""Rows in working memory for the loops of conv2d: padded rows, and turned rows, which are sums and differences of them.

Turned rows serve two rows of a map at a time; see `planes`.
"""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy import uintp

_njit: Any = njit
jit = _njit(nogil=True, error_model="numpy")


@jit
def _strided(source, to, x, begin, n, stride):
    """Copy n numbers of x, `stride` apart; common strides have loops of their own, so that they vectorise."""
    into, seen = source[to : to + n], x[begin : begin + (n - uintp(1)) * stride + uintp(1)]
    if stride == uintp(1):
        for q in range(n):
            into[q] = seen[q]
    elif stride == uintp(2):
        for q in range(n):
            into[q] = seen[uintp(2) * q]
    else:
        for q in range(n):
            into[q] = seen[stride * q]


@jit
def fill(source, x, place, depth, height, width, rowmap, first, needed, colmap, runs, pitch, plane, block, chunk):
    """Fill working memory with padded rows of some planes: `runs` of x's columns, and the border by `colmap`.

    runs: for each run where it begins and ends in a row, and its first column in x.

    Row r of plane c lies at c*plane + r // chunk * block + r % chunk * pitch.
    """
    stride = uintp(runs.size) // uintp(3)
    for c in range(depth):
        for r in range(needed):
            to = c * plane + r // chunk * block + r % chunk * pitch
            seen = rowmap[first + r]
            if seen < 0:
                for q in range(pitch):
                    source[to + q] = 0
                continue
            origin = place + (c * height + uintp(seen)) * width
            done = uintp(0)
            for phase in range(stride):
                at = uintp(3) * phase
                for q in range(done, uintp(runs[at])):
                    source[to + q] = x[origin + uintp(colmap[q])] if colmap[q] >= 0 else 0
                low, done = uintp(runs[at]), uintp(runs[at + uintp(1)])
                _strided(source, to + low, x, origin + uintp(runs[at + uintp(2)]), done - low, stride)
            for q in range(done, pitch):
                source[to + q] = x[origin + uintp(colmap[q])] if colmap[q] >= 0 else 0


@jit
def turn_rows(source, depth, blocks, firsts, step, pitch, plane, block, chunk):
    """Write the turned rows d1 + d2, d2 - d1, d0 - d2, d3 - d1 for each three kernel rows after every block's rows."""
    for c in range(depth):
        for b in range(blocks):
            to = c * plane + b * block + chunk * pitch
            for first in firsts:
                r = b * chunk + uintp(first)
                at = c * plane + r // chunk * block + r % chunk * pitch
                d0 = source[at : at + pitch]
                r += step
                at = c * plane + r // chunk * block + r % chunk * pitch
                d1 = source[at : at + pitch]
                r += step
                at = c * plane + r // chunk * block + r % chunk * pitch
                d2 = source[at : at + pitch]
                r += step
                at = c * plane + r // chunk * block + r % chunk * pitch
                d3 = source[at : at + pitch]
                t0, t1 = source[to : to + pitch], source[to + pitch : to + uintp(2) * pitch]
                to += uintp(2) * pitch
                t2, t3 = source[to : to + pitch], source[to + pitch : to + uintp(2) * pitch]
                to += uintp(2) * pitch
                for q in range(pitch):
                    t0[q] = d1[q] + d2[q]
                    t1[q] = d2[q] - d1[q]
                    t2[q] = d0[q] - d2[q]
                    t3[q] = d3[q] - d1[q]
