"""Floats: any taps row by row, and dense or separable kernels four rows at a time."""

from __future__ import annotations

import numpy as np

from convcli.engine.loops.shared import FINISH, TAKE, Loop, accumulate, enter, entry, jit, pick

BLOCK = 4  # output rows that share each load in `block`


def sweep(finish: str) -> Loop:
    """The loop for any taps in float lanes: sparse, dilated, strided, or a sum of separable kernels.

    Rows enter a ring as floats. Where `terms` is 0 they enter as they are, and the taps span rows and columns; else
    they are filtered across for each term as they enter, and the taps run down each term's rows of the ring.
    """
    finished = FINISH[finish]

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
                    enter(q, src, rowmap[r], x0, m, halo, colmap, inside, pitch, value, terms, ho, hw, line)
                for t in range(vw.size):
                    i = vi[t]
                    slot = (y * stride + rows[i]) % period if period > 0 else i
                    at[t] = np.uintp(slot * width + vx[t])
                a = acc[:m]
                a[:] = init
                accumulate(a, ring, np.uintp(0), at, vw, 0, vw.size)
                pick(a, m, step, channels)
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
    finished = FINISH[finish]
    take, take_rows = TAKE[rows * columns], TAKE[rows + BLOCK - 1]

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
                        enter(q, src, r, x0, m, halo, colmap, inside, pitch, value, terms, ho, hw, line)
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
                    pick(done, m, step, channels)
                    end = (m // channels + step - 1) // step * channels
                    begin = (y + k) * kept + x0 // step
                    finished(dst[begin : begin + end], done, end, scale, divisor, shift, magnitude, top, counts)

    return block
