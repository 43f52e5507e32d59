"""The loops of conv2d: register tiles of several feature maps by several vectors of pixels.

    map[m, y, x] = start[m] + sum over taps t of weight[t, m] * source[offset[t] + y*row + x]

`planes` computes these sums directly, row by row; `planes(..., rows=2)` computes two rows of a map at a time with fewer
products. The result does not depend on how the planes are divided, on the lanes or on the number of threads: every
value is a fixed chain of multiply-adds, in whatever tile it is computed.

Two rows: three rows of a kernel, a, b, c, that read rows d0, d1, d2 for the upper of two rows of a map, and d1, d2, d3
for the lower, give

    upper = a*(d0 - d2) + u + v        u = (a + b + c)/2 * (d1 + d2)
    lower = c*(d3 - d1) + u - v        v = (a - b + c)/2 * (d2 - d1)

four products instead of six; the sums and differences of rows serve all maps (Winograd's F(2, 3): Lavin and Gray, "Fast
algorithms for convolutional neural networks", 2016, here along y alone, where it needs no shuffles). Rows of the
kernel that are not part of a three are multiplied directly. An infinity would turn into NaN: where a sum is not finite,
the loop computes both rows directly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numpy import uintp

from convcli.engine.loops.plane_rows import fill, jit, turn_rows
from convcli.engine.loops.plane_tiles import pair, tile, turns

_njit: Any = njit
entry = _njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)

TALL = 4  # maps in a tile


def planes(lanes: int, wide: int, rows: int) -> Callable[..., Any]:
    """Build the loop for vectors of so many lanes, `wide` of them in the largest tile, and 1 or 2 rows at a time."""
    return (_single if rows == 1 else _double)(lanes, wide)


def _row(tall: int, lanes: int, wide: int) -> Any:
    """Build row(...): compute one row of `tall` maps from m on, tile by tile; the last tile ends at the edge."""
    largest, two, one = (tile(tall, v, lanes) for v in (wide, 2, 1))
    vectors = _vectors(lanes, wide)

    @jit
    def row(source, base, offsets, taps, weights, at, start, m, out, place, plane, columns, spare):
        x = uintp(0)
        while x < columns:
            v = vectors(columns, x)
            span = v * uintp(lanes)
            if span > columns:
                one(source, base, offsets, taps, weights, at, start, m, spare, uintp(0), span)
                for a in range(uintp(tall)):
                    for i in range(columns):
                        out[place + a * plane + i] = spare[a * span + i]
                return
            if x + span > columns:
                x = columns - span
            here, there = base + x, place + x
            if v == uintp(wide):
                largest(source, here, offsets, taps, weights, at, start, m, out, there, plane)
            elif v == uintp(2):
                two(source, here, offsets, taps, weights, at, start, m, out, there, plane)
            else:
                one(source, here, offsets, taps, weights, at, start, m, out, there, plane)
            x += span

    return row


def _two_rows(lanes: int, wide: int) -> Any:
    """Build rows(...): compute two rows of TALL maps from m on, and return whether all values are finite."""
    largest, two, one = (pair(TALL, v, lanes) for v in (wide, 2, 1))
    vectors = _vectors(lanes, wide)

    @jit
    def rows(
        source, base, offsets, common, own, weights, at, start, m, out, place, below, plane, alone, columns, spare
    ):  # fmt: skip
        x, clean = uintp(0), uintp(1)
        while x < columns:
            v = vectors(columns, x)
            span = v * uintp(lanes)
            if span > columns:
                second = uintp(TALL) * span
                clean = one(
                    source, base, offsets, common, own, weights, at, start, m, spare, uintp(0), second, span, alone
                )
                for a in range(uintp(TALL)):
                    for i in range(columns):
                        out[place + a * plane + i] = spare[a * span + i]
                    if alone == uintp(0):
                        for i in range(columns):
                            out[below + a * plane + i] = spare[second + a * span + i]
                return clean
            if x + span > columns:
                x = columns - span
            here, there, under = base + x, place + x, below + x
            if v == uintp(wide):
                clean &= largest(
                    source, here, offsets, common, own, weights, at, start, m, out, there, under, plane, alone
                )
            elif v == uintp(2):
                clean &= two(source, here, offsets, common, own, weights, at, start, m, out, there, under, plane, alone)
            else:
                clean &= one(source, here, offsets, common, own, weights, at, start, m, out, there, under, plane, alone)
            x += span
        return clean

    return rows


def _vectors(lanes: int, wide: int) -> Any:
    """Build vectors(columns, x): return how many vectors the tile at x has, `wide`, 2 or 1, at most those of a row."""

    @jit
    def vectors(columns, x):
        left = (columns - x + uintp(lanes - 1)) // uintp(lanes)
        v = uintp(wide) if left >= uintp(wide) else (uintp(2) if left >= uintp(2) else uintp(1))
        if wide == 3 and left == uintp(4):
            v = uintp(2)  # two tiles of two are faster than three and one
        if v * uintp(lanes) > columns:
            v = uintp(2) if uintp(2 * lanes) <= columns else uintp(1)
        return v

    return vectors


@jit
def _nine(table):
    return table[0], table[1], table[2], table[3], table[4], table[5], table[6], table[7], table[8]


def _single(lanes: int, wide: int) -> Callable[..., Any]:
    """Build the loop that computes the maps row by row."""
    four, single, take = _row(TALL, lanes, wide), _row(1, lanes, wide), turns()

    @entry
    def loop(x, packed, plain, start, table, out, source, turn):
        """Compute all bands of `band` rows, of all groups and images, that no other thread has taken.

        turn[0]: how many bands are taken. packed: the weights, four maps at a time; plain: the weights in their own
        order, for the maps left over. table: sizes, then index arrays. source: working memory.
        """
        images, channels, height, width, maps, groups, taps, rows, columns = _nine(table)
        step, stride, reach, pitch, count, band = table[9], table[10], table[11], table[12], table[13], table[14]
        at = 15
        offsets, at = table[at : at + taps], at + taps
        runs, at = table[at : at + 3 * stride], at + 3 * stride
        colmap, rowmap = table[at : at + pitch], table[at + pitch :]
        spare = source[source.size - TALL * lanes :]
        depth, per = uintp(channels // groups), uintp(maps // groups)
        bands = (rows + band - 1) // band
        plane, full = uintp(rows * columns), per // uintp(TALL) * uintp(TALL)
        size = uintp(count * pitch)
        while True:
            job = take(turn)
            if job >= images * groups * bands:
                return
            part, group = uintp(job // bands), uintp(job // bands % groups)
            m0, n0 = group * per, group * full
            y0 = job % bands * band
            y1 = min(y0 + band, rows)
            needed = uintp((y1 - y0 - 1) * step + reach)
            fill(
                source, x, part * depth * uintp(height * width), depth, uintp(height), uintp(width), rowmap,
                uintp(y0 * step), needed, colmap, runs, uintp(pitch), size, size, uintp(count),
            )  # fmt: skip
            for y in range(y0, y1):
                base = uintp((y - y0) * step * pitch)
                to = part * per * plane + uintp(y * columns)
                m = uintp(0)
                while m < full:
                    four(
                        source, base, offsets, uintp(taps), packed, (n0 + m) * uintp(taps), start, m0 + m,
                        out, to + m * plane, plane, uintp(columns), spare,
                    )  # fmt: skip
                    m += uintp(TALL)
                while m < per:
                    single(
                        source, base, offsets, uintp(taps), plain, (m0 + m) * uintp(taps), start, m0 + m,
                        out, to + m * plane, plane, uintp(columns), spare,
                    )  # fmt: skip
                    m += uintp(1)

    done: Callable[..., Any] = loop
    return done


def _double(lanes: int, wide: int) -> Callable[..., Any]:
    """Build the loop for two rows at a time; maps left over from groups of four, and rows not finite, one by one."""
    two, single, take = _two_rows(lanes, wide), _row(1, lanes, wide), turns()

    @jit
    def apart(source, base, offsets, taps, plain, start, m, out, place, plane, columns, spare, alone):
        """Compute two rows of one map separately: `offsets` holds the taps of the upper, then of the lower."""
        for below in range(uintp(2) - alone):
            look = offsets[below * taps : (below + uintp(1)) * taps]
            single(
                source, base, look, taps, plain, m * taps, start, m, out, place + below * columns, plane, columns, spare
            )

    @entry
    def loop(x, packed, plain, start, table, out, source, turn):
        """Compute all bands of `band` rows, an even number, that no other thread has taken.

        turn[0]: how many bands are taken. packed: the weights for two rows at a time; plain: the weights in their own
        order. table: sizes, then index arrays: `turned` for packed, `offsets` for plain. source: working memory.
        """
        images, channels, height, width, maps, groups, taps, rows, columns = _nine(table)
        step, stride, reach, pitch, common, own = table[9], table[10], table[11], table[12], table[13], table[14]
        chunk, block, size, band, threes = table[15], table[16], table[17], table[18], table[19]
        at = 20
        turned, at = table[at : at + 2 * (common + own)], at + 2 * (common + own)
        offsets, at = table[at : at + 2 * taps], at + 2 * taps
        firsts, at = table[at : at + threes], at + threes
        runs, at = table[at : at + 3 * stride], at + 3 * stride
        colmap, rowmap = table[at : at + pitch], table[at + pitch :]
        spare = source[source.size - 2 * TALL * lanes :]
        depth, per = uintp(channels // groups), uintp(maps // groups)
        bands = (rows + band - 1) // band
        plane, full = uintp(rows * columns), per // uintp(TALL) * uintp(TALL)
        each = uintp(2) * uintp(common + own)
        while True:
            job = take(turn)
            if job >= images * groups * bands:
                return
            part, group = uintp(job // bands), uintp(job // bands % groups)
            y0 = job % bands * band
            pairs = (min(band, rows - y0) + 1) // 2
            fill(
                source, x, part * depth * uintp(height * width), depth, uintp(height), uintp(width), rowmap,
                uintp(y0 * step), uintp((2 * pairs - 1) * step + reach), colmap, runs, uintp(pitch),
                uintp(size), uintp(block), uintp(chunk),
            )  # fmt: skip
            turn_rows(
                source, depth, uintp(pairs), firsts, uintp(step), uintp(pitch), uintp(size), uintp(block), uintp(chunk)
            )
            for p in range(pairs):
                y = y0 + 2 * p
                base = uintp(p * block)
                to = part * per * plane + uintp(y * columns)
                alone = uintp(1) if y + 1 == rows else uintp(0)
                for quad in range(full // uintp(TALL)):
                    m = group * per + quad * uintp(TALL)
                    here = to + quad * uintp(TALL) * plane
                    clean = two(
                        source, base, turned, uintp(common), uintp(own), packed,
                        (group * full + quad * uintp(TALL)) * each, start, m,
                        out, here, here + uintp(columns), plane, alone, uintp(columns), spare,
                    )  # fmt: skip
                    if clean == uintp(0):
                        for a in range(uintp(TALL)):
                            apart(
                                source, base, offsets, uintp(taps), plain, start, m + a,
                                out, here + a * plane, plane, uintp(columns), spare, alone,
                            )  # fmt: skip
                for a in range(full, per):
                    apart(
                        source, base, offsets, uintp(taps), plain, start, group * per + a,
                        out, to + a * plane, plane, uintp(columns), spare, alone,
                    )  # fmt: skip

    done: Callable[..., Any] = loop
    return done
