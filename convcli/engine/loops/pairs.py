"""The loops of `integers` with the vector instructions of `pair_vectors`: exact, and as fast as memory allows."""

from __future__ import annotations

import numpy as np

from convcli.engine.loops.pair_vectors import across, down, slide, taken, weigh
from convcli.engine.loops.prefetch import fence
from convcli.engine.loops.shared import Loop, claim, entry, jit
from convcli.engine.loops.strides import keep

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@jit
def _position(e, lo, hi):
    """Return the position of edge sample e: the edges are the positions before lo and those from hi on."""
    return e if e < lo else e - lo + hi


@jit
def _gather(stage, src, base, colmap, dx, value, first, m, lo, hi, size):
    """Copy what each tap reads for edge samples first..first+m to the end of the tap's `size` samples of `stage`."""
    for i in range(m):
        p = _position(first + i, lo, hi)
        for t in range(dx.size):
            c = colmap[p + dx[t]]
            stage[t * size + size - m + i] = src[base[t] + c] if c >= 0 else value


@jit
def _scatter(out, line, first, m, lo, hi, size):
    """Copy edge samples first..first+m from the end of `line` to their positions in `out`."""
    for i in range(m):
        out[_position(first + i, lo, hi)] = line[size - m + i]


@jit
def _lanes(p, skip, kept):
    """Return which samples of a vector at position p count, as bits: those that are kept, except the first `skip`.

    kept: bits of the samples that the stride keeps, from each position of its period on.
    """
    return (ALL << np.uint64(skip)) & (kept[p % kept.size] if kept.size > 1 else ALL)


@jit
def _edge_lanes(first, m, lo, hi, size, kept):
    """Return which samples of a vector count, as bits, where it ends with the edge samples first..first+m."""
    lanes = ALL << np.uint64(size - m)
    for i in range(m if kept.size > 1 else 0):
        one = kept[_position(first + i, lo, hi) % kept.size] & np.uint64(1)
        lanes &= ~((np.uint64(1) - one) << np.uint64(size - m + i))
    return lanes


@jit
def _inverse(divisor, shift):
    """Return the multiplier `inverse` of `weigh`, which divides 16-bit numbers; 0 for a power of two."""
    return np.uint16(((2 << np.intp(shift)) - divisor) * 65536 // divisor + 1 if divisor > 1 << np.intp(shift) else 0)


def pairs(count: int, finish: str, size: int, step: int = 1, channels: int = 0) -> Loop:
    """Build the loop for 8-bit pictures and `count` integer taps whose sums fit 16 bits.

    finish: how a sum becomes a level. whole: unchanged; shifted: divided by 2^shift; odd, even: by another divisor.
    size: bytes of a vector.
    step, channels: those of a stride other than 1 if fixed at compile time, else 0. Whole rows are computed, then the
        columns of the stride are kept.
    """
    level, take, pick, strided = weigh(finish, size), taken(count), keep(step, channels), step != 1

    @entry
    def pairs(
        dst, src, rowmap, colmap, dy, dx, w, pitch, n, kept, lo, hi, left, value, init, magnitude, half, shift,
        divisor, stride, step, channels, stream, y0, y1, base, at, wt, stage, line, row, lanes, counts,
    ):  # fmt: skip
        """dst[y, p] = level(init + sum over t of w[t] * src[y*stride + dy[t], p + dx[t] - left])"""
        inverse, found, edges = _inverse(divisor, shift), np.intp(0), lo + n - hi
        for t in range(w.size):
            at[t] = np.uintp(t * size)
        staged = take(at)
        for y in range(y0, y1):
            constant = init
            for t in range(w.size):
                r = rowmap[y * stride + dy[t]]
                wt[t] = w[t] if r >= 0 else 0
                base[t] = max(r, 0) * pitch
                at[t] = np.uintp(base[t] + lo + dx[t] - left)
                if r < 0:
                    constant = type(init)(constant + w[t] * value)
            weights, offsets, out = take(wt), take(at), row if strided else dst[y * n : y * n + n]
            inner = out[lo:hi]
            place, done = inner.ctypes.data % size, 0
            while done < inner.size:  # the second vector begins at a multiple of its size, the last ends with the row
                p = min(done - (place + done) % size if done > 0 else 0, inner.size - size)
                past = stream != 0 and size <= p <= inner.size - 2 * size  # but no cache line that is written twice
                found += level(
                    inner, src, np.uintp(p), _lanes(lo + p, done - p, lanes), past, offsets, weights, constant,
                    magnitude, half, shift, inverse,
                )  # fmt: skip
                done = p + size
            for first in range(0, edges, size):
                m = min(edges - first, size)
                _gather(stage, src, base, colmap, dx, value, first, m, lo, hi, size)
                found += level(
                    line, stage, np.uintp(0), _edge_lanes(first, m, lo, hi, size, lanes), False, staged, weights,
                    constant, magnitude, half, shift, inverse,
                )  # fmt: skip
                _scatter(out, line, first, m, lo, hi, size)
            if strided:
                pick(dst[y * kept : y * kept + kept], row, n, step, channels)
        if stream != 0:
            fence()
        counts[0] += found & 0xFFFFFFFF
        counts[1] += found >> 32

    return pairs


def _enter(width: int, size: int) -> Loop:
    """Build the function that filters a row of the picture, or of the constant, by `width` weights into a ring.

    A row of the ring is a sequence of vectors of `size` samples: first those that begin at positions spots[k], then
    those of the edges.
    """
    filter_across, take = across(size), taken(width)

    @jit
    def enter(
        ring, begin, length, row, src, pitch, colmap, dx, hw, value, total, lo, hi, edges, left, spots, base, ho, stage
    ):
        if row < 0:
            ring[begin : begin + length] = total
            return
        weights, inner = take(hw), spots.size * size
        for j in range(hw.size):
            ho[j] = np.uintp(dx[j])
        offsets = take(ho)
        for k in range(spots.size):
            x = np.uintp(row * pitch + spots[k] - left)
            filter_across(ring, np.uintp(begin + k * size), src, x, offsets, weights)
        base[:] = row * pitch
        for j in range(hw.size):
            ho[j] = np.uintp(j * size)
        staged = take(ho)
        for e in range(0, edges, size):
            _gather(stage, src, base, colmap, dx, value, e, min(edges - e, size), lo, hi, size)
            filter_across(ring, np.uintp(begin + inner + e), stage, np.uintp(0), staged, weights)

    return enter


def _leave(level: Loop, size: int) -> Loop:
    """Build the function that makes a row of the map from a ring by `level`, which is `down` or `slide`.

    It returns how many samples saturated, as `level` does.
    """

    @jit
    def leave(out, ring, rows, spots, skips, lanes, line, lo, hi, edges, init, magnitude, half, shift, inverse):
        found, inner = np.intp(0), spots.size * size
        for k in range(spots.size):
            which = _lanes(spots[k], skips[k], lanes)
            found += level(
                out, np.uintp(spots[k]), which, ring, np.uintp(k * size), rows, init, magnitude, half, shift, inverse
            )
        for e in range(0, edges, size):
            m = min(edges - e, size)
            which = _edge_lanes(e, m, lo, hi, size, lanes)
            found += level(
                line, np.uintp(0), which, ring, np.uintp(inner + e), rows, init, magnitude, half, shift, inverse
            )
            _scatter(out, line, e, m, lo, hi, size)
        return found

    return leave


@jit
def _across_constant(hw, value, start):
    """Return the horizontally filtered value of a row of the padding constant."""
    total = type(start)(0)
    for j in range(hw.size):
        total = type(start)(total + hw[j] * value)
    return total


def separable_pairs(width: int, height: int, finish: str, size: int, step: int = 1, channels: int = 0) -> Loop:
    """Build the loop for kernels of rank 1, a row of `width` weights by a column of `height`; the rest as in `pairs`.

    Each picture row is filtered horizontally once, as it enters a ring of rows; the ring is filtered vertically. The
    first skips[k] samples of the vector at spots[k] are also in the vector before.
    """
    enter, leave, take = _enter(width, size), _leave(down(finish, size), size), taken(height)
    pick, strided = keep(step, channels), step != 1

    @entry
    def separable_pairs(
        dst, src, rowmap, colmap, dx, hw, dy, vw, pitch, n, kept, lo, hi, left, value, init, magnitude, half, shift,
        divisor, stride, step, channels, y0, y1, spots, skips, ring, width, held, base, ho, vo, stage, line, row, lanes,
        counts,
    ):  # fmt: skip
        """dst[y, p] = level(init + sum over i, j of vw[i] * hw[j] * src[y*stride + dy[i], p + dx[j] - left])"""
        held[:] = -1
        inverse, found, edges = _inverse(divisor, shift), np.intp(0), lo + n - hi
        total, weights = _across_constant(hw, value, init), take(vw)
        for y in range(y0, y1):
            for i in range(vw.size):
                r = y * stride + dy[i]
                slot = r % held.size
                vo[i] = np.uintp(slot * width)
                if claim(held, slot, r):
                    enter(
                        ring, slot * width, width, rowmap[r], src, pitch, colmap, dx, hw, value, total, lo, hi, edges,
                        left, spots, base, ho, stage,
                    )  # fmt: skip
            out = row if strided else dst[y * n : y * n + n]
            found += leave(
                out, ring, (take(vo), weights), spots, skips, lanes, line, lo, hi, edges, init, magnitude, half, shift,
                inverse,
            )  # fmt: skip
            if strided:
                pick(dst[y * kept : y * kept + kept], row, n, step, channels)
        counts[0] += found & 0xFFFFFFFF
        counts[1] += found >> 32

    return separable_pairs


def sliding_pairs(width: int, finish: str, size: int, step: int = 1, channels: int = 0) -> Loop:
    """Build the loop for a row of `width` weights by a column of ones of any height, with vertical stride 1.

    From one row of the map to the next, a row is added to the sums and another subtracted; the rest as in `pairs`.
    """
    enter, leave = _enter(width, size), _leave(slide(finish, size), size)
    pick, strided = keep(step, channels), step != 1

    @entry
    def sliding_pairs(
        dst, src, rowmap, colmap, dx, hw, height, pitch, n, kept, lo, hi, left, value, init, magnitude, half, shift,
        divisor, step, channels, y0, y1, spots, skips, ring, width, sums, base, ho, stage, line, row, lanes, counts,
    ):  # fmt: skip
        """dst[y, p] = level(init + sum over i < height, j of hw[j] * src[y + i, p + dx[j] - left])"""
        inverse, found, edges = _inverse(divisor, shift), np.intp(0), lo + n - hi
        total, slots = _across_constant(hw, value, init), height + 1
        sums[:] = 0
        nothing = (y0 + height) % slots * width  # the row that is subtracted first
        ring[nothing : nothing + width] = 0
        for r in range(y0, y1 + height - 1):
            begin = r % slots * width
            enter(
                ring, begin, width, rowmap[r], src, pitch, colmap, dx, hw, value, total, lo, hi, edges, left, spots,
                base, ho, stage,
            )  # fmt: skip
            y = r - height + 1
            if y < y0:
                for i in range(width):
                    sums[i] += ring[begin + i]
                continue
            out = row if strided else dst[y * n : y * n + n]
            rows = sums, np.uintp(begin), np.uintp((r + 1) % slots * width)
            found += leave(
                out, ring, rows, spots, skips, lanes, line, lo, hi, edges, init, magnitude, half, shift, inverse
            )
            if strided:
                pick(dst[y * kept : y * kept + kept], row, n, step, channels)
        counts[0] += found & 0xFFFFFFFF
        counts[1] += found >> 32

    return sliding_pairs
