"""Loops in 16-bit integers, for 8-bit pictures and integer kernels whose sums fit 16 bits: the results are exact."""

from __future__ import annotations

import numpy as np

from convcli.engine.loops.shared import TAKE, Loop, claim, dot, entry, jit, levels
from convcli.engine.loops.strides import keep

RUN = 16384  # samples in one run of a 16-bit loop: its 16-bit counters cannot overflow


@jit
def _half_even(v, half, shift):
    """Return v / 2^shift, rounded half to even, in 16 bits; half is 2^(shift-1) - 1."""
    odd = np.uint16(np.uint16(v >> np.uint16(shift & 15)) & np.uint16(1))
    return np.uint16(np.uint16(v + half + odd) >> np.uint16(shift & 15))


def _row16(take: Loop, finish: str) -> Loop:
    """Build the last pass of the 16-bit routes over a row, for as many taps as the tuples of `take` have.

    finish: how a sum becomes a level. whole: unchanged; shifted: divided by 2^shift; odd: divided by an odd divisor;
    sums: not here; the sums are left in `acc` for `levels`, which can divide by any number.
    """

    @jit
    def whole(out, src, n, at, wt, init, magnitude, half, shift, scale, counts):
        """out[x] = saturate(init + sum over t of wt[t] * src[at[t] + x])"""
        o, w, lane = take(at, 0), take(wt, 0), type(init)
        below, above = np.uint16(0), np.uint16(0)
        for x in range(n):
            v = lane(init + dot(src, o, w, x))
            v = max(v, lane(v * magnitude))
            below = np.uint16(below + np.uint16(v < 0))
            above = np.uint16(above + np.uint16(v > 255))
            out[x] = np.uint8(min(max(v, lane(0)), lane(255)))
        counts[0] += below
        counts[1] += above

    @jit
    def shifted(out, src, n, at, wt, init, magnitude, half, shift, scale, counts):
        """Compute what `whole` does, but divide the sums by 2^shift, rounding half to even."""
        o, w, lane = take(at, 0), take(wt, 0), type(init)
        below, above, margin = np.uint16(0), np.uint16(0), lane(half + 1)
        for x in range(n):
            v = lane(init + dot(src, o, w, x))
            v = max(v, lane(v * magnitude))
            below = np.uint16(below + np.uint16(lane(v + margin) < 0))
            q = _half_even(np.uint16(max(v, lane(0))), half, shift)
            above = np.uint16(above + np.uint16(q > np.uint16(255)))
            out[x] = np.uint8(min(q, np.uint16(255)))
        counts[0] += below
        counts[1] += above

    @jit
    def odd(out, src, n, at, wt, init, magnitude, half, shift, scale, counts):
        """Compute what `whole` does, but divide by the odd 2*half + 1: no ties, so add half and truncate."""
        o, w, lane = take(at, 0), take(wt, 0), type(init)
        below, above, margin = np.uint16(0), np.uint16(0), lane(half)
        for x in range(n):
            v = lane(init + dot(src, o, w, x))
            v = max(v, lane(v * magnitude))
            below = np.uint16(below + np.uint16(lane(v + margin) < 0))
            q = np.uint16(np.int32(np.float32(max(v, lane(0))) * scale + np.float32(0.5)))
            above = np.uint16(above + np.uint16(q > np.uint16(255)))
            out[x] = np.uint8(min(q, np.uint16(255)))
        counts[0] += below
        counts[1] += above

    @jit
    def sums(out, acc, src, start, end, at, wt, init, magnitude, half, shift, scale, counts):
        o, w, lane, row = take(at, 0), take(wt, 0), type(init), acc[start:end]
        for x in range(np.uintp(end - start)):
            row[x] = np.float32(lane(init + dot(src, o, w, x)))

    if finish == "sums":
        return sums
    run = {"whole": whole, "shifted": shifted, "odd": odd}[finish]

    @jit
    def row(out, acc, src, start, end, at, wt, init, magnitude, half, shift, scale, counts):
        """Compute positions start..end of a row; at[t] is the index that tap t reads for position `start`."""
        for x in range(start, end, RUN):
            n = np.uintp(min(RUN, end - x))
            run(out[x : x + n], src, n, at, wt, init, magnitude, half, shift, scale, counts)
            for t in range(at.size):
                at[t] += n

    return row


def taps(count: int, finish: str, step: int = 1, channels: int = 0) -> Loop:
    """Build the loop for 8-bit pictures and `count` integer taps whose sums fit 16 bits; it reads the picture directly.

    finish: as in `_row16`; `sums` where the stride skips columns.
    step, channels: those of a stride other than 1 if fixed at compile time, else 0.
    """
    row, pick, later = _row16(TAKE[count], finish), keep(step, channels), finish == "sums"

    @entry
    def taps(
        dst, src, rowmap, colmap, dy, dx, w, pitch, n, kept, lo, hi, left, value, init, magnitude, half, shift,
        scale, divisor, top, stride, step, channels, y0, y1, at, wt, base, acc, counts,
    ):  # fmt: skip
        """dst[y, p] = level(init + sum over t of w[t] * src[y*stride + dy[t], p + dx[t] - left])"""
        for y in range(y0, y1):
            constant = init
            for t in range(w.size):
                r = rowmap[y * stride + dy[t]]
                wt[t] = w[t] if r >= 0 else 0
                base[t] = max(r, 0) * pitch
                if r < 0:
                    constant = type(init)(constant + w[t] * value)
            for e in range(lo + n - hi):
                p = e if e < lo else e - lo + hi
                v = constant
                for t in range(w.size):
                    c = colmap[p + dx[t]]
                    v = type(init)(v + wt[t] * (src[base[t] + c] if c >= 0 else value))
                acc[p] = v
            for t in range(w.size):
                at[t] = np.uintp(base[t] + lo + dx[t] - left)
            out = dst[y * kept : y * kept + kept]
            row(out, acc, src, lo, hi, at, wt, constant, magnitude, half, shift, scale, counts)
            if later:
                pick(acc, acc, n, step, channels)
                levels(out, acc, kept, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)
            else:
                levels(out, acc, lo, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)
                levels(out[hi:], acc[hi:], n - hi, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)

    return taps


def separable(across: int, down: int, finish: str, step: int = 1, channels: int = 0) -> Loop:
    """Build the loop for 8-bit pictures and integer kernels of rank 1 whose sums fit 16 bits; the rest as in `taps`.

    Each picture row is filtered horizontally once, as it enters a ring of rows; the ring is filtered vertically.
    """
    row, pick, later = _row16(TAKE[down], finish), keep(step, channels), finish == "sums"
    take = TAKE[across]

    @jit
    def filter_across(q, src, n, at, w):
        """q[x] = sum over t of w[t] * src[at[t] + x]"""
        o, u = take(at, 0), take(w, 0)
        for x in range(n):
            q[x] = dot(src, o, u, x)

    @entry
    def separable(
        dst, src, rowmap, colmap, dx, hw, dy, vw, pitch, n, kept, lo, hi, left, value, init, magnitude, half, shift,
        scale, divisor, top, stride, step, channels, y0, y1, ring, width, held, ho, vo, acc, counts,
    ):  # fmt: skip
        """dst[y, p] = level(init + sum over i, j of vw[i] * hw[j] * src[y*stride + dy[i], p + dx[j] - left])"""
        held[:] = -1
        total = type(init)(0)
        for j in range(hw.size):
            total = type(init)(total + hw[j] * value)
        for y in range(y0, y1):
            for i in range(vw.size):
                r = y * stride + dy[i]
                slot = r % held.size
                vo[i] = np.uintp(slot * width)
                if not claim(held, slot, r):
                    continue
                q = ring[slot * width : slot * width + n]
                s = rowmap[r]
                if s < 0:
                    q[:] = total
                    continue
                for e in range(lo + n - hi):
                    p = e if e < lo else e - lo + hi
                    v = type(init)(0)
                    for j in range(hw.size):
                        c = colmap[p + dx[j]]
                        v = type(init)(v + hw[j] * (src[s * pitch + c] if c >= 0 else value))
                    q[p] = v
                for j in range(hw.size):
                    ho[j] = np.uintp(s * pitch + lo + dx[j] - left)
                filter_across(q[lo:hi], src, np.uintp(hi - lo), ho, hw)
            out = dst[y * kept : y * kept + kept]
            row(out, acc, ring, 0, n, vo, vw, init, magnitude, half, shift, scale, counts)
            if later:
                pick(acc, acc, n, step, channels)
                levels(out, acc, kept, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)

    return separable
