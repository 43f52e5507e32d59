"""Every inner loop of the engine, and the only module that knows Numba.

All loops work on flat arrays. A row of a picture (W, C) is W*C samples, so the channels of a pixel lie side by side
and the neighbour to the right is C samples on. Borders are index maps: `rowmap` and `colmap` give, for a row or a flat
column of the padded picture, its place in the picture, or -1 where the padding constant stands. No padded picture
exists anywhere.

How the loops are written, and why:
- Offsets are unsigned (`uintp`): a signed index may be negative, and its wrap-around test keeps LLVM from vectorising.
- A group of taps is a tuple of known length, so that `dot` unrolls and its weights stay in registers. Functions that
  need such a length are built for it: `taps(6)` is the loop for six taps.
- 16-bit lanes hold twice as many samples as float lanes; every expression is cast back to 16 bits, since integers
  are otherwise promoted to 64.
- Only `contract` of fast-math is on: it allows FMA and keeps NaN and infinity.
"""

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

RUN = 16384  # samples in one run of a 16-bit loop: its 16-bit counters cannot overflow
GROUP = 8  # taps in one pass over a row where there are too many for one pass
SCALED, UNFINISHED = -1, -2  # in the place of a shift: an odd divisor; one that needs a true division
STRIP = 64  # columns that `_transform` takes through all its stages at a time
BLOCK = 4  # output rows that share each load in `block`


# ---------------------------------------------------------------- groups of taps


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


_TAKE: tuple[Any, ...] = (
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
def _dot(src, offsets, weights, x):
    """sum over t of weights[t] * src[offsets[t] + x]"""
    total = weights[0] * src[offsets[0] + x]
    for t in range(1, len(offsets)):
        total += weights[t] * src[offsets[t] + x]
    return total


# ---------------------------------------------------------------- one row in, one row out


@jit
def _load(row, src, base, start, colmap, inside, width, value):
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
def _accumulate(acc, src, base, offsets, weights, first, last):
    """acc[x] += sum over taps first..last of weights[t] * src[base + offsets[t] + x]; whole groups of GROUP."""
    n = np.uintp(acc.size)
    for g in range(first, last, GROUP):
        o, w = _take8(offsets, g), _take8(weights, g)
        for x in range(n):
            acc[x] = acc[x] + _dot(src, o, w, base + x)


@jit
def _enter(q, src, row, start, m, halo, colmap, inside, pitch, value, terms, ho, hw, line):
    """A picture row (-1: the constant) enters a slot of a ring: as it is, or filtered across for each term."""
    entering = q[: m + halo] if terms == 0 else line[: m + halo]
    if row < 0:
        entering[:] = value
    else:
        _load(entering, src, row * pitch, start, colmap, inside, pitch, value)
    if terms > 0:
        q[:] = 0
        across, part = hw.size // terms, q.size // terms
        for k in range(terms):
            _accumulate(q[k * part : k * part + m], line, np.uintp(0), ho, hw, k * across, (k + 1) * across)


@jit
def _pick(row, n, step, channels):
    """Keep every step-th pixel of a row, in place."""
    if step > 1:
        for i in range((n // channels + step - 1) // step):
            for c in range(channels):
                row[i * channels + c] = row[i * step * channels + c]


@jit
def _half_even(v, half, shift):
    """v / 2^shift, rounded half to even, in 16 bits; half is 2^(shift-1) - 1."""
    odd = np.uint16(np.uint16(v >> np.uint16(shift & 15)) & np.uint16(1))
    return np.uint16(np.uint16(v + half + odd) >> np.uint16(shift & 15))


@jit
def _levels(out, acc, n, scale, divisor, shift, magnitude, top, counts):
    """out = saturate(round half to even(acc * scale + shift)); counts what saturates below and above.

    `magnitude` is 1, or -1 for |...|. Where divisor is not 0 it divides in the place of `scale`: for the divisors whose
    reciprocal would spoil a tie. Adding and taking away 1.5 * 2^23 (2^52 in double) rounds half to even, since the sum
    has no bits left for a fraction; -0.5 rounds to 0, top + 0.5 to top + 1, so only the latter saturates.
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
        v = acc[x] * scale + shift
        below = np.int32(below + np.int32(v < least))
        above = np.int32(above + np.int32(v >= most))
        out[x] = np.int32((min(max(v, zero), top) + magic) - magic)
    counts[0] += below
    counts[1] += above


@jit
def _floats(out, acc, n, scale, divisor, shift, magnitude, top, counts):
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


_FINISH = {"levels": _levels, "floats": _floats}


# ---------------------------------------------------------------- 16-bit integers


def _row16(take: Loop) -> Loop:
    """The last pass of the 16-bit routes over one run of a row, for as many taps as `take` takes."""

    @jit
    def unit(out, src, n, at, wt, init, magnitude, counts):
        """out[x] = saturate(init + sum over t of wt[t] * src[at[t] + x])"""
        o, w, lane = take(at, 0), take(wt, 0), type(init)
        below, above = np.uint16(0), np.uint16(0)
        for x in range(n):
            v = lane(init + _dot(src, o, w, x))
            v = max(v, lane(v * magnitude))
            below = np.uint16(below + np.uint16(v < 0))
            above = np.uint16(above + np.uint16(v > 255))
            out[x] = np.uint8(min(max(v, lane(0)), lane(255)))
        counts[0] += below
        counts[1] += above

    @jit
    def shifted(out, src, n, at, wt, init, magnitude, half, shift, counts):
        """The same over 2^shift, rounded half to even."""
        o, w, lane = take(at, 0), take(wt, 0), type(init)
        below, above, margin = np.uint16(0), np.uint16(0), lane(half + 1)
        for x in range(n):
            v = lane(init + _dot(src, o, w, x))
            v = max(v, lane(v * magnitude))
            below = np.uint16(below + np.uint16(lane(v + margin) < 0))
            q = _half_even(np.uint16(max(v, lane(0))), half, shift)
            above = np.uint16(above + np.uint16(q > np.uint16(255)))
            out[x] = np.uint8(min(q, np.uint16(255)))
        counts[0] += below
        counts[1] += above

    @jit
    def scaled(out, src, n, at, wt, init, magnitude, half, scale, counts):
        """The same over an odd divisor, 2*half + 1: no ties, so that a half may be added and the rest cut off."""
        o, w, lane = take(at, 0), take(wt, 0), type(init)
        below, above, margin = np.uint16(0), np.uint16(0), lane(half)
        for x in range(n):
            v = lane(init + _dot(src, o, w, x))
            v = max(v, lane(v * magnitude))
            below = np.uint16(below + np.uint16(lane(v + margin) < 0))
            q = np.uint16(np.int32(np.float32(max(v, lane(0))) * scale + np.float32(0.5)))
            above = np.uint16(above + np.uint16(q > np.uint16(255)))
            out[x] = np.uint8(min(q, np.uint16(255)))
        counts[0] += below
        counts[1] += above

    @jit
    def unfinished(acc, src, n, at, wt, init):
        """The plain sums, in float, for `_levels` to finish."""
        o, w, lane = take(at, 0), take(wt, 0), type(init)
        for x in range(n):
            acc[x] = np.float32(lane(init + _dot(src, o, w, x)))

    @jit
    def row(out, acc, src, start, end, at, wt, init, magnitude, half, shift, scale, step, counts):
        """Positions start..end of a row; at[t] is where tap t reads for position `start`."""
        if shift == UNFINISHED or step > 1:
            unfinished(acc[start:end], src, np.uintp(end - start), at, wt, init)
            return
        for x in range(start, end, RUN):
            n = np.uintp(min(RUN, end - x))
            if shift == 0:
                unit(out[x : x + n], src, n, at, wt, init, magnitude, counts)
            elif shift == SCALED:
                scaled(out[x : x + n], src, n, at, wt, init, magnitude, half, scale, counts)
            else:
                shifted(out[x : x + n], src, n, at, wt, init, magnitude, half, np.uint16(shift), counts)
            for t in range(at.size):
                at[t] += n

    return row


def taps(count: int) -> Loop:
    """The loop for 8-bit pictures and `count` integer taps whose sums fit 16 bits; reads the picture directly."""
    row = _row16(_TAKE[count])

    @entry
    def taps(
        dst, src, rowmap, colmap, dy, dx, w, pitch, n, kept, lo, hi, left, value, init, magnitude, half, shift,
        scale, divisor, top, stride, step, channels, y0, y1, at, wt, base, acc, counts,
    ):  # fmt: skip
        """dst[y, p] = level(init + sum over t of w[t] * src[y*stride + dy[t], p + dx[t] - left])"""
        whole = shift == UNFINISHED or step > 1
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
            row(out, acc, src, lo, hi, at, wt, constant, magnitude, half, shift, scale, step, counts)
            if whole:
                _pick(acc, n, step, channels)
                _levels(out, acc, kept, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)
            else:
                _levels(out, acc, lo, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)
                _levels(out[hi:], acc[hi:], n - hi, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)

    return taps


def separable(across: int, down: int) -> Loop:
    """The loop for 8-bit pictures and integer kernels of rank 1 whose sums fit 16 bits.

    Each picture row is filtered across once, as it enters a ring of rows; the ring is filtered down.
    """
    row = _row16(_TAKE[down])
    take = _TAKE[across]

    @jit
    def filter_across(q, src, n, at, w):
        """q[x] = sum over t of w[t] * src[at[t] + x]"""
        o, u = take(at, 0), take(w, 0)
        for x in range(n):
            q[x] = _dot(src, o, u, x)

    @entry
    def separable(
        dst, src, rowmap, colmap, dx, hw, dy, vw, pitch, n, kept, lo, hi, left, value, init, magnitude, half, shift,
        scale, divisor, top, stride, step, channels, y0, y1, ring, width, held, ho, vo, acc, counts,
    ):  # fmt: skip
        """dst[y, p] = level(init + sum over i, j of vw[i] * hw[j] * src[y*stride + dy[i], p + dx[j] - left])"""
        total = type(init)(0)
        for j in range(hw.size):
            total = type(init)(total + hw[j] * value)
        for y in range(y0, y1):
            for i in range(vw.size):
                r = y * stride + dy[i]
                slot = r % held.size
                vo[i] = np.uintp(slot * width)
                if held[slot] == r:
                    continue
                held[slot] = r
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
            row(out, acc, ring, 0, n, vo, vw, init, magnitude, half, shift, scale, step, counts)
            if shift == UNFINISHED or step > 1:
                _pick(acc, n, step, channels)
                _levels(out, acc, kept, scale, divisor, np.float32(0), np.float32(magnitude), top, counts)

    return separable


# ---------------------------------------------------------------- floats, of any size


def sweep(finish: str) -> Loop:
    """The loop for any taps in float lanes: sparse, dilated, strided, or a sum of separable kernels.

    Rows enter a ring as floats. Where `terms` is 0 they enter as they are, and the taps span rows and columns; else
    they are filtered across for each term as they enter, and the taps run down each term's rows of the ring.
    """
    finished = _FINISH[finish]

    @entry
    def sweep(
        dst, src, rowmap, colmap, inside, pitch, value, terms, ho, hw, rows, vi, vx, vw, init, n, kept, tile, halo,
        scale, divisor, shift, magnitude, top, stride, step, channels, y0, y1, ring, width, period, held, line,
        acc, at, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(init + sum over t of vw[t] * ring[y*stride + rows[vi[t]], p + vx[t]])

        Row r stays in slot r % period of the ring, or, where period is 0, each of `rows` has a slot of its own.
        """
        for x0 in range(0, n, tile):
            m = min(tile, n - x0)
            held[:] = -1
            for y in range(y0, y1):
                for i in range(rows.size):
                    r = y * stride + rows[i]
                    slot = r % period if period > 0 else i
                    if held[slot] == r:
                        continue
                    held[slot] = r
                    q = ring[slot * width : (slot + 1) * width]
                    _enter(q, src, rowmap[r], x0, m, halo, colmap, inside, pitch, value, terms, ho, hw, line)
                for t in range(vw.size):
                    i = vi[t]
                    slot = (y * stride + rows[i]) % period if period > 0 else i
                    at[t] = np.uintp(slot * width + vx[t])
                a = acc[:m]
                a[:] = init
                _accumulate(a, ring, np.uintp(0), at, vw, 0, vw.size)
                _pick(a, m, step, channels)
                end = (m // channels + step - 1) // step * channels
                begin = y * kept + x0 // step
                finished(dst[begin : begin + end], a, end, scale, divisor, shift, magnitude, top, counts)

    return sweep


def block(rows: int, columns: int, finish: str) -> Loop:
    """The loop for dense kernels in float lanes at a vertical stride and dilation of 1.

    BLOCK output rows are computed together, `rows` kernel rows of `columns` kernel columns in a pass, so that each
    sample loaded serves up to BLOCK sums. A kernel that is a sum of separable ones enters filtered across, as in
    `sweep`; its terms are then the columns.
    """
    finished = _FINISH[finish]
    take, take_rows = _TAKE[rows * columns], _TAKE[rows + BLOCK - 1]

    @jit
    def add(a, b, c, d, src, o, w, apart, n):
        """a[x] += sum over j, i of w[j*rows + i] * src[o[i] + j*apart + x]; b, c, d likewise one to three rows below"""
        for x in range(n):
            p, q, r, s = a[x], b[x], c[x], d[x]
            for j in range(columns):
                z = x + apart * np.uintp(j)
                for i in range(rows):
                    p += w[j * rows + i] * src[o[i] + z]
                    q += w[j * rows + i] * src[o[i + 1] + z]
                    r += w[j * rows + i] * src[o[i + 2] + z]
                    s += w[j * rows + i] * src[o[i + 3] + z]
            a[x], b[x], c[x], d[x] = p, q, r, s

    @entry
    def block(
        dst, src, rowmap, colmap, inside, pitch, value, terms, ho, hw, w, down, across, apart, init, n, kept, tile,
        halo, scale, divisor, shift, magnitude, top, step, channels, y0, y1, ring, width, held, line, acc, at, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(init + sum over j, i of w[j*down + i] * ring[y + i, p + j*apart])"""
        for x0 in range(0, n, tile):
            m = min(tile, n - x0)
            held[:] = -1
            for y in range(y0, y1, BLOCK):
                for i in range(down + BLOCK - 1):
                    slot = (y + i) % held.size
                    if held[slot] != y + i:
                        held[slot] = y + i
                        r = rowmap[y + i] if y + i < rowmap.size else -1
                        q = ring[slot * width : (slot + 1) * width]
                        _enter(q, src, r, x0, m, halo, colmap, inside, pitch, value, terms, ho, hw, line)
                acc[:] = init
                a, b = acc[:m], acc[tile : tile + m]
                c, d = acc[2 * tile : 2 * tile + m], acc[3 * tile : 3 * tile + m]
                for first in range(0, w.size, rows * columns):
                    j, i = first // (down * columns) * columns, first // columns % down
                    for k in range(rows + BLOCK - 1):
                        at[k] = np.uintp((y + i + k) % held.size * width + j * apart)
                    gap = np.uintp(apart if j + columns <= across else 0)  # a column too many has weights of zero
                    add(a, b, c, d, ring, take_rows(at, 0), take(w, first), gap, np.uintp(m))
                for k in range(min(BLOCK, y1 - y)):
                    done = acc[k * tile : k * tile + m]
                    _pick(done, m, step, channels)
                    end = (m // channels + step - 1) // step * channels
                    begin = (y + k) * kept + x0 // step
                    finished(dst[begin : begin + end], done, end, scale, divisor, shift, magnitude, top, counts)

    return block


def box(finish: str) -> Loop:
    """The loop for boxes: the sum over a window at a cost that does not grow with it (across: with its logarithm)."""
    finished = _FINISH[finish]

    @jit
    def double(out, a, line, apart, odd):
        """out[x] = a[x] + a[x + apart], and the next sample of the line where the window is odd"""
        n, near, far = np.uintp(out.size), np.uintp(apart), np.uintp(2 * apart)
        if odd:
            for x in range(n):
                out[x] = a[x] + a[near + x] + line[far + x]
        else:
            for x in range(n):
                out[x] = a[x] + a[near + x]

    @jit
    def widen(row, line, spare, across, apart):
        """row[x] = sum over j < across of line[x + j*apart]: windows double, from the top bit of `across` down."""
        size, bit, a, half = 1, -1, line, spare.size // 2
        while across >> (bit + 2) > 0:
            bit += 1
        if bit < 0:
            for x in range(row.size):  # a slice would bring in the message of a mismatch, and with it Python's C API
                row[x] = line[x]
        while bit >= 0:
            odd = across >> bit & 1
            length = row.size + (across - 2 * size - odd) * apart
            out = row if bit == 0 else spare[bit % 2 * half : bit % 2 * half + length]
            double(out, a, line, size * apart, odd)
            a, size, bit = out, 2 * size + odd, bit - 1

    @entry
    def box(
        dst, src, rowmap, colmap, inside, pitch, value, down, across, init, n, kept, scale, divisor, shift, magnitude,
        top, stride, step, channels, y0, y1, ring, width, line, spare, total, acc, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(init + sum of the `down` rows and `across` columns of the window at y*stride, p)"""
        total[:] = 0
        first = y0 * stride
        for r in range(first, (y1 - 1) * stride + down):
            q = ring[r % (down + 1) * width : r % (down + 1) * width + n]
            s = rowmap[r]
            if s < 0:
                q[:] = across * value
            else:
                _load(line, src, s * pitch, 0, colmap, inside, pitch, value)
                widen(q, line, spare, across, channels)
            if r - first >= down:
                gone = (r - down) % (down + 1) * width
                out = ring[gone : gone + n]
                for x in range(n):
                    total[x] = total[x] + q[x] - out[x]
            else:
                for x in range(n):
                    total[x] = total[x] + q[x]
            y = (r - down + 1) // stride
            if r - first < down - 1 or y * stride != r - down + 1:
                continue
            for x in range(n):
                acc[x] = total[x] + init
            _pick(acc, n, step, channels)
            finished(dst[y * kept : y * kept + kept], acc, kept, scale, divisor, shift, magnitude, top, counts)

    return box


# ---------------------------------------------------------------- large kernels without structure


@jit
def _forward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3):
    """A radix-4 butterfly of the forward transform over rows a, b, c, d, in place; c + i s are the twiddle factors."""
    for x in range(ar.size):
        p, q, u, v = ar[x] + cr[x], ai[x] + ci[x], ar[x] - cr[x], ai[x] - ci[x]
        e, f, g, h = br[x] + dr[x], bi[x] + di[x], bi[x] - di[x], dr[x] - br[x]
        ar[x], ai[x] = p + e, q + f
        e, f, p, q = p - e, q - f, u + g, v + h
        u, v = u - g, v - h
        br[x], bi[x] = e * c2 + f * s2, f * c2 - e * s2
        cr[x], ci[x] = p * c1 + q * s1, q * c1 - p * s1
        dr[x], di[x] = u * c3 + v * s3, v * c3 - u * s3


@jit
def _backward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3):
    """What undoes `_forward`, times four."""
    for x in range(ar.size):
        e, f = br[x] * c2 - bi[x] * s2, bi[x] * c2 + br[x] * s2
        p, q = cr[x] * c1 - ci[x] * s1, ci[x] * c1 + cr[x] * s1
        u, v = dr[x] * c3 - di[x] * s3, di[x] * c3 + dr[x] * s3
        g, h, k, m = ar[x] + e, ai[x] + f, ar[x] - e, ai[x] - f
        e, f, u, v = p + u, q + v, v - q, p - u
        ar[x], ai[x], cr[x], ci[x] = g + e, h + f, g - e, h - f
        br[x], bi[x], dr[x], di[x] = k + u, m + v, k - u, m - v


@jit
def _transform(re, im, pitch, size, cosines, sines, backward, start, end):
    """The Fourier transform down the columns start..end of `size` rows, a power of four; its rows come out in the order
    of their reversed bits. Every column is a lane of the vector units, so nothing is shuffled.
    """
    quarter = 1 if backward else size // 4
    while 0 < quarter < size:
        turn = size // (4 * quarter)
        for j in range(quarter):
            c1, s1, c2, s2 = cosines[j * turn], sines[j * turn], cosines[2 * j * turn], sines[2 * j * turn]
            c3, s3 = cosines[3 * j * turn], sines[3 * j * turn]
            for first in range(j, size, 4 * quarter):
                a = first * pitch + start
                b = a + quarter * pitch
                c = b + quarter * pitch
                d = c + quarter * pitch
                n = end - start
                ar, br, cr, dr = re[a : a + n], re[b : b + n], re[c : c + n], re[d : d + n]
                ai, bi, ci, di = im[a : a + n], im[b : b + n], im[c : c + n], im[d : d + n]
                if backward:
                    _backward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3)
                else:
                    _forward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3)
        quarter = quarter * 4 if backward else quarter // 4


@jit
def _multiply(yr, yi, re, im, at, wr, wi, n):
    """y[x] += sum over t of (wr[t] + i wi[t]) * (re + i im)[at[t] + x], four taps a pass"""
    for x in range(n):
        p, q = yr[x], yi[x]
        for t in range(len(at)):
            u, v = re[at[t] + x], im[at[t] + x]
            p += wr[t] * u
            q += wr[t] * v
            p -= wi[t] * v
            q += wi[t] * u
        yr[x], yi[x] = p, q


def fft(finish: str) -> Loop:
    """The loop for large kernels: Fourier transform down the columns, direct taps across.

    A tile of 2*(size - down + 1) output rows: its upper half is the real part and its lower half the imaginary part of
    one complex picture, as the kernel is real. The transform makes the convolution down the columns a product, row of
    frequencies by row; across, each frequency has complex weights of its own.
    """
    finished = _FINISH[finish]

    @entry
    def fft(
        dst, src, rowmap, colmap, inside, pitch, value, wr, wi, offsets, size, down, cosines, sines, n, kept, tile,
        halo, init, scale, divisor, shift, magnitude, top, stride, step, channels, y0, y1, re, im, width, yr, yi,
        at, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(init + response at y*stride, p); y0 and y1 count tiles of rows."""
        taps, half = offsets.size, size - down + 1
        for block in range(y0, y1):
            for x0 in range(0, n, tile):
                m = min(tile, n - x0)
                for k in range(2 * size):
                    r = block * 2 * half + (k if k < size else half + k - size)
                    row = re[k * width : k * width + m + halo] if k < size else im[(k - size) * width :][: m + halo]
                    s = rowmap[r] if r < rowmap.size else -1
                    if s < 0:
                        row[:] = value
                    else:
                        _load(row, src, s * pitch, x0, colmap, inside, pitch, value)
                for x in range(0, m + halo, STRIP):
                    _transform(re, im, width, size, cosines, sines, False, x, min(x + STRIP, m + halo))
                for f in range(size):
                    yr[:m] = 0
                    yi[:m] = 0
                    for t in range(0, taps, 4):
                        for k in range(4):
                            at[k] = np.uintp(f * width + offsets[t + k])
                        _multiply(
                            yr,
                            yi,
                            re,
                            im,
                            _take4(at, 0),
                            _take4(wr, f * taps + t),
                            _take4(wi, f * taps + t),
                            np.uintp(m),
                        )
                    zr, zi = re[f * width : f * width + m], im[f * width : f * width + m]
                    for i in range(np.uintp(m)):  # as in `box`: not by slices
                        zr[i], zi[i] = yr[i], yi[i]
                for x in range(0, m, STRIP):
                    _transform(re, im, width, size, cosines, sines, True, x, min(x + STRIP, m))
                for k in range(2 * half):
                    r = block * 2 * half + k
                    y = r // stride
                    if r % stride or y * kept >= dst.size:
                        continue
                    done = re[k * width : k * width + m] if k < half else im[(k - half) * width :][:m]
                    done += init
                    _pick(done, m, step, channels)
                    end = (m // channels + step - 1) // step * channels
                    begin = y * kept + x0 // step
                    finished(dst[begin : begin + end], done, end, scale, divisor, shift, magnitude, top, counts)

    return fft
